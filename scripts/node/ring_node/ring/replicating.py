"""A node follows its peer from where it was written down, is admitted, and its gate opens."""

from __future__ import annotations

from ..base.errors import too_late
from ..base.report import Report
from ..base.waiting import Deadline, poll
from ..mysql import sql
from ..mysql.sql import Session
from . import follow, opening, reach, records, schema, seeding, state
from .documents import Pair
from .join import Follow, Refusal, State, decide_follow

PEER_SECONDS = 60.0
COORDINATES_SECONDS = 60.0
OPEN_SECONDS = 600.0


def run(pair: Pair, report: Report) -> None:
    kept = records.credentials()
    target = follow.connection(pair, kept.replication)
    with (
        sql.own(report) as own,
        reach.peer(pair.peer.replication_address, kept.peer, report, seconds=PEER_SECONDS) as other,
    ):
        me, peer = _decide(own, other, pair, report)
        if me.follows(peer):
            follow.adjust(own, target, report)
        else:
            follow.begin(own, me, peer, target, report)
        follow.start(own, report)
        status = follow.wait_for_threads(own)
        follow.check(status, me, peer)
        follow.take_part(own, other, me, peer, pair, report)
        if opening.wait_until_open(OPEN_SECONDS):
            report.did("serves clients")
            own.do(schema.BEAT, [pair.node.server_id])  # the peer need not wait for the agent
        report.facts.update(
            follows=peer.uuid, read_from=str(status.executed), master_ssl=status.ssl_allowed
        )


def _decide(own: Session, other: Session, pair: Pair, report: Report) -> tuple[State, State]:
    """Both states, when the peer's coordinates are known. Seeds itself if that was missed."""
    deadline = Deadline(COORDINATES_SECONDS)

    def look() -> tuple[State, State] | None:
        me, peer = state.both(own, other, pair)
        decision = decide_follow(me, peer)
        if isinstance(decision, Refusal):
            state.raise_refusal(decision)
        return None if decision is Follow.WAIT else (me, peer)

    def ready() -> tuple[State, State] | None:
        found = look()
        if found is None:
            seeding.seed(own, other, pair, report)
            found = look()  # a copy may have taken longer than the deadline
        return found

    found = poll(ready, deadline)
    if found is None:
        raise too_late(
            f"{pair.peer.name} has not written down from where {pair.node.name} must read",
            f"that within {deadline.seconds:.0f} s",
            f"run `sudo ring-node rejoin` on {pair.peer.name}, then this again",
        )
    return found
