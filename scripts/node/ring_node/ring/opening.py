"""When the gate opens, and how: a pure decision, and the acts on the server and the host.

The order of an opening: the server takes writes, events run as my.cnf says, the gate opens last. So
no client ever meets a server that is read-only, and an opening that is killed in the middle
leaves a closed gate and is done again. Before the gate is open nobody but the host's own programs
can write. A closing goes the other way round. Both hold one lock, so that neither ends up half done
within the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from ..base import paths
from ..base.errors import too_late
from ..base.lock import host_lock
from ..base.report import Report
from ..base.waiting import QUICK, Deadline, poll
from ..host import files, gate
from ..mysql import options
from ..mysql.shows import Coordinates, SlaveStatus
from ..mysql.sql import Session
from . import admission, agent_state

LOCK_SECONDS = 30.0
# A goal that is older says little of what the peer has written since: it is asked for a new one.
GOAL_SECONDS = 2.0


class Verdict(Enum):
    """What becomes of a closed gate, and why."""

    CAUGHT_UP = "this node has applied what its peer had written"
    PEER_IS_NEW = "the peer is new and has not joined, and all of the former one is applied"
    ALONE = "the peer cannot be asked, and all that came from it is applied"
    NOT_ADMITTED = "this node has not joined its ring yet"
    NOT_TOLD = "this node has no record of its peer yet"
    SET_BACK = "the data of this node is older than what its peer has seen of it"
    NO_SLAVE = "no slave is configured, and the peer may have what is not here"
    STRANGER = "the peer is not the server that this node follows, and has joined the ring"
    BROKEN = "the slave has stopped, and the peer has what is not here"
    BEHIND = "the slave catches up"
    UNAPPLIED = (
        "who this node followed cannot be asked, and not all that came from there is applied"
    )
    PATIENT = "the peer cannot be asked"
    FULL = "the peer runs, and has no connection left for this node to ask it"
    TURNED_AWAY = "the peer runs, and does not let this node ask it"

    @property
    def opens(self) -> bool:
        return self in (Verdict.CAUGHT_UP, Verdict.PEER_IS_NEW, Verdict.ALONE)


@dataclass(frozen=True)
class Peer:
    """What the peer answered a moment ago."""

    uuid: str
    joined: bool  # its slave was wired: it may have served clients
    goal: Coordinates | None  # where its binary log ended; None: it writes none


@dataclass(frozen=True)
class Facts:
    """Of a node behind a closed gate."""

    admitted: bool
    told: bool = True  # who the peer is, how to log in there, how long to do without it
    slave: SlaveStatus | None = None
    follows: str | None = None  # uuid of the peer's incarnation that the slave was pointed at
    peer: Peer | None = None  # None: it could not be asked, for whatever reason
    goal_age_s: float = 0.0  # since it was asked for its goal
    problem: str = ""  # why it could not
    full: bool = False  # it serves so many clients that it takes no more
    turned_away: bool = False  # it runs, and lets this node not log in, or is not trusted here
    in_turn: bool = False  # a verb on this node is restarting its server
    set_back: str | None = None
    silent_s: float = 0.0  # since the peer answered, or was first asked
    patience_s: float = 0.0  # how long this node does without it
    drained: bool = False  # all that the slave received is applied, seen twice


def decide(facts: Facts) -> Verdict:
    if not facts.admitted:
        return Verdict.NOT_ADMITTED
    if not facts.told:
        return Verdict.NOT_TOLD
    if facts.set_back is not None:
        return Verdict.SET_BACK
    if facts.peer is None:
        return _without_peer(facts)
    if facts.follows != facts.peer.uuid:
        return _beside_a_new_peer(facts, facts.peer)
    if facts.slave is None:
        return Verdict.NO_SLAVE
    return _with_peer(facts.slave, facts.peer, facts.goal_age_s)


def _without_peer(facts: Facts) -> Verdict:
    """A peer that turns this node away may take writes. While the CA changes each does, and the
    node that restarts for it must not wait for the other one, which waits for its turn."""
    if facts.full:  # as one may be that got all clients of this node
        return Verdict.FULL
    if facts.turned_away and not facts.in_turn:
        return Verdict.TURNED_AWAY
    if facts.silent_s < facts.patience_s:
        return Verdict.PATIENT
    return Verdict.ALONE if facts.drained else Verdict.UNAPPLIED


def _beside_a_new_peer(facts: Facts, peer: Peer) -> Verdict:
    if peer.joined:
        return Verdict.STRANGER
    return Verdict.PEER_IS_NEW if facts.drained else Verdict.UNAPPLIED


def _with_peer(slave: SlaveStatus, peer: Peer, goal_age_s: float) -> Verdict:
    executed, goal = slave.executed, peer.goal
    reached = goal is not None and bool(executed.file) and executed.order >= goal.order
    if reached and goal_age_s <= GOAL_SECONDS:
        return Verdict.CAUGHT_UP
    stopped = "No" in (slave.io_running, slave.sql_running)
    return Verdict.BROKEN if stopped else Verdict.BEHIND


def why(verdict: Verdict, facts: Facts) -> str:
    """The verdict in words, with what it is about."""
    slave, peer = facts.slave, facts.peer
    if verdict is Verdict.SET_BACK:
        return f"{verdict.value}: {facts.set_back}"
    if verdict is Verdict.BROKEN and slave is not None:
        threads = f"IO {slave.io_running}, SQL {slave.sql_running}"
        return f"{verdict.value}: {threads}: {slave.errors or 'no error, it was told to stop'}"
    if verdict is Verdict.BEHIND and slave is not None and peer is not None:
        goal = peer.goal or "a place that its peer does not name: it writes no binary log"
        errors = f"; {slave.errors}" if slave.errors else ""
        return f"{verdict.value}: at {slave.executed} on the way to {goal}{errors}"
    if verdict is Verdict.TURNED_AWAY:
        return f"{verdict.value}: {facts.problem}"
    if verdict is Verdict.PATIENT:
        rest = max(0.0, facts.patience_s - facts.silent_s)
        return f"{verdict.value}: {facts.problem}; opens without it in {rest:.0f} s"
    if verdict is Verdict.UNAPPLIED and slave is not None:
        what = slave.errors or f"read {slave.read}, applied {slave.executed}"
        return f"{verdict.value}: {what}"
    return verdict.value


def wait_until_open(seconds: float) -> bool:
    """The agent opens it; False when it was open. Ends with what the agent says of one that stays
    closed."""
    if gate.is_open():
        return False
    if poll(lambda: gate.is_open() or None, Deadline(seconds), longest_pause=QUICK) is None:
        raise too_late(
            f"the gate of this node is closed: {agent_state.why_closed()}",
            f"it open to clients within {seconds:.0f} s",
            f"resolve what that names (`systemctl status {paths.AGENT_SERVICE}`, "
            "`ring-node status` on both nodes): the gate opens by itself, then run this again",
        )
    return True


def lift(own: Session, closed: int) -> bool:
    """Opens the gate that has this number, if the node is admitted still.

    False when it was closed anew since: the server that was asked may not be the one that runs.
    """
    with alone("opening"):
        if not admission.admitted() or gate.number() != closed:
            return False
        own.do("SET GLOBAL read_only = 0")
        if options.events_run():
            own.do("SET GLOBAL event_scheduler = ON")
        return gate.open_(closed)


def shut(own: Session, report: Report) -> None:
    """This node is not admitted any more: no client reaches it, nothing but the slave writes."""
    with alone("closing"):
        if admission.revoke():
            report.did("not admitted any more: the gate stays closed until it has joined its ring")
        gate.close()
        own.do("SET GLOBAL read_only = 1")
        own.do("SET GLOBAL event_scheduler = OFF")


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Nobody else opens the gate inside, or closes it, but a start of the server."""
    files.folder(paths.AGENT_RUN, mode=0o755)
    with host_lock(paths.GATE_LOCK, what, LOCK_SECONDS):
        yield
