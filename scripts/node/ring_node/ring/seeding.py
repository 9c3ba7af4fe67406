"""Where a node's data comes from: one decision, and what it asks for."""

from __future__ import annotations

from ..base import paths
from ..base.errors import Exit, NodeError, refused, too_late
from ..base.report import Report
from ..base.waiting import QUICK, Deadline, poll
from ..mysql import binlogs, lifecycle, sql
from ..mysql.shows import SlaveStatus, show_master_status, show_slave_status
from ..mysql.sql import PATIENT, Session
from . import admission as admissions
from . import (
    content,
    copying,
    generation,
    opening,
    peer_accounts,
    reach,
    records,
    relay,
    schema,
    state,
)
from .documents import Pair
from .join import GivenUp, Refusal, Seed, State, decide_discard, decide_seed
from .schema import Origin

PEER_SECONDS = 60.0
PEER_SECONDS_JOINED = 5.0  # a node that has joined needs nothing of it
QUIET_SECONDS = 600.0
DRAIN_SECONDS = 600.0
CLOSED_SECONDS = 120.0
LOCK_WAIT = 60


def run(pair: Pair, report: Report) -> None:
    """Decides where this node's data comes from, and fetches it."""
    if not lifecycle.running():  # a run that was killed while a copy took its place stopped it
        lifecycle.start()
        report.did("server started")
    copying.remove_left()
    login = records.credentials().peer
    with sql.own(report) as own:
        if schema.exists(own) and schema.add_rows(own, pair.node.server_id, pair.peer.server_id):
            report.did("rows of both nodes in the ring's schema")
        has_joined = joined(own, pair)
        patience = PEER_SECONDS_JOINED if has_joined else PEER_SECONDS
        try:
            with reach.peer(
                pair.peer.replication_address, login, report, seconds=patience
            ) as other:
                seed(own, other, pair, report)
        except NodeError as error:
            if error.code != Exit.UNREACHABLE or not has_joined:
                raise
            report.note(f"this node has joined; the peer cannot be asked now: {error.found}")
            report.facts["outcome"] = "joined"


def discard(pair: Pair, though_behind: str | None, report: Report) -> None:
    """This node gives up what it holds, whatever that is, and copies the peer.

    Its server is asked, and stopped. It gets its old data back when the copy fails.
    `though_behind`: the name of a peer that is copied although it was set back in time, or although
    this node's server cannot be asked whether it was.
    """
    login = records.credentials().peer
    with reach.peer(pair.peer.replication_address, login, report, seconds=PEER_SECONDS) as other:
        other.do(PATIENT)
        peer = state.read(other, pair.peer.name)
        state.check_id(peer, pair.peer.server_id)
        said = _asked(other, pair, report)
        refusal = decide_discard(pair.node.name, said, peer, though_behind)
        if refusal:
            state.raise_refusal(refusal)
        if said.unasked:
            report.note(f"whether {peer.name} was set back in time was not known: {said.unasked}")
        with copying.back_after_an_error():
            lifecycle.begin_stop()
            _wait_until_closed()
            _wait_until_applied(other, pair)
        copying.copy(pair, peer.uuid, known(other), said.generation, report)


def _asked(other: Session, pair: Pair, report: Report) -> GivenUp:
    """What this node's own server says. One that is down is started for it, behind a gate that
    stays closed, and stopped again."""
    if lifecycle.running():
        return _said(other, pair, report)
    with opening.alone("asking the server before its data is given up"):
        try:
            lifecycle.start()
            return _said(other, pair, report)
        except NodeError as error:
            return GivenUp(unasked=error.found)
        finally:
            lifecycle.stop()


def _said(other: Session, pair: Pair, report: Report) -> GivenUp:
    try:
        with sql.own(report) as own:
            return GivenUp(
                bool(content.found(own)),
                generation.set_back(other, own, pair.peer.server_id),
                schema.generation(own, pair.node.server_id) if schema.exists(own) else 0,
            )
    except NodeError as error:
        return GivenUp(unasked=error.found)


def seed(own: Session, other: Session, pair: Pair, report: Report) -> None:
    """One decision, and what it asks for."""
    me, peer = state.both(own, other, pair)
    decision = _decide(me, peer)
    if me.follows_former(peer):
        _leave_former(own, peer, report)
        me, peer = state.both(own, other, pair)  # what it still had to apply may have been data
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
        state.raise_refusal(decision)
    return decision


def joined(own: Session, pair: Pair) -> bool:
    """Whether this node is in a ring with that very peer. One on a new volume is another."""
    admission = admissions.read()
    if admission is None or admission.peer_volume_id != pair.peer.volume_id:
        return False
    source = schema.read_source(own) if schema.exists(own) else None
    return source is not None and source.state == "wired"


