"""Whether the tables of a server are sound, and their checksums, as far as the time goes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..base.errors import NodeError
from ..base.waiting import Deadline
from . import bounded, sql
from .sql import Session

# Those that keep rows in files of their own, and that CHECK TABLE knows in MySQL 5.6.
# https://dev.mysql.com/doc/refman/5.6/en/check-table.html
ENGINES = frozenset({"InnoDB", "MyISAM", "ARCHIVE", "CSV"})
OF_THE_SERVER = ("information_schema", "performance_schema")
TABLES = (
    "SELECT table_schema AS db, table_name AS name, engine FROM information_schema.tables"
    " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN (%s, %s)"
)
LOGS = frozenset({("mysql", "general_log"), ("mysql", "slow_log")})
# What a server writes to as it starts and runs: they are checked, and have no lasting checksum.
CHANGING = frozenset(
    ("mysql", name)
    for name in (
        "slave_master_info",
        "slave_relay_log_info",
        "slave_worker_info",
        "innodb_table_stats",
        "innodb_index_stats",
    )
)
NO_TIME, IN_USE = "no time was left", "it was in use"
WAITED = "Lock wait timeout exceeded"
NAMED = 10  # tables, in a note
GOOD = ("OK", "Table is already up to date")


class Table(NamedTuple):
    db: str
    name: str
    engine: str | None  # None: what defines it cannot be read

    @property
    def quoted(self) -> str:
        return f"{sql.name(self.db)}.{sql.name(self.name)}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of tables by their quoted names. `sound`: checked, and nothing wrong. `left_out`: why it was
    not looked at, or not to the end. `wrong`: what CHECK TABLE said of those that are not sound.
    `warned`: what it said of those that are."""

    sound: tuple[str, ...]
    left_out: dict[str, str]
    checksums: dict[str, int]
    wrong: dict[str, str]
    warned: tuple[str, ...]
    seconds: float


def tables(session: Session) -> list[Table]:
    """Every table of users, and those of the schema `mysql`."""
    found = session.rows(TABLES, OF_THE_SERVER)
    return [
        Table(row["db"], row["name"], row["engine"])
        for row in found
        if (row["db"], row["name"]) not in LOGS
    ]


def in_turn(found: list[Table], key: str) -> list[Table]:
    """In an order that another key changes: what no time was left for is not always the same."""
    return sorted(found, key=lambda each: hashlib.sha256(f"{key} {each.quoted}".encode()).digest())


def check(
    session: Session,
    another: Callable[[], AbstractContextManager[Session]],
    found: list[Table],
    deadline: Deadline,
    *,
    checksums: bool,
    gently: bool = False,
    over: Callable[[], bool] = lambda: False,
) -> Outcome:
    """CHECK TABLE of these tables, one after the other, with CHECKSUM TABLE if asked for.

    It ends with the deadline, or when `over` says so. `another`: a further session of that server.
    `gently`: of InnoDB only the rows by each index. The pages of an index are looked at with all of
    it locked: nobody read a table of 400 MiB for 14 s (5.6.24, pages not in memory).
    """

    def ends() -> bool:
        return deadline.over or over()

    sound, warned, left_out = list[str](), list[str](), dict[str, str]()
    wrong, sums = dict[str, str](), dict[str, int]()
    for table in found:
        if table.engine is None:
            wrong[table.quoted] = "it cannot be opened"
            continue
        if table.engine not in ENGINES:
            left_out[table.quoted] = f"{table.engine} keeps no rows there"
            continue
        quick = " QUICK" if gently and table.engine == "InnoDB" else ""
        said = _ask(session, another, f"CHECK TABLE {table.quoted}{quick}", ends)
        if said is None or held_up(said):
            left_out[table.quoted] = NO_TIME if said is None else IN_USE
            continue
        problem, remarks = judge(said)
        if problem is not None:
            wrong[table.quoted] = problem
            continue
        warned.extend(f"{table.quoted}: {each}" for each in remarks)
        if checksums and (table.db, table.name) not in CHANGING:
            total = _ask(session, another, f"CHECKSUM TABLE {table.quoted}", ends)
            if total is None:
                left_out[table.quoted] = NO_TIME
                continue
            if total[0]["Checksum"] is not None:
                sums[table.quoted] = int(total[0]["Checksum"])
        sound.append(table.quoted)
    return Outcome(
        sound=tuple(sorted(sound)),
        left_out=left_out,
        checksums=sums,
        wrong=wrong,
        warned=tuple(warned),
        seconds=deadline.seconds - deadline.left,
    )


def _ask(
    session: Session,
    another: Callable[[], AbstractContextManager[Session]],
    statement: str,
    over: Callable[[], bool],
) -> list[dict[str, Any]] | None:
    """An error names the statement: a page of InnoDB that is broken ends the server."""
    try:
        return bounded.rows(session, another, statement, over)
    except NodeError as error:
        found = f"{error.found} ({statement})"
        raise NodeError(error.code, found, error.expected, error.next_step) from None


def unchecked(outcome: Outcome) -> str | None:
    """Which tables were left out, by reason; None: none."""
    reasons = dict[str, list[str]]()
    for table, reason in sorted(outcome.left_out.items()):
        reasons.setdefault(reason, []).append(table)
    parts = [
        f"{', '.join(tables[:NAMED])}{f' and {len(tables) - NAMED} more' * (len(tables) > NAMED)}"
        f" ({reason})"
        for reason, tables in reasons.items()
    ]
    return f"tables that were not checked: {'; '.join(parts)}" if parts else None


def held_up(rows: list[dict[str, Any]]) -> bool:
    """Whether the statement gave up waiting for the table."""
    return any(WAITED in str(row["Msg_text"]) for row in rows)


def judge(rows: list[dict[str, Any]]) -> tuple[str | None, list[str]]:
    """What is wrong, by the rows that CHECK TABLE answers, and what it only remarks.

    The last row has the status; an engine that cannot check answers with a note instead.
    """
    said = [(str(row["Msg_type"]).lower(), str(row["Msg_text"])) for row in rows]
    errors = [text for kind, text in said if kind == "error"]
    status = [text for kind, text in said if kind == "status"]
    remarks = [text for kind, text in said if kind in ("warning", "note", "info")]
    if errors or any(text not in GOOD for text in status) or not said:
        words = dict.fromkeys([*errors, *(text for text in status if text not in GOOD), *remarks])
        return "; ".join(words) or "no answer", []
    return None, remarks
