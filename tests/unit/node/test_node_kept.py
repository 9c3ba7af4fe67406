"""Whether a session keeps a table without a statement, by a table of what was seen of a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ring_node.mysql import kept
from ring_node.mysql.kept import Kept, Look

pytestmark = pytest.mark.unit

APP = {3: "app@h, 9 s idle (process 3)"}
OTHER = {7: "other@h, 1 s idle (process 7)"}
# As 5.6.24 shows: a session of a deadlock long ago, one that keeps two tables, one that reads one,
# one with an open transaction.
STATUS = """\
------------------------
LATEST DETECTED DEADLOCK
------------------------
*** (1) TRANSACTION:
TRANSACTION 1280, ACTIVE 5 sec starting index read
mysql tables in use 1, locked 1
MySQL thread id 9, OS thread handle 0x7fb4aef456c0, query id 5 localhost root updating
update t set v = 1
------------
TRANSACTIONS
------------
LIST OF TRANSACTIONS FOR EACH SESSION:
---TRANSACTION 1300, not started
mysql tables in use 2, locked 2
MySQL thread id 3, OS thread handle 0x7fb4aef456c0, query id 15 localhost root cleaning up
---TRANSACTION 1291, not started
MySQL thread id 9, OS thread handle 0x7fb4aef876c0, query id 5 localhost root cleaning up
---TRANSACTION 1302, ACTIVE 3 sec
mysql tables in use 1, locked 0
1 lock struct(s), heap size 360, 0 row lock(s)
MySQL thread id 7, OS thread handle 0x7fb4aef456c0, query id 40 localhost root User sleep
select sleep(3), id from t limit 1
---TRANSACTION 1303, ACTIVE 0 sec
2 lock struct(s), heap size 360, 3 row lock(s), undo log entries 2
MySQL thread id 8, OS thread handle 0x7fb4aef456c0, query id 46 localhost root cleaning up
--------
FILE I/O
"""


def seen(
    *tables: str,
    users: Sequence[int] = (),
    keepers: Sequence[int] = (),
    asleep: Mapping[int, str] = APP | OTHER,
    quiet: bool = False,
) -> Look:
    return Look(frozenset(tables), frozenset(users), frozenset(keepers), asleep, quiet)


QUIET = seen("app.t", quiet=True)
BUSY = seen("app.t")
# By statements of one session after the other, the one before being asleep.
HOT = [seen("app.hot", users=[3]), seen("app.hot", users=[7])] * 5
KEEPS = seen("app.t", users=[3, 7], keepers=[3])
READS = seen("app.t", users=[3])

TABLE: dict[str, tuple[list[Look], Kept | None]] = {
    "nothing is in use": ([seen(quiet=True)], None),
    "another table each time": ([seen("app.t", quiet=True), seen("app.u", quiet=True)] * 5, None),
    "free for a moment": ([QUIET] * 9 + [seen()], None),
    "used while nobody runs a statement": (
        [QUIET] * 10,
        Kept(["app.t"], [*APP.values(), *OTHER.values()], known=False),
    ),
    "quiet for moments": (
        [BUSY] * 7 + [QUIET] * 3,
        Kept(["app.t"], [*APP.values(), *OTHER.values()], known=False),
    ),
    "quiet for moments, and one session was seen with tables each time": (
        [READS] * 7 + [seen("app.t", users=[3], quiet=True)] * 3,
        Kept(["app.t"], [*APP.values()], known=False),
    ),
    "hardly ever quiet": ([BUSY] * 8 + [QUIET] * 2, None),
    "a hot table": (HOT, None),
    "one session reads all the time": ([READS] * 10, None),
    "locked by a session that sleeps": ([KEEPS] * 10, Kept(["app.t"], [*APP.values()], known=True)),
    "locked by a session that slept once": (
        [READS] * 9 + [KEEPS],
        Kept(["app.t"], [*APP.values()], known=True),
    ),
    "locked, and beside it a hot table": (
        [seen("app.hot", "app.t", users=[3, 7], keepers=[3])] * 10,
        Kept(["app.hot", "app.t"], [*APP.values()], known=True),
    ),
    "a hot table, and one that was locked for a while": ([KEEPS, *HOT[:9]], None),
    "locked by one session after the other": (
        [seen("app.t", users=[3], keepers=[3]), seen("app.t", users=[7], keepers=[7])] * 5,
        None,
    ),
}


@pytest.mark.parametrize(("looks", "found"), TABLE.values(), ids=TABLE)
def test_a_table_is_kept_when_no_statement_explains_that_it_is_in_use(
    looks: list[Look], found: Kept | None
) -> None:
    assert kept.judged(looks) == found


@pytest.mark.parametrize(
    ("before", "asleep", "after", "found"),
    [
        ({3: 15}, [3], {3: 15}, {3}),
        ({3: 15}, [], {3: 15}, set()),  # one that runs
        ({3: 15}, [3], {3: 16}, set()),  # it ended, and another one began
        ({3: 15}, [3], {}, set()),  # it ended
        ({}, [3], {3: 15}, set()),  # it began
    ],
)
def test_who_sleeps_between_two_looks_at_one_query_keeps_what_it_has(
    before: dict[int, int], asleep: list[int], after: dict[int, int], found: set[int]
) -> None:
    assert kept.keepers(before, asleep, after) == found


def test_sessions_with_tables_in_use_are_read_off_innodbs_status_and_not_off_an_old_deadlock() -> (
    None
):
    assert kept.using(STATUS) == {3: 15, 7: 40}
    assert kept.using("...truncated...") == {}


SLAVE = {"user": "system user", "command": "Connect"}


@pytest.mark.parametrize(
    ("process", "quiet"),
    [
        ({"command": "Sleep"}, True),
        ({"command": "Daemon", "state": "Waiting on empty queue"}, True),
        ({"command": "Binlog Dump"}, True),
        ({"command": "Query", "state": "Sending data"}, False),
        ({"command": "Execute"}, False),
        ({"command": "Delayed insert", "state": "Waiting for INSERT"}, False),
        ({**SLAVE, "state": "Waiting for master to send event"}, True),
        (
            {**SLAVE, "state": "Slave has read all relay log; waiting for the slave I/O thread"},
            True,
        ),
        ({**SLAVE, "state": "Reading event from the relay log"}, False),
        ({**SLAVE, "state": None}, False),
    ],
)
def test_a_server_is_quiet_when_nobody_runs_a_statement_and_the_slave_waits(
    process: dict[str, Any], quiet: bool
) -> None:
    whole = {"id": 3, "user": "app", "host": "h:1", "time": 9, "state": "", **process}
    server: Any = Server([], [whole])
    assert kept.look(server).quiet is quiet


class Server:
    """What a session is told, in its order; the last answer of a kind again and again."""

    def __init__(self, tables: list[str], processes: list[dict[str, Any]]) -> None:
        self.tables, self.processes = tables, processes
        self.asked = 0

    def rows(self, statement: str) -> list[dict[str, Any]]:
        if statement == kept.PROCESSES:
            return self.processes
        self.asked += 1
        return [{"Database": "app", "Table": each} for each in self.tables]

    def row(self, _statement: str) -> dict[str, Any]:
        return {"Status": STATUS}


def test_a_server_where_no_table_is_in_use_is_looked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept, "PAUSE", 0.0)
    idle: Any = Server([], [])
    assert kept.found(idle) is None
    assert idle.asked == 1
    sleeps = {"id": 3, "user": "app", "host": "h:1", "time": 9, "command": "Sleep", "state": ""}
    keeping: Any = Server(["t"], [sleeps])
    assert str(kept.found(keeping)) == (
        "LOCK TABLES or an open HANDLER on app.t, by app@h, 9 s idle (process 3)"
    )
    assert keeping.asked == kept.LOOKS


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (Kept(["a.b"], ["x", "y"], known=True), "on a.b, by x; y"),
        (Kept(["a.b"], ["x", "y"], known=False), "on a.b, by one of: x; y"),
        (Kept([f"a.{n}" for n in range(5)], [], known=False), "a.2 and 2 more, by one of: a "),
    ],
)
def test_the_tables_and_who_keeps_them_are_named(what: Kept, said: str) -> None:
    assert said in str(what)
