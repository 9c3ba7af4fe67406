"""The ring's own schema on each server, and the statements on it.

heartbeat  replicated: one row per node, updated by its node every second: when, and how many times
probe      replicated: one row per (node that writes, server it writes on), for verify
origin     never replicated: from where on the peer must read this server's binary log
source     never replicated: which incarnation of the peer this server's slave reads

Every row exists before replication starts and none is ever added by replication, so no
server can lack the row that an event of the other one updates.

The rows are read past the query cache: a SELECT that runs while the slave applies a row can leave
the old row in the cache, and it stays there until the table changes again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..mysql.shows import Coordinates

if TYPE_CHECKING:
    from ..mysql.sql import Session

SCHEMA = "mysql_ring"

CREATE = (
    "CREATE DATABASE IF NOT EXISTS mysql_ring CHARACTER SET ascii",
    "CREATE TABLE IF NOT EXISTS mysql_ring.heartbeat ("
    " server_id INT UNSIGNED NOT NULL PRIMARY KEY,"
    " beat DATETIME(6) NULL,"
    " generation BIGINT UNSIGNED NOT NULL DEFAULT 0"
    ") ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS mysql_ring.probe ("
    " writer INT UNSIGNED NOT NULL,"
    " written_on INT UNSIGNED NOT NULL,"
    " token CHAR(32) NOT NULL DEFAULT '',"
    " PRIMARY KEY (writer, written_on)"
    ") ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS mysql_ring.origin ("
    " id TINYINT NOT NULL PRIMARY KEY,"
    " server_uuid CHAR(36) NOT NULL,"
    " peer_uuid CHAR(36) NOT NULL,"
    " state ENUM('copying', 'copied', 'ready') NOT NULL,"
    " basis ENUM('empty', 'copied') NOT NULL,"
    " log_file VARCHAR(255) NULL,"
    " log_pos BIGINT UNSIGNED NULL,"
    " copy_file VARCHAR(255) NULL,"
    " copy_pos BIGINT UNSIGNED NULL,"
    " written_at DATETIME NOT NULL"
    ") ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS mysql_ring.source ("
    " id TINYINT NOT NULL PRIMARY KEY,"
    " server_uuid CHAR(36) NOT NULL,"
    " peer_uuid CHAR(36) NOT NULL,"
    " state ENUM('wiring', 'wired') NOT NULL,"
    " log_file VARCHAR(255) NOT NULL,"
    " log_pos BIGINT UNSIGNED NOT NULL,"
    " written_at DATETIME NOT NULL"
    ") ENGINE=InnoDB",
)
TABLES = (
    "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'mysql_ring'"
    " AND table_name IN ('heartbeat', 'probe', 'origin', 'source')"
)
ADD_BEAT = "INSERT INTO mysql_ring.heartbeat (server_id) VALUES (%s)"
BEATS = "SELECT SQL_NO_CACHE server_id FROM mysql_ring.heartbeat"
BEAT = (
    "UPDATE mysql_ring.heartbeat SET beat = UTC_TIMESTAMP(6), generation = generation + 1"
    " WHERE server_id = %s"
)
GENERATION = "SELECT SQL_NO_CACHE generation FROM mysql_ring.heartbeat WHERE server_id = %s"
LIFE = 1 << 32  # beats: more than a server does, one a second
RAISE = "UPDATE mysql_ring.heartbeat SET generation = GREATEST(generation, %s) WHERE server_id = %s"
AGE = (
    "SELECT SQL_NO_CACHE TIMESTAMPDIFF(MICROSECOND, beat, UTC_TIMESTAMP(6)) AS age"
    " FROM mysql_ring.heartbeat WHERE server_id = %s"
)
READ_BEAT = "SELECT SQL_NO_CACHE beat FROM mysql_ring.heartbeat WHERE server_id = %s"
CLOCK = "SELECT UTC_TIMESTAMP(6)"  # the function that BEAT writes
ADD_PROBE = "INSERT INTO mysql_ring.probe (writer, written_on) VALUES (%s, %s)"
PROBES = "SELECT SQL_NO_CACHE writer, written_on FROM mysql_ring.probe"
PROBE = "UPDATE mysql_ring.probe SET token = %s WHERE writer = %s AND written_on = %s"
PROBED = "SELECT SQL_NO_CACHE token FROM mysql_ring.probe WHERE writer = %s AND written_on = %s"
READ_ORIGIN = "SELECT SQL_NO_CACHE * FROM mysql_ring.origin WHERE id = 1"
WRITE_ORIGIN = (
    "REPLACE INTO mysql_ring.origin VALUES (1, %s, %s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP())"
)
READ_SOURCE = "SELECT SQL_NO_CACHE * FROM mysql_ring.source WHERE id = 1"
FORGET_BEATS = "DELETE FROM mysql_ring.heartbeat WHERE server_id NOT IN (%s, %s)"
FORGET_PROBES = (
    "DELETE FROM mysql_ring.probe WHERE writer NOT IN (%s, %s) OR written_on NOT IN (%s, %s)"
)
# Both say something of one server: a copy of its data is another.
FORGET = ("DELETE FROM mysql_ring.origin", "DELETE FROM mysql_ring.source")
WRITE_SOURCE = "REPLACE INTO mysql_ring.source VALUES (1, %s, %s, %s, %s, %s, UTC_TIMESTAMP())"


@dataclass(frozen=True)
class Origin:
    """What this server's binary log holds of its data, for one incarnation of the peer."""

    server_uuid: str
    peer_uuid: str
    state: str  # copying, copied or ready
    basis: str  # empty or copied
    coordinates: Coordinates | None  # in the own binary log: the peer reads from here
    copied_at: Coordinates | None  # in the peer's binary log: the copy is as of here


