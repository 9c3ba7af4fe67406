"""Tables that a session keeps while it runs no statement: by LOCK TABLES, or with an open HANDLER.

Such a table is in use for SHOW OPEN TABLES, as one that a statement reads is; what an open
transaction has read or written is not. MySQL 5.6 names the session in one place: SHOW ENGINE
INNODB STATUS, for tables of InnoDB that are locked. All of it was seen of a 5.6.24.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .sql import Session

LOOKS = 10
PAUSE = 0.05
QUIET_LOOKS = 3
SHOWN = 3
IN_USE = "SHOW OPEN TABLES WHERE In_use > 0"
PROCESSES = (
    "SELECT id, user, host, command, state, time FROM information_schema.processlist"
    " WHERE id <> CONNECTION_ID()"
)
IDLE_COMMANDS = ("Sleep", "Daemon", "Binlog Dump", "Binlog Dump GTID")
IDLE_SLAVE = (
    "Slave has read all relay log",
    "Waiting for master to send event",
    "Waiting for an event from Coordinator",
    "Connecting to master",
    "Reconnecting",
    "Waiting to reconnect",
)
# Before it come the last deadlock and the last error of a foreign key, with sessions of long ago.
SESSIONS = "LIST OF TRANSACTIONS FOR EACH SESSION:"
SESSION = re.compile(r"MySQL thread id (\d+), OS thread handle \S+, query id (\d+) ")


@dataclass(frozen=True)
class Look:
    """What a server was seen to do, nearly at once."""

    tables: frozenset[str]  # in use
    users: frozenset[int]  # sessions that use tables of InnoDB, by their process
    keepers: frozenset[int]  # of those the ones that ran no statement
    asleep: Mapping[int, str]  # all that ran none, the one that is so longest first
    quiet: bool  # nobody ran one, and the slave waited


@dataclass(frozen=True)
class Kept:
    tables: Sequence[str]
    by: Sequence[str]
    known: bool  # whether all of `by` keep some, or one of them does

    def __str__(self) -> str:
        more = f" and {len(self.tables) - SHOWN} more" if len(self.tables) > SHOWN else ""
        who = "; ".join(self.by[:SHOWN]) or "a session that is gone"
        return (
            f"LOCK TABLES or an open HANDLER on {', '.join(self.tables[:SHOWN])}{more}, by "
            f"{who if self.known else f'one of: {who}'}"
        )


def found(session: Session) -> Kept | None:
    """Looks for half a second at most, and only once where no table is in use."""
    looks: list[Look] = []
    while True:
        looks.append(look(session))
        if not _always(looks):
            return None
        if len(looks) == LOOKS:
            return judged(looks)
        time.sleep(PAUSE)


def look(session: Session) -> Look:
    tables = [f"{row['Database']}.{row['Table']}" for row in session.rows(IN_USE)]
    before = using(_innodb(session))
    processes = session.rows(PROCESSES)
    after = using(_innodb(session))
    asleep = [each for each in processes if each["command"] == "Sleep"]
    asleep.sort(key=lambda each: -int(each["time"]))
    names = {int(each["id"]): _named(each) for each in asleep}
    return Look(
        frozenset(tables),
        frozenset(after),
        keepers(before, names, after),
        names,
        all(_idle(each) for each in processes),
    )


def keepers(
    before: Mapping[int, int], asleep: Collection[int], after: Mapping[int, int]
) -> frozenset[int]:
    """Who slept in between, and had tables in use before and after with the same query: it ended
    before the sleep, and no other one has begun."""
    return frozenset(
        process
        for process, query in before.items()
        if process in asleep and after.get(process) == query
    )


def judged(looks: Sequence[Look]) -> Kept | None:
    """What is kept, of tables that were in use at each look; None when statements may explain it.

    For other engines than InnoDB, and for HANDLER, nothing tells who keeps a table. There one that
    is in use while nobody runs a statement counts, which a busy server may never show.
    """
    tables = sorted(_always(looks))
    if not tables:
        return None
    users = frozenset.intersection(*(look.users for look in looks))
    sure = users & frozenset().union(*(look.keepers for look in looks))
    named = {process: name for look in looks for process, name in look.asleep.items()}
    if sure:
        return Kept(tables, [named[process] for process in sorted(sure)], known=True)
    if sum(look.quiet for look in looks) < QUIET_LOOKS:
        return None
    suspects = [named[process] for process in sorted(users & named.keys())]
    return Kept(tables, suspects or list(looks[-1].asleep.values()), known=False)


def unknown(last: Look) -> Kept:
    """What may be kept, where nothing else was in the way of a lock."""
    return Kept(sorted(last.tables), list(last.asleep.values()), known=False)


def using(status: str) -> dict[int, int]:
    """Sessions that use tables of InnoDB: process and number of its query."""
    result: dict[int, int] = {}
    in_use = False
    for line in status.rpartition(SESSIONS)[2].splitlines():
        session = SESSION.match(line)
        if line.startswith("---TRANSACTION "):
            in_use = False
        elif line.startswith("mysql tables in use "):
            in_use = True
        elif session and in_use:
            result[int(session[1])] = int(session[2])
            in_use = False
    return result


def _innodb(session: Session) -> str:
    row = session.row("SHOW ENGINE INNODB STATUS")
    assert row is not None
    return row["Status"]


def _always(looks: Sequence[Look]) -> frozenset[str]:
    return frozenset.intersection(*(look.tables for look in looks))


def _idle(process: Mapping[str, Any]) -> bool:
    if process["user"] == "system user":
        return (process["state"] or "").startswith(IDLE_SLAVE)
    return process["command"] in IDLE_COMMANDS


def _named(process: Mapping[str, Any]) -> str:
    host = process["host"].partition(":")[0]
    return f"{process['user']}@{host}, {process['time']} s idle (process {process['id']})"
