"""Backups and the maintenance of tables: on one node of a ring at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ..base.errors import Exit, NodeError
from ..base.waiting import Deadline, poll
from ..mysql import sql
from ..mysql.sql import PATIENT, Session
from ..ring import reach, records
from ..ring.documents import Pair

TURN = "mysql_ring.upkeep"  # a named lock: free at once when its session ends
# At once: who waits in it is a statement that no snapshot of the arbiter is taken beside.
TAKE = "SELECT GET_LOCK(%s, 0)"
HELD = "SELECT IS_USED_LOCK(%s) = CONNECTION_ID()"
LONGEST_SECONDS = 12 * 3600
PAUSE_SECONDS = 5.0
AGAIN = "run this again when that is over, or leave it to its timer"


def check_wait(seconds: int, verb: str) -> None:
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise NodeError(
            Exit.INPUT,
            f"--wait {seconds}",
            f"0 to {LONGEST_SECONDS}",
            f"ring-node {verb} --help",
        )


class Turn:
    """Of one node. `session` None: nobody can be asked, and nobody else can be at work."""

    def __init__(self, session: Session | None) -> None:
        self._session = session

    @property
    def held(self) -> bool:
        return self._session is None or self._session.value(HELD, [TURN]) == 1


@contextmanager
def upkeep(pair: Pair, seconds: float, *, without_peer: bool) -> Iterator[Turn]:
    """Waits that long for the other node to end. The lock is on the server with the lower id; with
    `without_peer`, a peer that has it and cannot be asked is at work at nothing."""
    with ExitStack() as held:
        arbiter: Session | None = None
        try:
            arbiter = held.enter_context(_arbiter(pair))
            had = _had(arbiter, seconds)
        except NodeError as error:
            if error.code is not Exit.UNREACHABLE or not without_peer:
                raise
            arbiter, had = None, True
        if not had:
            raise NodeError(
                Exit.BUSY,
                f"{pair.peer.name} takes a backup or looks after its tables",
                f"its end within {seconds:.0f} s: one node at a time",
                AGAIN,
            )
        yield Turn(arbiter)


def _had(arbiter: Session, seconds: float) -> bool:
    arbiter.do(PATIENT)

    def had() -> bool | None:
        return True if arbiter.value(TAKE, [TURN]) == 1 else None

    return poll(had, Deadline(seconds), longest_pause=PAUSE_SECONDS) is True


@contextmanager
def _arbiter(pair: Pair) -> Iterator[Session]:
    if pair.node.server_id < pair.peer.server_id:
        with sql.own() as session:
            yield session
    else:
        login = records.credentials().peer
        with reach.peer(pair.peer.replication_address, login) as session:
            yield session
