"""Which tables a rebuild makes smaller, and OPTIMIZE TABLE of one that is in use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import sql
from .sql import Session

# OPTIMIZE TABLE rebuilds an InnoDB table while it is written to, but for one with a FULLTEXT index;
# the other engines lock the table for all of it.
# https://dev.mysql.com/doc/refman/5.6/en/optimize-table.html
ENGINES = frozenset({"InnoDB", "MyISAM"})
# Room that is free in a table and no less: InnoDB of 5.6 keeps a few MiB free in every large file.
GAIN_BYTES = 64 << 20
GAIN_PART = 0.25
LOCKED_MOST = 256 << 20  # of a table that nobody can write to meanwhile
SIZES = (
    "SELECT table_schema AS db, table_name AS name, engine, data_length + index_length AS used,"
    " data_free AS free FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
    " AND table_schema NOT IN ('information_schema', 'performance_schema', 'mysql')"
)
FULLTEXT = (
    "SELECT DISTINCT table_schema AS db, table_name AS name FROM information_schema.statistics"
    " WHERE index_type = 'FULLTEXT'"
)
# Of these the free room is that of the system tablespace, which a rebuild does not give back.
SHARED = (
    "SELECT CONVERT(CONVERT(SUBSTRING_INDEX(name, '/', 1) USING binary) USING filename) AS db,"
    " CONVERT(CONVERT(SUBSTRING_INDEX(SUBSTRING_INDEX(name, '/', -1), '#', 1) USING binary)"
    " USING filename) AS name FROM information_schema.innodb_sys_tables WHERE space = 0"
)
OPTIMIZE = "OPTIMIZE NO_WRITE_TO_BINLOG TABLE {}"


@dataclass(frozen=True, kw_only=True)
class Size:
    """Bytes. `locked`: nobody writes to it while it is rebuilt."""

    db: str
    name: str
    engine: str
    used: int
    free: int
    locked: bool
    shared: bool

    @property
    def quoted(self) -> str:
        return f"{sql.name(self.db)}.{sql.name(self.name)}"


def sizes(session: Session) -> list[Size]:
    """Of all tables of users that can be opened."""
    shared = {(_text(row["db"]), _text(row["name"])) for row in session.rows(SHARED)}
    fulltext = {(row["db"], row["name"]) for row in session.rows(FULLTEXT)}
    return [
        Size(
            db=row["db"],
            name=row["name"],
            engine=row["engine"],
            used=int(row["used"] or 0),
            free=int(row["free"] or 0),
            locked=row["engine"] != "InnoDB" or (row["db"], row["name"]) in fulltext,
            shared=(row["db"], row["name"]) in shared,
        )
        for row in session.rows(SIZES)
        if row["engine"]
    ]


def gain(found: Iterable[Size]) -> list[Size]:
    """Those that a rebuild makes smaller by much, and that nobody misses meanwhile; the one that
    gains most first."""
    wanted = [
        each
        for each in found
        if each.engine in ENGINES
        and not each.shared
        and each.free >= GAIN_BYTES
        and each.free >= GAIN_PART * (each.used + each.free)
        and not (each.locked and each.used > LOCKED_MOST)
    ]
    return sorted(wanted, key=lambda each: -each.free)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
