"""What a server is asked for the verdict. Nothing here hangs: each question has its own deadline.

One session at a time: when every connection is taken root has a single spare one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, TypeVar

from ..base.errors import NodeError
from ..base.waiting import Deadline, poll
from ..mysql import shows, sql, statements
from ..mysql.sql import Session
from . import content, reach, records, schema
from .documents import Node, Peer
from .health import Beats, Server, Tables, Unanswered, unapplied

T = TypeVar("T")

ANSWER_SECONDS = 3.0
AFTER_A_HANG = 1.0  # to wait for an answer, once a statement got none
WATCH_SECONDS = 4.0  # for a heartbeat, where no agent says when it saw one
HELD_SECONDS = 2.0  # a lock that the SQL thread gets within this time is nothing
GONE = frozenset({2006, 2013})
SERVER = (
    "SELECT @@global.max_connections AS most, (SELECT variable_value"
    " FROM information_schema.global_status WHERE variable_name = 'THREADS_CONNECTED') AS now,"
    " (SELECT variable_value FROM information_schema.global_status"
    " WHERE variable_name = 'UPTIME') AS uptime"
)
# Read off the tables' .frm files alone, no table is opened.
ENGINES = (
    "SELECT table_schema AS place, table_name AS name, engine FROM information_schema.tables"
    " WHERE table_type = 'BASE TABLE' AND engine IN ('MEMORY', 'MyISAM')"
    " AND table_schema NOT IN %s"
)
WITHOUT_KEY = (
    "SELECT COUNT(*) FROM information_schema.tables AS t LEFT JOIN ("
    "SELECT DISTINCT table_schema, table_name FROM information_schema.statistics"
    " WHERE index_name = 'PRIMARY' AND table_schema NOT IN %s) AS k"
    " ON k.table_schema = t.table_schema AND k.table_name = t.table_name"
    " WHERE t.table_type = 'BASE TABLE' AND t.table_schema NOT IN %s AND k.table_name IS NULL"
)
SLAVE_STATEMENT = ("STOP SLAVE", "START SLAVE", "RESET SLAVE", "CHANGE MASTER", "SHOW SLAVE STATUS")
MASTER_STATEMENT = ("SHOW MASTER STATUS", "SHOW BINARY LOGS", "FLUSH")


class Answers:
    """What one server answers. A statement that gets no answer costs its session, and the next one
    is asked in another."""

    def __init__(self) -> None:
        self.hung: list[Unanswered] = []
        self.missed: list[str] = []  # less important
        self._patience = ANSWER_SECONDS
        self._stack = ExitStack()
        self._session: Session | None = None
        self._id = 0

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def session(self) -> Session:
        if self._session is None:
            self._stack = ExitStack()
            self._session = self._stack.enter_context(sql.own(patience=self._patience, seconds=0))
            self._id = int(self._session.value("SELECT CONNECTION_ID()"))
        return self._session

    def ask(
        self, what: str, work: Callable[[Session], T], *, behind: tuple[str, ...] = ()
    ) -> T | None:
        """None: no answer, and `hung` says so. Not even asked where an earlier statement of the
        kinds `behind` still waits, or who looks often would fill the server with such sessions."""
        waiting = self._in_the_way(behind, 1) if behind else ""
        if waiting:
            self.hung.append(Unanswered(what, waiting))
            return None
        try:
            return work(self.session())
        except NodeError as error:
            why = error.found
            if isinstance(error, sql.ServerError) and error.number in GONE:
                why = f"nothing within {self._patience:.0f} s"
                self._leave()
                why = self._in_the_way(behind, 0) or why
            self.hung.append(Unanswered(what, why))
            return None

    def try_to(self, what: str, work: Callable[[Session], T]) -> T | None:
        """The same for what the verdict can do without."""
        before = len(self.hung)
        result = self.ask(what, work)
        self.missed += [f"{each.statement}: {each.why}" for each in self.hung[before:]]
        del self.hung[before:]
        return result

    def _leave(self) -> None:
        """Ends the session whose statement got no answer, on the server too."""
        left = self._id
        self._patience = AFTER_A_HANG
        self._stack.close()
        self._session = None
        with suppress(NodeError):
            self.session().do("KILL %s", [left])

    def _in_the_way(self, kinds: tuple[str, ...], seconds: int) -> str:
        """The oldest statement of these kinds, and what the SQL thread waits for with it."""
        try:
            found = [
                client
                for client in statements.long(self.session(), seconds)
                if client.statement.upper().startswith(kinds)
            ]
            if not found:
                return ""
            holders = statements.transactions(self.session())
            state = statements.slave_waits(self.session())
        except NodeError:
            return ""
        why = f", behind {state}" if state else ""
        held = f"; what may hold that up: {statements.named(holders)}" if state and holders else ""
        return f"{found[0]}{why}{held}"


def ask_server(
    node: Node | None, peer: Peer | None, facts: dict[str, Any], shown: dict[str, Any], watch: bool
) -> None:
    """Adds what the own server answers, or why it does not. `watch`: look at the heartbeats."""
    try:
        with Answers() as answers:
            try:
                _ask(answers, node, peer, facts, shown, watch)
            finally:
                facts["unanswered"] = tuple(answers.hung)
                facts["not_looked_at"] = tuple(answers.missed)
    except NodeError as error:
        facts["silent"] = error.found
        facts["all_taken"] = sql.full(error)


def peers_clock(peer: Peer) -> float:
    """Seconds that the peer's clock is ahead of this host's."""
    with reach.peer(peer.replication_address, records.credentials().peer, seconds=0) as other:
        return schema.clock_difference(other)


def _ask(
    answers: Answers,
    node: Node | None,
    peer: Peer | None,
    facts: dict[str, Any],
    shown: dict[str, Any],
    watch: bool,
) -> None:
    """In this order: what hangs is asked for last, and a look that is cut short has the rest."""
    session = answers.session()
    identity = shows.identity(session)
    counts = session.row(SERVER) or {}
    facts["server"] = Server(
        identity.server_id,
        identity.uuid,
        identity.version,
        identity.have_ssl,
        identity.read_only,
        int(counts["uptime"]),
        int(counts["now"]),
        int(counts["most"]),
    )
    known = schema.exists(session)
    if known:
        shown["origin"], shown["source"] = schema.read_origin(session), schema.read_source(session)
        for name, who in (("heartbeat_age_ms", peer), ("own_heartbeat_age_ms", node)):
            age = schema.beat_age(session, who.server_id) if who else None
            shown[name] = None if age is None else round(age * 1000, 1)
    begun = time.monotonic()
    rows = _rows(session, node, peer) if known and watch else None
    facts["slave"] = answers.ask(
        "SHOW SLAVE STATUS", shows.show_slave_status, behind=SLAVE_STATEMENT
    )
    facts["log_end"] = answers.ask(
        "SHOW MASTER STATUS", shows.show_master_status, behind=MASTER_STATEMENT
    )
    slave = facts["slave"]
    if slave is not None:
        facts["unapplied"] = unapplied(slave)
        if slave.waits_for_table:
            facts["held_up_by"] = answers.try_to("who holds the slave up", _holders)
    facts["tables"] = answers.try_to("a look at the tables", _tables)
    shown["empty"] = answers.try_to("a look at the content", lambda one: not content.found(one))
    if rows is not None:
        left = WATCH_SECONDS - (time.monotonic() - begun)
        facts["beats"] = answers.ask(
            "the heartbeats", lambda one: _watch(one, node, peer, rows, left)
        )


def _rows(session: Session, node: Node | None, peer: Peer | None) -> tuple[int, int] | None:
    if node is None or peer is None:
        return None
    return schema.generation(session, node.server_id), schema.generation(session, peer.server_id)


def _watch(
    session: Session,
    node: Node | None,
    peer: Peer | None,
    first: tuple[int, int],
    seconds: float,
) -> Beats:
    """Which of the two rows changes, seen by looking at them."""

    def both() -> bool | None:
        now = _rows(session, node, peer)
        return True if now is not None and now[0] != first[0] and now[1] != first[1] else None

    poll(both, Deadline(max(0.0, seconds)), longest_pause=0.1)
    own, theirs = _rows(session, node, peer) or first
    return Beats(
        0.0 if own != first[0] else None,
        0.0 if theirs != first[1] else None,
        watched=WATCH_SECONDS,
    )


def _holders(session: Session) -> str | None:
    """Who may hold the lock that the SQL thread waits for, if it still waits after a while."""
    first = shows.show_slave_status(session)

    def went_on() -> bool | None:
        now = shows.show_slave_status(session)
        if now is None or first is None or not now.waits_for_table:
            return True
        return True if now.executed != first.executed else None

    if poll(went_on, Deadline(HELD_SECONDS)):
        return None
    holders = statements.transactions(session) or statements.long(session, int(HELD_SECONDS))
    return statements.named(holders) or "nothing that shows"


def _tables(session: Session) -> Tables:
    rows = session.rows(ENGINES, [content.SYSTEM_SCHEMAS])
    memory = sorted(f"{row['place']}.{row['name']}" for row in rows if row["engine"] == "MEMORY")
    without = session.value(WITHOUT_KEY, [content.SYSTEM_SCHEMAS] * 2)
    return Tables(tuple(memory), sum(row["engine"] == "MyISAM" for row in rows), int(without))
