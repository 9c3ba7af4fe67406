"""A restart of the server that never leaves the ring without one that answers.

Whoever restarts holds a named lock on the other node's server, until the ring is healthy again; who
finds its own server's lock taken waits. If both take one at once the node with the larger server
id steps back.

While the CA changes there is a time when each node has a certificate of another one: both serve,
neither reads from the other, and neither can log in there. Then the restarts that end this state
must not wait for a healthy ring. While one node has got another password of the account that reads
the peer, and the other one has not, that the peer serves is seen by its heartbeat alone.

A restart closes the gate of its node. So nobody restarts beside a peer whose gate is closed, nor a
server whose gate would stay closed, and the turn ends when the own gate is open again. Beside a
peer that cannot be asked that takes as long as this node is told to wait for one.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..base import paths
from ..base.errors import Exit, NodeError, refused, too_late
from ..base.report import Report
from ..base.waiting import Deadline, poll
from ..host import gate
from ..mysql import lifecycle, server_files, shows, sql, tls
from ..mysql.sql import Session
from . import (
    admission,
    agent_state,
    beats,
    health,
    look,
    opening,
    reach,
    records,
    relay,
    schema,
    trial,
)
from .documents import Node, Peer

LOCK = "mysql_ring.restart"
TURN_SECONDS = 180.0
BACK_SECONDS = 90.0
FRESH_SECONDS = 15.0  # the peer may have restarted a moment ago: its slave is about to connect
PEER_OPEN_SECONDS = 30.0
OPEN_SECONDS = 120.0  # beside a peer that answers; else after the setting openWithoutPeerSeconds
BEATS_SECONDS = 3.0  # for one on each side
GREETING_SECONDS = 20.0
GREETING_WAIT = 5.0
BY_HAND = (
    "If the files that wait are what heals the ring: `sudo ring-node restart --though-unwell NODE` "
    "with the name of this node, on its host; while it restarts maybe neither node serves"
)
TAKE = "SELECT GET_LOCK(%s, 0)"
GIVE = "SELECT RELEASE_LOCK(%s)"
HELD = "SELECT IS_USED_LOCK(%s)"


def in_turn(
    reason: str,
    report: Report,
    only: Collection[Path] | None = None,
    *,
    peer_must_be_healthy: bool = True,
) -> None:
    """With the files that wait, or `only` those of them.

    The gate must open again, and a ring that was healthy be so.

    Where any of this fails, the files that were there before are back, and the server is restarted
    with them. The new ones go on waiting: the next try may find them changed.
    """
    node, peer = records.node(), records.peer()
    if not admission.admitted() or node is None or peer is None:
        at_once(reason, report, only)
        return
    _refuse_without_an_agent()
    with _turn(node, peer, peer_must_be_healthy) as ways, _nothing_dropped(ways):

        def judge() -> None:
            opening.wait_until_open(OPEN_SECONDS + (records.opening() or 0))
            if ways is None or ways.fresh:
                wait_until_healthy(node, peer, report, "the restart", known=ways is not None)

        _restart(judge, only)
        served = ", the peer serving meanwhile" if ways is not None else ""
        report.did(f"server restarted for {reason}{served}")


def at_once(reason: str, report: Report, only: Collection[Path] | None = None) -> None:
    """As `in_turn`, for a server that serves nobody, or is down."""
    _restart(lambda: None, only)
    report.did(f"server restarted for {reason}")


def though_unwell(reason: str, report: Report) -> None:
    """As `at_once`, for a server of a ring that is not healthy. Nothing that came from the peer is
    dropped, unless the peer still has it."""
    peer = records.peer()
    with ExitStack() as stack:
        runs = lifecycle.running() and not server_files.left_down()
        if runs and (peer is None or not _has_what_is_not_applied(peer)):
            stack.enter_context(_drained())
        at_once(reason, report)
    report.note("clients reach this node when its gate is open: see `ring-node gate`")


def _has_what_is_not_applied(peer: Peer) -> bool:
    """A peer that lost the end of its log, as in a crash with sync_binlog off, has not."""
    with sql.own() as own:
        status = shows.show_slave_status(own)
    if status is None:
        return True
    login = records.credentials().peer
    with suppress(NodeError), reach.peer(peer.replication_address, login) as other:
        end = shows.show_master_status(other)
        same = shows.identity(other).uuid == status.master_uuid
        known = same and status.executed.file in shows.show_binary_logs(other)
        return known and end is not None and status.read.order <= end.order
    return False


def _restart(judge: Callable[[], None], only: Collection[Path] | None) -> None:
    trial.run(only, lambda: _run(judge), lambda: _run(judge))


def _run(judge: Callable[[], None]) -> None:
    lifecycle.restart()
    _refuse_a_server_without_tls()
    judge()


def _refuse_a_server_without_tls() -> None:
    with sql.own() as session:
        tls.refuse_disabled(shows.identity(session).have_ssl)


@contextmanager
def _turn(node: Node, peer: Peer, must_be_healthy: bool) -> Iterator[beats.Ways | None]:
    """Yields the ring's health, while the peer keeps its hands off its own server.

    None: the peer cannot be asked, and the caller restarts all the same.
    """
    with ExitStack() as stack:
        try:
            ways = _enter_turn(stack, node, peer)
        except NodeError as error:
            denied = sql.denied(error)
            if error.code != Exit.UNREACHABLE and not denied:
                raise
            serves = sql.distrusted(error) or (denied and _beats(peer))
            if must_be_healthy and not serves:
                raise _unhealthy(error.found) from None
            # Which opens again, though it may be behind: only who serves already may do that.
            if must_be_healthy and not (gate.is_open() or server_files.exchanged()):
                raise _unhealthy(f"the gate of this node is closed, and {error.found}") from None
            # It may be restarting for the same reason: not both at once.
            wait_for_peers_turn()
            poll(lambda: _greets(peer.replication_address), Deadline(GREETING_SECONDS))
            with suppress(NodeError):
                _enter_turn(stack, node, peer)
            yield None
            return
        if must_be_healthy and not ways.fresh:
            raise _unhealthy(str(ways))
        with sql.own() as own:
            _refuse_a_gate_that_would_stay_closed(own)
        yield ways


@contextmanager
def _nothing_dropped(ways: beats.Ways | None) -> Iterator[None]:
    """A restart drops what the slave has not applied. A peer that is lost cannot send it again."""
    if ways is not None and ways.fresh:
        yield
        return
    with _drained():
        yield


@contextmanager
def _drained() -> Iterator[None]:
    """The IO thread stands still meanwhile; after an error it goes on."""
    with sql.own() as own:
        relay.drain(own)
    try:
        yield
    except BaseException:
        with suppress(NodeError), sql.own() as own:
            own.do("START SLAVE IO_THREAD")
        raise


def wait_for_peers_turn() -> None:
    """The peer holds its lock here until its gate is open, also when neither trusts the other."""
    with sql.own() as own:
        if poll(lambda: own.value(HELD, [LOCK]) is None or None, Deadline(TURN_SECONDS)) is None:
            raise _still_restarting()


def _refuse_without_an_agent() -> None:
    """Nothing else opens the gate that the restart closes."""

    def speaks() -> bool | None:
        return True if agent_state.silence(agent_state.read(), None) is None else None

    if poll(speaks, Deadline(FRESH_SECONDS)) is None:
        raise refused(
            f"{paths.AGENT_SERVICE} says nothing: {agent_state.silence(agent_state.read(), None)}",
            "it at work: after a restart of the server it opens the gate",
            f"see `systemctl status {paths.AGENT_SERVICE}` and start it, then run this again",
        )


def _refuse_a_gate_that_would_stay_closed(own: Session) -> None:
    """With a peer that answers, the gate opens again when the slave has caught up with it."""

    def runs() -> bool | None:
        status = shows.show_slave_status(own)
        return True if status is not None and status.both_run else None

    if poll(runs, Deadline(FRESH_SECONDS)) is None:
        status = shows.show_slave_status(own)
        said = "none is configured"
        if status is not None:
            said = status.errors or f"IO {status.io_running}, SQL {status.sql_running}"
        raise refused(
            f"the slave of this node does not run: {said}",
            "both threads Yes: after a restart the gate opens when the slave has caught up",
            f"resolve what the slave names (`ring-node status`), then run this again. {BY_HAND}",
        )


def _enter_turn(stack: ExitStack, node: Node, peer: Peer) -> beats.Ways:
    login = records.credentials().peer
    own = stack.enter_context(sql.own())
    other = stack.enter_context(reach.peer(peer.replication_address, login))
    _take_turn(own, other, node, peer)
    _refuse_beside_a_closed_gate(other, peer)
    watch = beats.Watch(own, other, node.server_id, peer.server_id)
    ways = watch.until_fresh(FRESH_SECONDS)
    own.close()
    return ways


def _beats(peer: Peer) -> bool:
    """Whether the peer's heartbeat comes here: behind a closed gate nobody beats."""
    with sql.own() as own:
        first = schema.generation(own, peer.server_id)

        def changed() -> bool | None:
            return schema.generation(own, peer.server_id) != first or None

        return poll(changed, Deadline(FRESH_SECONDS)) is True