@dataclass(frozen=True)
class Source:
    """Where this server's slave was pointed, and at which incarnation of the peer."""

    server_uuid: str
    peer_uuid: str
    state: str  # wiring or wired
    coordinates: Coordinates


def exists(session: Session) -> bool:
    return int(session.value(TABLES)) == 4


def read_origin(session: Session) -> Origin | None:
    row = session.row(READ_ORIGIN)
    return origin(row) if row else None


def origin(row: dict[str, Any]) -> Origin:
    return Origin(
        row["server_uuid"],
        row["peer_uuid"],
        row["state"],
        row["basis"],
        _coordinates(row["log_file"], row["log_pos"]),
        _coordinates(row["copy_file"], row["copy_pos"]),
    )


def write_origin(session: Session, value: Origin) -> None:
    own, copy = value.coordinates, value.copied_at
    with session.unlogged():
        session.do(
            WRITE_ORIGIN,
            [
                value.server_uuid,
                value.peer_uuid,
                value.state,
                value.basis,
                own.file if own else None,
                own.offset if own else None,
                copy.file if copy else None,
                copy.offset if copy else None,
            ],
        )


def read_source(session: Session) -> Source | None:
    row = session.row(READ_SOURCE)
    if row is None:
        return None
    coordinates = Coordinates(row["log_file"], int(row["log_pos"]))
    return Source(row["server_uuid"], row["peer_uuid"], row["state"], coordinates)


def write_source(session: Session, value: Source) -> None:
    with session.unlogged():
        session.do(
            WRITE_SOURCE,
            [value.server_uuid, value.peer_uuid, value.state, *value.coordinates],
        )


def add_rows(session: Session, own_id: int, peer_id: int) -> bool:
    """The heartbeat and probe rows of both nodes. False when all were there."""
    beats = {int(row["server_id"]) for row in session.rows(BEATS)}
    probes = {(int(row["writer"]), int(row["written_on"])) for row in session.rows(PROBES)}
    wanted = {(writer, on) for writer in (own_id, peer_id) for on in (own_id, peer_id)}
    new_beats, new_probes = {own_id, peer_id} - beats, wanted - probes
    if not new_beats and not new_probes:
        return False
    with session.unlogged():
        for server_id in sorted(new_beats):
            session.do(ADD_BEAT, [server_id])
        for pair in sorted(new_probes):
            session.do(ADD_PROBE, pair)
    return True


def forget_others(session: Session, own_id: int, peer_id: int) -> None:
    """The rows of nodes of another ring, whose data this was."""
    both = [own_id, peer_id]
    with session.unlogged():
        session.do(FORGET_BEATS, both)
        session.do(FORGET_PROBES, both * 2)


def beat(session: Session, server_id: int) -> datetime | None:
    """That node's newest heartbeat here, by that node's clock; None when never."""
    return session.value(READ_BEAT, [server_id])


def generation(session: Session, server_id: int) -> int:
    """How many times that node had beaten, as far as this server knows."""
    return int(session.value(GENERATION, [server_id]) or 0)


def go_on_from(session: Session, server_id: int, known: int) -> None:
    """A server in the place of a former one counts on from beyond what is known of that, and beyond
    what that may have beaten unseen."""
    with session.unlogged():
        session.do(RAISE, [known + LIFE if known else 0, server_id])


def clock(session: Session) -> datetime:
    """What time this server has, as its heartbeat would write it."""
    return session.value(CLOCK)


def clock_difference(there: Session) -> float:
    """Seconds that that server's clock is ahead of this host's, give or take half a round trip."""
    before = datetime.now(UTC)
    theirs = clock(there).replace(tzinfo=UTC)
    return (theirs - (before + (datetime.now(UTC) - before) / 2)).total_seconds()


def beat_age(session: Session, server_id: int) -> float | None:
    """Seconds since that node's heartbeat, by this server's clock; None when never.

    For a look at one server alone: a difference of the hosts' clocks is in it.
    """
    age = session.value(AGE, [server_id])
    return None if age is None else int(age) / 1e6


def _coordinates(file: str | None, offset: int | None) -> Coordinates | None:
    return Coordinates(file, int(offset)) if file is not None and offset is not None else None