def _begin(own: Session, other: Session, me: State, peer: State, report: Report) -> None:
    """Writes down from where the peer must read, as of a moment when nothing is there."""
    created = content.create_databases(own, content.databases(other))
    begun = peer.own_origin
    # What a peer that has begun logs from there on comes by itself.
    if (
        begun is None
        or begun.peer_uuid != me.uuid
        or begun.coordinates == show_master_status(other)
    ):
        peer_accounts.copy(own, other, report)
    own.do("SET SESSION lock_wait_timeout = %s", [LOCK_WAIT])
    try:
        # When it fails in 5.6.24 it keeps the half of the lock that it got.
        own.do("FLUSH TABLES WITH READ LOCK")
        found = content.found(own)
        coordinates = show_master_status(own)
    finally:
        own.do("UNLOCK TABLES")
    if found:
        raise too_late(
            f"data appeared while the ring was being made: {found[0]}",
            "an empty node",
            "run this again: it decides anew",
        )
    if coordinates is None:
        raise _no_binary_log(me)
    schema.go_on_from(own, me.server_id, schema.generation(other, me.server_id))
    schema.write_origin(own, Origin(me.uuid, peer.uuid, "ready", "empty", coordinates, None))
    if created:
        report.did(f"databases like the peer's: {', '.join(created)}")
    report.did(f"{peer.name} must read from {coordinates} on")


def _copy(own: Session, other: Session, me: State, peer: State, pair: Pair, report: Report) -> None:
    opening.shut(own, report)
    if me.empty and not me.copying and content.found(own):
        raise too_late(
            "data appeared before the gate of this node was closed",
            "an empty node",
            "run this again: it decides anew",
        )
    relay.stop(own)
    schema.write_origin(own, Origin(me.uuid, peer.uuid, "copying", "copied", None, None))
    _wait_until_quiet(other, me, peer)
    other.do(PATIENT)
    own.do(PATIENT)
    beaten = schema.generation(own, me.server_id)
    copying.copy(pair, peer.uuid, known(other), beaten, report)
    own.connect_anew()
    if peer.follows(me):
        report.note(f"this node's server is a new one: on {peer.name}, `sudo ring-node rejoin`")
    report.did(f"{peer.name} must read from the beginning of this server's binary log on")


def known(other: Session) -> int:
    """The highest number of a binary log that the peer's slave knows of this node's servers."""
    slave = show_slave_status(other)
    places = (slave.read, slave.executed) if slave else ()
    return max((binlogs.number(place.file) for place in places), default=0)


def _wait_until_closed() -> None:
    """What it has to write before it ends takes its time, beside the copy."""

    def closed() -> bool | None:
        return None if lifecycle.listens() else True

    if poll(closed, Deadline(CLOSED_SECONDS), longest_pause=QUICK) is None:
        raise too_late(
            f"this node's server still takes connections, {CLOSED_SECONDS:.0f} s after its stop",
            "its sockets closed",
            f"see {paths.ERROR_LOG}; end it, then run this again",
        )


def _wait_until_applied(other: Session, pair: Pair) -> None:
    """The peer has applied all that it got from this node, which takes no connection any more.

    What it applied after the copy would carry this node's server id, and be skipped here.
    """

    def cut_off() -> bool | None:
        slave = show_slave_status(other)
        return True if slave is None or slave.io_running != "Yes" else None

    def stuck(slave: SlaveStatus) -> bool:
        return bool(slave.sql_errno) or slave.sql_running == "No"

    deadline = Deadline(QUIET_SECONDS)
    if poll(cut_off, deadline, longest_pause=QUICK) and relay.applied(other, deadline.left, stuck):
        return
    slave = show_slave_status(other)
    said = slave.errors or "its SQL thread is stopped" if slave and stuck(slave) else ""
    raise too_late(
        f"{pair.peer.name} has not applied what it got from this node: {said or 'still at work'}",
        "all of it applied before it is copied",
        f"on {pair.peer.name} resolve the error, or RESET SLAVE to give them up; then run this "
        "again",
    )


def _wait_until_quiet(other: Session, me: State, peer: State) -> None:
    """The peer has applied all that it got from this node's predecessor.

    What it applied after the copy would carry this node's server id, and be skipped here.
    """
    if peer.follows(me):  # nobody writes here: nothing comes
        return

    def stopped() -> bool | None:
        slave = show_slave_status(other)
        return True if slave is None or slave.io_stopped else None

    deadline = Deadline(QUIET_SECONDS)
    if not poll(stopped, deadline) or not relay.applied(other, deadline.left, lambda _: False):
        raise too_late(
            f"{peer.name} still applies what it got from a former peer",
            f"its slave stopped by its own seed within {QUIET_SECONDS:.0f} s",
            f"run `sudo ring-node rejoin` on {peer.name}, then this again",
        )


def _leave_former(own: Session, peer: State, report: Report) -> None:
    """Applies what came from the peer's predecessor, then forgets it.

    It must be in this node's data before anybody copies that or reads on from its binary log:
    it carries a server id that the new peer may have, who would skip it.
    """
    own.do("STOP SLAVE IO_THREAD")
    own.do("START SLAVE SQL_THREAD")  # a run that was killed here had stopped it
    done = relay.applied(own, DRAIN_SECONDS, lambda status: status.sql_errno)
    slave = show_slave_status(own)
    if slave is None:
        return
    if not done:
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
