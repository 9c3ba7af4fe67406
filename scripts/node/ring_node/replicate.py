"""Verb `replicate`: follow the peer, catch up, lift the fence, beat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import (
    documents,
    paths,
    relay,
    ring_files,
    ring_schema,
    ring_state,
    seed,
    service,
    shows,
    sql,
    wiring,
)
from .documents import Pair
from .errors import Exit, NodeError, refused, too_late
from .join import Follow, Refusal, State, coordinates, decide_follow
from .report import Report
from .ring_schema import Source
from .shows import Position, SlaveStatus
from .sql import Session
from .waiting import Deadline, poll

PEER_SECONDS = 60.0
COORDINATES_SECONDS = 60.0
THREADS_SECONDS = 60.0
CATCH_UP_SECONDS = 600.0
QUICK = 0.05  # pause between looks at a slave that is about to be there
# These end by themselves or are told to the reader at once.
LOG_UNREADABLE = 1236  # ER_MASTER_FATAL_ERROR_READING_BINLOG
PERMANENT_IO = frozenset({LOG_UNREADABLE, 1593, 1045, 1044, 1227})


def run(document: Any) -> Report:
    report = Report("replicate")
    pair = documents.pair(document)
    seed.remember_peer(pair, report)
    kept = ring_files.credentials()
    target = wiring.connection(pair, kept.replication)
    with (
        sql.own(report) as own,
        sql.other(pair.peer.replication_address, kept.peer, report, seconds=PEER_SECONDS) as other,
    ):
        me, peer = _decide(own, other, pair, report)
        if me.follows(peer):
            adjust(own, target, report)
        else:
            _begin(own, me, peer, target, report)
        start(own, report)
        status = _threads(own)
        _check(status, peer)
        _join(own, other, me, peer, report)
        report.facts.update(
            follows=peer.uuid, read_from=str(status.executed), master_ssl=status.ssl_allowed
        )
    ring_files.write_joined(pair.peer)  # without it the heartbeat's service does not start
    _beat(report)
    return report


def _decide(own: Session, other: Session, pair: Pair, report: Report) -> tuple[State, State]:
    """Both states, when the peer's coordinates are known. Seeds itself if that was missed."""
    deadline = Deadline(COORDINATES_SECONDS)

    def look() -> tuple[State, State] | None:
        me, peer = seed.states(own, other, pair)
        decision = decide_follow(me, peer)
        if isinstance(decision, Refusal):
            ring_state.raise_refusal(decision)
        return None if decision is Follow.WAIT else (me, peer)

    def ready() -> tuple[State, State] | None:
        found = look()
        if found is None:
            seed.step(own, other, pair, report)
            found = look()  # a copy may have taken longer than the deadline
        return found

    found = poll(ready, deadline)
    if found is None:
        raise too_late(
            f"{pair.peer.name} has not written down from where {pair.node.name} must read",
            f"that within {deadline.seconds:.0f} s",
            f"run `ring-node seed` on {pair.peer.name}, then this again",
        )
    return found


def _begin(own: Session, me: State, peer: State, target: wiring.Connection, report: Report) -> None:
    position = coordinates(me, peer)
    assert position is not None
    if me.slave is not None:  # ALL: a slave without coordinates must not pass for a whole one
        relay.stop(own)
        own.do("RESET SLAVE ALL")
    source = Source(me.uuid, peer.uuid, "wiring", position)
    ring_schema.write_source(own, source)
    own.do(wiring.change_master(target, position))
    report.did(f"follows {peer.name} ({peer.uuid[:8]}) from {position}")


def adjust(own: Session, target: wiring.Connection, report: Report) -> bool:
    """Leaves the slave stopped when something had to change.

    The same master and place in its log; address, account or TLS settings may be new."""
    row = wiring.stored(own)
    different = wiring.differs(target, row) if row else []
    if not different:
        return False
    relay.drain(own)  # CHANGE MASTER drops the relay logs
    relay.stop(own)
    status = shows.show_slave_status(own)
    assert status is not None
    own.do(wiring.change_master(target, status.executed))
    report.did(f"connection to the peer changed: {', '.join(different)}")
    return True


def start(own: Session, report: Report) -> None:
    """Starts what does not run, also what a killed run had stopped."""
    status = shows.show_slave_status(own)
    assert status is not None
    if "No" in (status.io_running, status.sql_running):
        own.do("START SLAVE")
        report.did("slave started")


def _threads(own: Session) -> SlaveStatus:
    def settled() -> SlaveStatus | None:
        status = shows.show_slave_status(own)
        assert status is not None
        broken = status.sql_running == "No" and status.sql_errno
        if status.both_run or broken or (status.io_stopped and status.io_errno in PERMANENT_IO):
            return status
        return None

    status = poll(settled, Deadline(THREADS_SECONDS), longest_pause=QUICK)
    status = status or shows.show_slave_status(own)
    assert status is not None
    return status


def _check(status: SlaveStatus, peer: State) -> None:
    if not status.both_run:
        next_step = "resolve the error that the slave names, then run this again"
        if status.io_errno == LOG_UNREADABLE:
            next_step = (
                "the peer no longer has what this node lacks: decide which data is wanted and "
                "replace the other node's instance (`pulumi up --replace` with its URN)"
            )
        raise NodeError(
            Exit.SERVER,
            f"IO thread {status.io_running}, SQL thread {status.sql_running}: "
            f"{status.errors or 'no error yet'}",
            "both Yes",
            next_step,
        )
    if not status.ssl_allowed:
        raise refused("Master_SSL_Allowed is No", "Yes", "run this again")
    if status.master_uuid and status.master_uuid != peer.uuid:
        raise refused(
            f"the slave reads from {status.master_uuid}",
            f"{peer.uuid}, which answered at the same address a moment ago",
            "run this again: the peer has just been replaced",
        )


def _join(own: Session, other: Session, me: State, peer: State, report: Report) -> None:
    """Only a node that holds what its peer holds takes writes."""
    if service.fenced():
        goal = shows.show_master_status(other)
        if goal is not None and not _caught_up(own, goal):
            raise too_late(
                f"the slave has not reached {goal} of {peer.name}",
                f"that within {CATCH_UP_SECONDS:.0f} s",
                "run this again: it goes on from where it is",
            )
    source = ring_schema.read_source(own)
    if source is not None and source.state != "wired":
        ring_schema.write_source(own, replace(source, state="wired"))
    if me.copied and me.origin is not None:
        ring_schema.write_origin(own, replace(me.origin, state="ready"))
    if service.fenced():  # in this order: an interrupted run finds the fence and goes on
        own.do("SET GLOBAL read_only = 0")
        service.drop_fence()
        own.do(ring_schema.BEAT, [me.server_id])  # the peer need not wait for the service
        report.did("takes writes")


def _caught_up(own: Session, goal: Position) -> bool:
    def reached() -> bool | None:
        status = shows.show_slave_status(own)
        if status is None or not status.executed.file:
            return None
        return True if status.executed.order >= goal.order else None

    return bool(poll(reached, Deadline(CATCH_UP_SECONDS), longest_pause=QUICK))


def _beat(report: Report) -> None:
    unit = paths.HEARTBEAT_SERVICE
    if service.enable(unit):
        report.did("heartbeat service starts with the host")
    if service.state(unit)[0] != "active":
        service.systemctl("start", unit)
        report.did("heartbeat service started")
