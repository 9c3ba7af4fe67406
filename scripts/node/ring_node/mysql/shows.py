"""What MySQL shows, as typed records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .sql import Session


# Slave_SQL_Running_State of MySQL 5.6
NOTHING_MORE = "Slave has read all relay log"
HELD_UP = "Waiting for table"  # by a lock, or by tables that are flushed
# What a slave stops with at CREATE, ALTER, RENAME, DROP, REVOKE of a thing that is as the statement
# would make it (each seen in 5.6.24). Not 1146: a row for a table that is missing stops it alike.
MADE_TWICE = frozenset(
    {1007, 1008, 1050, 1051, 1054, 1060, 1061, 1068, 1091, 1141, 1235, 1304, 1305, 1396, 1537, 1539}
)
# In error 1236 of the IO thread, which says in its text alone why the master's log cannot be read
TORN = "binlog truncated in the middle of event"


class Coordinates(NamedTuple):
    """A place in a binary log. Files of one server compare by their number."""

    file: str
    offset: int

    @property
    def order(self) -> tuple[int, int]:
        return int(self.file.rpartition(".")[2]), self.offset

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}"


@dataclass(frozen=True)
class SlaveStatus:
    """The part of SHOW SLAVE STATUS that decisions need."""

    host: str
    user: str
    io_running: str
    sql_running: str
    read: Coordinates
    executed: Coordinates
    ssl_allowed: bool
    seconds_behind: int | None
    io_error: str
    sql_error: str
    io_errno: int
    sql_errno: int
    master_uuid: str
    master_server_id: int
    sql_state: str = ""
    relay_space: int = 0  # bytes of all relay logs
    relay_offset: int = 0  # how far the SQL thread is in its relay log

    @property
    def both_run(self) -> bool:
        return self.io_running == "Yes" and self.sql_running == "Yes"

    @property
    def io_stopped(self) -> bool:
        return self.io_running == "No"

    @property
    def drained(self) -> bool:
        """All that was read has been applied.

        The beginning of a transaction whose end never came stays unapplied for ever: then the
        coordinates differ, and the SQL thread says that there is nothing more for it.
        """
        finished = self.sql_state.startswith(NOTHING_MORE) and self.sql_running == "Yes"
        return not self.read.file or self.read == self.executed or finished

    @property
    def waits_for_table(self) -> bool:
        """Its SQL thread waits for a table that somebody else has locked, or flushed."""
        return self.sql_running != "No" and self.sql_state.startswith(HELD_UP)

    @property
    def repeats(self) -> bool:
        """Its SQL thread stopped at a statement whose outcome this server seems to have already."""
        return self.sql_running == "No" and self.sql_errno in MADE_TWICE

    @property
    def behind_the_torn(self) -> Coordinates | None:
        """The beginning of the log after one that ends in the middle of an event. None: no such."""
        if TORN not in self.io_error:
            return None
        name, _, number = self.read.file.rpartition(".")
        return Coordinates(f"{name}.{int(number) + 1:0{len(number)}}", 4)

    @property
    def errors(self) -> str:
        parts = (
            ("IO", self.io_errno, self.io_error),
            ("SQL", self.sql_errno, self.sql_error),
        )
        return "; ".join(f"{who} {code}: {text}" for who, code, text in parts if code)


@dataclass(frozen=True)
class Identity:
    uuid: str
    server_id: int
    version: str
    have_ssl: str
    read_only: bool


def slave_status(row: Mapping[str, Any] | None) -> SlaveStatus | None:
    if not row or not row["Master_Host"]:
        return None
    return SlaveStatus(
        host=row["Master_Host"],
        user=row["Master_User"],
        io_running=row["Slave_IO_Running"],
        sql_running=row["Slave_SQL_Running"],
        read=Coordinates(row["Master_Log_File"], int(row["Read_Master_Log_Pos"])),
        executed=Coordinates(row["Relay_Master_Log_File"], int(row["Exec_Master_Log_Pos"])),
        ssl_allowed=row["Master_SSL_Allowed"] == "Yes",
        seconds_behind=row["Seconds_Behind_Master"],
        io_error=row["Last_IO_Error"],
        sql_error=row["Last_SQL_Error"],
        io_errno=int(row["Last_IO_Errno"]),
        sql_errno=int(row["Last_SQL_Errno"]),
        master_uuid=row["Master_UUID"],
        master_server_id=int(row["Master_Server_Id"]),
        sql_state=row["Slave_SQL_Running_State"] or "",
        relay_space=int(row["Relay_Log_Space"]),
        relay_offset=int(row["Relay_Log_Pos"]),
    )


def show_slave_status(session: Session) -> SlaveStatus | None:
    return slave_status(session.quoting_row("SHOW SLAVE STATUS"))


def show_master_status(session: Session) -> Coordinates | None:
    row = session.row("SHOW MASTER STATUS")
    return Coordinates(row["File"], int(row["Position"])) if row else None


def innodb_status(session: Session) -> str:
    """It quotes what runs, and the last statements in a deadlock and against a foreign key."""
    row = session.quoting_row("SHOW ENGINE INNODB STATUS")
    assert row is not None
    return row["Status"]


def show_binary_logs(session: Session) -> dict[str, int]:
    """Name and size of each binary log that still exists."""
    return {row["Log_name"]: int(row["File_size"]) for row in session.rows("SHOW BINARY LOGS")}


def identity(session: Session) -> Identity:
    row = session.row(
        "SELECT @@server_uuid AS uuid, @@server_id AS id, @@version AS version,"
        " @@have_ssl AS have_ssl, @@global.read_only AS read_only"
    )
    assert row is not None
    return Identity(
        row["uuid"], int(row["id"]), row["version"], row["have_ssl"], bool(row["read_only"])
    )