def _greets(address: str) -> bool | None:
    try:
        with socket.create_connection((address, lifecycle.PORT), GREETING_WAIT) as connection:
            return True if connection.recv(5) else None
    except OSError:
        return None


def _refuse_beside_a_closed_gate(other: Session, peer: Peer) -> None:
    """A server takes writes from right before its gate opens."""

    def takes_writes() -> bool | None:
        return None if shows.identity(other).read_only else True

    if poll(takes_writes, Deadline(PEER_OPEN_SECONDS)) is None:
        raise refused(
            f"{peer.name} is read-only: its gate is closed",
            "it serving clients while the server of this node restarts",
            f"see on {peer.name} why (`ring-node gate`), then run this again. {BY_HAND}",
        )


def _take_turn(own: Session, other: Session, node: Node, peer: Peer) -> None:
    def turn() -> bool | None:
        if not other.value(TAKE, [LOCK]):
            return None
        if own.value(HELD, [LOCK]) is None:
            return True
        if node.server_id > peer.server_id:
            other.value(GIVE, [LOCK])
        return None

    if poll(turn, Deadline(TURN_SECONDS)) is None:
        raise _still_restarting()


def wait_until_healthy(node: Node, peer: Peer, report: Report, what: str, *, known: bool) -> None:
    """After `what`. Only with a peer that can be asked: `known` if it could before."""
    login = records.credentials().peer
    try:
        with reach.peer(peer.replication_address, login):
            pass
    except NodeError as error:
        if not known or sql.distrusted(error):
            report.note(f"the ring is not healthy until {peer.name} can be asked: {error.found}")
            return

    if poll(lambda: healthy(node, peer), Deadline(BACK_SECONDS)) is None:
        wrong = "; ".join(filter(None, [unhealthy(node, peer), *_what_is_wrong()]))
        raise too_late(
            f"the ring is not healthy {BACK_SECONDS:.0f} s after {what}: {wrong}",
            "both heartbeats fresh on the other side",
            "look at `ring-node status` on both nodes before the other one is restarted",
        )


