"""Verb `seed`: decide where this node's data comes from, and fetch it."""

from __future__ import annotations

from typing import Any

from . import (
    copying,
    documents,
    files,
    paths,
    relay,
    ring_files,
    ring_schema,
    ring_state,
    service,
    sql,
)
from .documents import Pair
from .errors import Exit, NodeError, refused, too_late
from .join import Refusal, Seed, State, decide_seed
from .report import Report
from .ring_schema import Origin
from .shows import show_master_status, show_slave_status
from .sql import Session
from .waiting import Deadline, poll

PEER_SECONDS = 60.0
PEER_SECONDS_JOINED = 5.0  # a node that has joined needs nothing of it
QUIET_SECONDS = 600.0
DRAIN_SECONDS = 600.0
LOCK_WAIT = 60


def run(document: Any) -> Report:
    report = Report("seed")
    pair = documents.pair(document)
    remember_peer(pair, report)
    login = ring_files.credentials().peer
    with sql.own(report) as own:
        if ring_schema.exists(own) and ring_schema.add_rows(
            own, pair.node.server_id, pair.peer.server_id
        ):
            report.did("rows of both nodes in the ring's schema")
        joined = _joined(own, pair)
        patience = PEER_SECONDS_JOINED if joined else PEER_SECONDS
        try:
            with sql.other(pair.peer.replication_address, login, report, seconds=patience) as other:
                step(own, other, pair, report)
        except NodeError as error:
            if error.code != Exit.UNREACHABLE or not joined:
                raise
            report.note(f"this node has joined; the peer cannot be asked now: {error.found}")
            report.facts["outcome"] = "joined"
    return report


def remember_peer(pair: Pair, report: Report) -> None:
    if ring_files.node() != pair.node:
        raise refused(
            f"{paths.NODE} is not of {pair.node.name} as the document has it",
            "the same node",
            "run `ring-node tools` with the same settings first",
        )
    if files.write(paths.PEER, documents.to_json(pair.peer), mode=0o644):
        report.did(f"{paths.PEER} says who the peer is: {pair.peer.name}")


def step(own: Session, other: Session, pair: Pair, report: Report) -> None:
    """One decision, and what it asks for."""
    me, peer = states(own, other, pair)
    decision = _decide(me, peer)
    if me.follows_former(peer):
        _leave_former(own, peer, report)
        me, peer = states(own, other, pair)  # what it still had to apply may have been data
        decision = _decide(me, peer)
    if decision is Seed.BEGIN:
        _begin(own, other, me, peer, report)
    elif decision in (Seed.COPY, Seed.COPY_AGAIN):
        _copy(own, other, me, peer, pair, report)
    report.facts["outcome"] = decision.name.lower()
    report.facts["why"] = decision.value


def _decide(me: State, peer: State) -> Seed:
    decision = decide_seed(me, peer)
    if isinstance(decision, Refusal):
        ring_state.raise_refusal(decision)
    return decision


def states(own: Session, other: Session, pair: Pair) -> tuple[State, State]:
    me = ring_state.read(own, pair.node.name)
    peer = ring_state.read(other, pair.peer.name)
    ring_state.check_id(me, pair.node.server_id)
    ring_state.check_id(peer, pair.peer.server_id)
    return me, peer


def _joined(own: Session, pair: Pair) -> bool:
    """Whether this node is in a ring with that very peer. One on a new instance is another."""
    if service.fenced() or ring_files.joined_with() != pair.peer.instance_id:
        return False
    source = ring_schema.read_source(own) if ring_schema.exists(own) else None
    return source is not None and source.state == "wired"


def _begin(own: Session, other: Session, me: State, peer: State, report: Report) -> None:
    """Writes down from where the peer must read, as of a moment when nothing is there."""
    created = copying.create_databases(own, ring_schema.databases(other))
    begun = peer.own_origin
    # What a peer that has begun logs from there on comes by itself.
    if begun is None or begun.peer_uuid != me.uuid or begun.position == show_master_status(other):
        copying.accounts(own, other, report)
    own.do("SET SESSION lock_wait_timeout = %s", [LOCK_WAIT])
    own.do("FLUSH TABLES WITH READ LOCK")
    try:
        found = ring_schema.content(own)
        position = show_master_status(own)
    finally:
        own.do("UNLOCK TABLES")
    if found:
        raise too_late(
            f"data appeared while the ring was being made: {found[0]}",
            "an empty node",
            "run this again: it decides anew",
        )
    if position is None:
        raise _no_binary_log(me)
    ring_schema.write_origin(own, Origin(me.uuid, peer.uuid, "ready", "empty", position, None))
    if created:
        report.did(f"databases like the peer's: {', '.join(created)}")
    report.did(f"{peer.name} must read from {position} on")


def _copy(own: Session, other: Session, me: State, peer: State, pair: Pair, report: Report) -> None:
    service.raise_fence(report)
    own.do("SET GLOBAL read_only = 1")
    if me.empty and not me.copying and ring_schema.content(own):
        raise too_late(
            "data appeared before this node was fenced",
            "an empty node",
            "run this again: it decides anew",
        )
    relay.stop(own)
    ring_schema.write_origin(own, Origin(me.uuid, peer.uuid, "copying", "copied", None, None))
    _wait_until_quiet(other, me, peer)
    login = ring_files.credentials().peer
    copied_at = copying.copy(own, other, pair.peer, login, report)
    position = show_master_status(own)
    if position is None:
        raise _no_binary_log(me)
    ring_schema.write_origin(
        own, Origin(me.uuid, peer.uuid, "copied", "copied", position, copied_at)
    )
    report.did(f"{peer.name} must read from {position} on")


def _wait_until_quiet(other: Session, me: State, peer: State) -> None:
    """The peer has applied all that it got from this node's predecessor.

    What it applied after the copy would carry this node's server id, and be skipped here.
    """
    if peer.follows(me):  # which is fenced: nothing comes
        return

    def quiet() -> bool | None:
        slave = show_slave_status(other)
        return True if slave is None or (slave.io_stopped and slave.drained) else None

    if poll(quiet, Deadline(QUIET_SECONDS)) is None:
        raise too_late(
            f"{peer.name} still applies what it got from a former peer",
            f"its slave stopped by its own seed within {QUIET_SECONDS:.0f} s",
            f"run `ring-node seed` on {peer.name}, then this again",
        )


def _leave_former(own: Session, peer: State, report: Report) -> None:
    """Applies what came from the peer's predecessor, then forgets it.

    It must be in this node's data before anybody copies that or reads on from its binary log:
    it carries a server id that the new peer may have, who would skip it.
    """
    own.do("STOP SLAVE IO_THREAD")
    own.do("START SLAVE SQL_THREAD")  # a run that was killed here had stopped it

    def settled() -> bool | None:
        slave = show_slave_status(own)
        return True if slave is None or slave.drained or slave.sql_errno else None

    poll(settled, Deadline(DRAIN_SECONDS))
    slave = show_slave_status(own)
    if slave is None:
        return
    if not slave.drained:
        raise refused(
            f"events of the former {peer.name} are not applied: {slave.errors or 'still at work'}",
            "all of them applied before this node is copied",
            "resolve the error, or RESET SLAVE to give them up; then run this again",
        )
    relay.stop(own)
    own.do("RESET SLAVE ALL")
    report.did(f"left the former {peer.name}; all that came from it is applied")


def _no_binary_log(me: State) -> NodeError:
    return refused(f"{me.name} writes no binary log", "log-bin in my.cnf", "run `ring-node config`")
