"""Backups and the maintenance of tables: on one node of a ring at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ..base.errors import Exit, NodeError
from ..base.waiting import Deadline
from ..mysql import sql
from ..mysql.sql import PATIENT, Session
from ..ring import reach, records
from ..ring.documents import Pair

TURN = "mysql_ring.upkeep"  # a named lock: free at once when its session ends
TAKE = "SELECT GET_LOCK(%s, %s)"
HELD = "SELECT IS_USED_LOCK(%s) = CONNECTION_ID()"
ASK_SECONDS = 30  # a server that is gone is noticed so soon
SLACK_SECONDS = 60.0
LONGEST_SECONDS = 12 * 3600
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
            arbiter = held.enter_context(_arbiter(pair, ASK_SECONDS + SLACK_SECONDS))
            taken = _taken(arbiter, Deadline(seconds))
        except NodeError as error:
            if error.code is not Exit.UNREACHABLE or not without_peer:
                raise
            arbiter, taken = None, True
        if not taken:
            raise NodeError(
                Exit.BUSY,
                f"{pair.peer.name} takes a backup or looks after its tables",
                f"its end within {seconds:.0f} s: one node at a time",
                AGAIN,
            )
        yield Turn(arbiter)


def _taken(arbiter: Session, deadline: Deadline) -> bool:
    arbiter.do(PATIENT)
    while True:
        if arbiter.value(TAKE, [TURN, min(ASK_SECONDS, int(deadline.left))]) == 1:
            return True
        if deadline.over:
            return False


@contextmanager
def _arbiter(pair: Pair, patience: float) -> Iterator[Session]:
    if pair.node.server_id < pair.peer.server_id:
        with sql.own(patience=patience) as session:
            yield session
    else:
        login = records.credentials().peer
        with reach.peer(pair.peer.replication_address, login, patience=patience) as session:
            yield session