def healthy(node: Node, peer: Peer) -> bool | None:
    """True when both heartbeats are fresh on the other side, else None: a probe for `poll`."""
    return True if not unhealthy(node, peer) else None


def unhealthy(node: Node, peer: Peer) -> str:
    """Which heartbeat is not fresh on the other side, in words; "" when both are."""
    try:
        login = records.credentials().peer
        with sql.own() as own, reach.peer(peer.replication_address, login) as other:
            ways = beats.Watch(own, other, node.server_id, peer.server_id).until_fresh(
                BEATS_SECONDS
            )
    except NodeError as error:
        return error.found
    return "" if ways.fresh else str(ways)


def _what_is_wrong() -> list[str]:
    """In the words of `ring-node status`. What is to be taken back does not hang on it."""
    try:
        facts, _ = look.look()
    except (NodeError, OSError, ValueError):
        return []
    return [each.text for each in health.problems(facts)]


def _still_restarting() -> NodeError:
    return too_late(
        f"the peer was still restarting after {TURN_SECONDS:.0f} s",
        "its end, before this server restarts",
        "see what the peer's server does, then run this again",
    )


def _unhealthy(found: str) -> NodeError:
    return refused(
        f"the ring is not healthy: {found}",
        "both heartbeats fresh on the other side before a server of the ring is restarted",
        f"look at `ring-node status` on both nodes; nothing was changed. {BY_HAND}",
    )
