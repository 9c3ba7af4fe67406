"""Whose statement, or open transaction, others wait for."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from .sql import Session

# What clients run now, for at least so long. The slave's threads are users of the system.
LONG = (
    "SELECT id, user, host, time AS seconds, info FROM information_schema.processlist"
    " WHERE command IN ('Query', 'Execute') AND user <> 'system user' AND id <> CONNECTION_ID()"
    " AND time >= %s ORDER BY time DESC"
)
# Of those the ones that do not wait for FLUSH TABLES WITH READ LOCK themselves.
IN_FRONT = LONG.replace(
    " ORDER BY",
    " AND state NOT IN ('Waiting for global read lock', 'Waiting for table flush',"
    " 'Waiting for commit lock', 'Waiting for table metadata lock') ORDER BY",
)
# Who may hold what the slave waits for: 5.6 does not tell whose a metadata lock is.
OPEN = (
    "SELECT p.id, p.user, p.host, p.info,"
    " TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) AS seconds"
    " FROM information_schema.innodb_trx t"
    " JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id"
    " WHERE p.user <> 'system user' AND p.id <> CONNECTION_ID() ORDER BY seconds DESC"
)
SLAVE_WAITS = (
    "SELECT state FROM information_schema.processlist"
    " WHERE user = 'system user' AND state LIKE 'Waiting for table%'"
)
# Those that run now and do not begin with a word that defines nothing.
MAY_DEFINE = (
    "SELECT COUNT(*) FROM information_schema.processlist"
    " WHERE id <> CONNECTION_ID() AND info IS NOT NULL AND info NOT REGEXP"
    " '^[[:space:]]*(select|insert|update|delete|replace|begin|start|commit|rollback|set|show|use)"
    "[[:>:]]'"
)
TEXT = re.compile(r"'(?:[^'\\]|\\.|'')*'?|\"(?:[^\"\\]|\\.|\"\")*\"?", re.DOTALL)
LENGTH = 80
SHOWN = 3


class Client(NamedTuple):
    """A session of a client. Without a statement it has an open transaction, that old."""

    process: int
    account: str
    seconds: int
    statement: str

    def __str__(self) -> str:
        what = f"`{self.statement}`" if self.statement else "an open transaction"
        return f"{what} of {self.account}, {self.seconds} s old (process {self.process})"


def long(session: Session, seconds: int) -> list[Client]:
    """What clients have been running for so long, the oldest first."""
    return [_client(row) for row in session.rows(LONG, [seconds])]


def in_front(session: Session, seconds: int) -> list[Client]:
    """What FLUSH TABLES WITH READ LOCK waited for in vain for so long, asked soon after."""
    return [_client(row) for row in session.rows(IN_FRONT, [seconds])]


def transactions(session: Session) -> list[Client]:
    """The open transactions of clients, the oldest first."""
    return [_client(row) for row in session.rows(OPEN)]


def slave_waits(session: Session) -> str:
    """What the slave's SQL thread says, if it waits for a table; nothing otherwise. Unlike SHOW
    SLAVE STATUS this does not hang beside a STOP SLAVE."""
    return session.value(SLAVE_WAITS) or ""


def may_define(session: Session) -> bool:
    """Whether a statement is at work that may make, change or drop an object."""
    return bool(session.value(MAY_DEFINE))


def named(clients: list[Client]) -> str:
    return "; ".join(str(client) for client in clients[:SHOWN])


def plain(statement: str) -> str:
    """The beginning of a statement on one line, without the texts in it: they may be secret."""
    text = " ".join(TEXT.sub("'...'", statement).split())
    return text if len(text) <= LENGTH else f"{text[:LENGTH]} ..."


def _client(row: dict[str, Any]) -> Client:
    host = row["host"].partition(":")[0]
    return Client(
        int(row["id"]), f"{row['user']}@{host}", int(row["seconds"]), plain(row["info"] or "")
    )
