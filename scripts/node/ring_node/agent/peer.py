"""What comes from the peer, and whether it can be asked: two loops, so that neither waits for the
other."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime

from ..base.clock import boottime
from ..mysql import sql
from ..mysql.sql import BUSY, Session
from ..ring import reach, records, schema
from .loop import Loop
from .state import Board

ANSWER_SECONDS = 5.0
CONNECT_SECONDS = 1.0


class Seen(Loop):
    """The peer's heartbeat as it comes here. That it changes is seen by this host's own clock."""

    name = "the peer's heartbeat"
    period = 0.5

    def __init__(self, board: Board) -> None:
        super().__init__()
        self._board = board
        self._stack = ExitStack()
        self._own: Session | None = None
        self._seen: datetime | None = None
        self._changed: float | None = None
        self._looked = False

    def step(self) -> None:
        peer = records.peer()
        if peer is None:
            return
        if self._own is None:
            self._own = self._stack.enter_context(sql.own(patience=ANSWER_SECONDS))
            self._own.do(BUSY)
        beat = schema.beat(self._own, peer.server_id) if schema.exists(self._own) else None
        if self._looked and beat != self._seen and beat is not None:
            self._changed = boottime()
        self._seen, self._looked = beat, True
        self._board.beat_seen(beat.isoformat() if beat else None, self._changed)

    def failed(self, problem: str) -> None:
        del problem
        self._stack.close()
        self._own = None


class Asked(Loop):
    """The peer's clock, and that the peer can be asked at all."""

    name = "the peer"

    def __init__(self, board: Board) -> None:
        super().__init__()
        self._board = board
        self._stack = ExitStack()
        self._other: Session | None = None

    def step(self) -> None:
        peer = records.peer()
        if peer is None:
            self._board.peer_silent("this node has no record of its peer yet")
            return
        if self._other is None:
            self._other = self._stack.enter_context(
                reach.peer(
                    peer.replication_address,
                    records.credentials().peer,
                    seconds=CONNECT_SECONDS,
                    patience=ANSWER_SECONDS,
                )
            )
            self._other.do(BUSY)
        difference = schema.clock_difference(self._other)
        self._board.peer_answered(boottime(), difference)
        self.say("answers")

    def failed(self, problem: str) -> None:
        self._board.peer_silent(problem)
        self._stack.close()
        self._other = None
