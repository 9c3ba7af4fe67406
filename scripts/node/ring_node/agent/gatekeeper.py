"""Opens the gate when ring/opening.py says so. Each start of the server closes it, not this."""

from __future__ import annotations

from contextlib import ExitStack, suppress

from ..base.clock import boottime
from ..base.errors import Exit, NodeError
from ..host import gate
from ..mysql import server_files, shows, sql
from ..mysql.login import Login
from ..mysql.shows import SlaveStatus
from ..mysql.sql import BUSY, Session
from ..ring import admission, generation, opening, reach, records, schema
from ..ring.opening import GOAL_SECONDS, Facts, Peer
from .loop import Loop
from .state import Board

ANSWER_SECONDS = 5.0
CONNECT_SECONDS = 1.0
WHILE_OPEN = 0.5
WHILE_CLOSED = 0.1
DRAINED_SECONDS = 1.0  # how long `drained` must hold: the SQL thread may be about to wake up


class Gatekeeper(Loop):
    name = "gate"
    period = WHILE_CLOSED

    def __init__(self, board: Board, server_id: int) -> None:
        super().__init__()
        self._board, self._server_id = board, server_id
        self._own_stack, self._peer_stack = ExitStack(), ExitStack()
        self._own: Session | None = None
        self._other: Session | None = None
        self._uuid: str | None = None
        self._why_open = "open since before the agent started"
        self._begin(None)

    def _begin(self, closed: int | None) -> None:
        """Another start of the server, or the gate was opened."""
        self._closed = closed
        self._checked = False
        self._answered: float | None = None  # when the peer did last; or when it was first asked
        self._peer: Peer | None = None
        self._goal_asked = 0.0
        self._problem = ""
        self._full = False
        self._turned_away = False
        self._in_turn = False
        self._set_back: str | None = None
        self._drained_since: float | None = None
        self._leave_own()
        self._leave_peer()

    def step(self) -> None:
        closed = gate.number()
        if closed != self._closed:
            self._begin(closed)
        if closed is None:
            self._close_what_nobody_opened()
            self._tell(True, self._why_open)
            self.period = WHILE_OPEN
            return
        self.period = WHILE_CLOSED
        facts = self._look()
        verdict = opening.decide(facts)
        if verdict.opens and self._own is not None and opening.lift(self._own, closed):
            self._why_open = f"opened: {verdict.value}"
            self._begin(None)
            self._tell(True, self._why_open)
            return
        self._tell(False, opening.why(verdict, facts), verdict.value)

    def _close_what_nobody_opened(self) -> None:
        """A server that is read-only was not opened: somebody removed the gate, as a flush of all
        rules of nftables does."""
        if self._checked:
            return
        with sql.own(patience=ANSWER_SECONDS) as own:
            read_only = shows.identity(own).read_only
        if read_only:
            gate.close()
            raise NodeError(
                Exit.REFUSED,
                "the gate of a server that may not be opened yet was gone, and was closed again",
                "nobody but this agent, or `ring-node open`, opening it",
                "see who flushes the rules of nftables",
            )
        self._checked = True

    def failed(self, problem: str) -> None:
        self._leave_own()
        is_open = False
        with suppress(NodeError, OSError, ValueError):
            is_open = gate.is_open()
        self._board.gate(is_open=is_open, why=problem, server_uuid=self._uuid)

    def _tell(self, is_open: bool, why: str, in_short: str = "") -> None:
        self.say(in_short or why)
        self._board.gate(is_open=is_open, why=why, server_uuid=self._uuid)

    def _look(self) -> Facts:
        if not admission.admitted():
            return Facts(admitted=False)
        peer, patience = records.peer(), records.opening()
        try:
            login = records.credentials().peer
        except NodeError:
            login = None
        if peer is None or patience is None or login is None:
            return Facts(admitted=True, told=False)
        if self._own is None:
            self._own = self._own_stack.enter_context(sql.own(patience=ANSWER_SECONDS))
            self._own.do(BUSY)
            self._uuid = shows.identity(self._own).uuid
        self._ask(self._own, peer.replication_address, login)
        slave = shows.show_slave_status(self._own)
        source = schema.read_source(self._own)
        now = boottime()
        return Facts(
            admitted=True,
            slave=slave,
            follows=source.peer_uuid if source and source.server_uuid == self._uuid else None,
            peer=self._peer,
            goal_age_s=now - self._goal_asked,
            problem=self._problem,
            full=self._full,
            turned_away=self._turned_away,
            in_turn=self._in_turn,
            set_back=self._set_back,
            silent_s=now - (self._answered if self._answered is not None else now),
            patience_s=patience,
            drained=self._drained(slave, now),
        )

    def _ask(self, own: Session, address: str, login: Login) -> None:
        """Where the peer's binary log ends, unless it was asked for that a moment ago."""
        asked = boottime()
        if self._answered is None:
            self._answered = asked
        if self._peer is not None and asked - self._goal_asked <= GOAL_SECONDS:
            return
        try:
            if self._other is None:
                self._other = self._peer_stack.enter_context(
                    reach.peer(address, login, seconds=CONNECT_SECONDS, patience=ANSWER_SECONDS)
                )
                self._other.do(BUSY)
            self._goal_asked = boottime()
            self._peer = self._answer(self._other)
            # Before this node beats for the first time: it is closed, so it cannot.
            self._set_back = generation.set_back(own, self._other, self._server_id)
        except NodeError as error:
            self._leave_peer()
            self._peer, self._problem = None, error.found
            self._full, self._turned_away = sql.full(error), sql.turned_away(error)
            self._in_turn = server_files.under_way()
            if self._full or (self._turned_away and not self._in_turn):
                self._answered = boottime()
        else:
            self._answered, self._full, self._turned_away = boottime(), False, False

    def _answer(self, other: Session) -> Peer:
        uuid = shows.identity(other).uuid
        source = schema.read_source(other) if schema.exists(other) else None
        joined = source is not None and (source.server_uuid, source.state) == (uuid, "wired")
        return Peer(uuid, joined, shows.show_master_status(other))

    def _drained(self, slave: SlaveStatus | None, now: float) -> bool:
        if slave is not None and not slave.drained:
            self._drained_since = None
            return False
        if self._drained_since is None:
            self._drained_since = now
        return now - self._drained_since >= DRAINED_SECONDS

    def _leave_own(self) -> None:
        self._own_stack.close()
        self._own = None

    def _leave_peer(self) -> None:
        self._peer_stack.close()
        self._other = None
