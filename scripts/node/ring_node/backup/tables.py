"""One table out of a backup into the own server, beside the present one, through the binary log.

It comes under a name of its own and gets the wanted one when it is whole: RENAME TABLE, which the
peer does too. Rows go as the bytes that they are (SET NAMES binary), so no character set is in
between; a FLOAT is asked for as a DOUBLE, for as text 5.6 gives six digits of it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.cursors import SSCursor

from ..base import paths
from ..base.errors import Exit, NodeError, refused, wrong_input
from ..base.fields import Fields
from ..base.report import Report
from ..host import room
from ..mysql import scratch, sql
from ..mysql.login import Login, root_password
from ..mysql.scratch import Scratch
from ..mysql.sql import Session
from ..ring import admission
from . import images, restore
from .restore import Made, Wanted
from .store import Store

LONGEST_NAME = 64
RESERVED = frozenset({"mysql", "information_schema", "performance_schema", "mysql_ring"})
ENGINES = frozenset({"InnoDB", "MyISAM", "ARCHIVE", "CSV"})
ROWS, BYTES = 1000, 1 << 20  # of one transaction; a row that is larger goes alone
SECONDS = 24 * 3600
TEMPORARY = "mysql_ring_restoring_"
# What stands in a row goes in as it is, also what a strict server would not take: no zero becomes a
# number, no bad date an error. That nothing was made of it is seen by the checksums at the end.
MODE = "ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"
BINARY = (
    "SET NAMES binary, time_zone = '+00:00', autocommit = 1, tx_read_only = 0, foreign_key_checks ="
    f" 0, unique_checks = 1, sql_mode = '{MODE}', wait_timeout = 31536000,"
    " net_write_timeout = 31536000, net_read_timeout = 31536000, sql_big_selects = 1"
)
KIND = (
    "SELECT table_type AS type, engine FROM information_schema.tables"
    " WHERE table_schema = %s AND table_name = %s"
)
COLUMNS = (
    "SELECT column_name AS name, data_type AS type FROM information_schema.columns"
    " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position"
)
LIKE_IT = (
    "SELECT CONCAT(table_schema, '.', table_name) AS name FROM information_schema.tables"
    " WHERE table_name = %s AND table_schema NOT IN ('information_schema', 'performance_schema')"
    " ORDER BY 1 LIMIT 5"
)
TRIGGERS = (
    "SELECT trigger_name AS name FROM information_schema.triggers"
    " WHERE event_object_schema = %s AND event_object_table = %s LIMIT 1"
)
FOREIGN = (
    "SELECT constraint_name AS name FROM information_schema.referential_constraints"
    " WHERE constraint_schema = %s AND table_name = %s LIMIT 1"
)
SCHEMA = "SELECT schema_name AS name FROM information_schema.schemata WHERE schema_name = %s"


@dataclass(frozen=True)
class Table:
    schema: str
    table: str

    def __str__(self) -> str:
        return f"{sql.name(self.schema)}.{sql.name(self.table)}"


@dataclass(frozen=True)
class Asked:
    table: Table
    into: Table
    wanted: Wanted


def parse(document: Any) -> Asked:
    fields = Fields(document, "the document")
    asked = Asked(_table(fields, "table"), _table(fields, "into"), restore.wanted(fields))
    fields.end()
    for each in (asked.table, asked.into):
        if each.schema.lower() in RESERVED:
            raise wrong_input(f"{each} is a table of the server's own", "one of users")
    return asked


def _table(fields: Fields, name: str) -> Table:
    value = fields.any(name)
    if isinstance(value, str) and value.count(".") == 1:
        schema, _, table = value.partition(".")
    elif isinstance(value, dict):
        parts = Fields(value, f"{fields.where}.{name}")
        schema, table = parts.text("schema"), parts.text("table")
        parts.end()
    else:
        schema = table = ""
    if not (0 < len(schema) <= LONGEST_NAME and 0 < len(table) <= LONGEST_NAME):
        raise wrong_input(
            f"{fields.where}.{name} is {value!r}", 'SCHEMA.TABLE, or {"schema": ..., "table": ...}'
        )
    return Table(schema, table)


def restore_one(store: Store, asked: Asked, report: Report) -> None:
    """The table as of the moment under its new name, here and, by the binary log, on the peer.

    After an error, or killed, nothing has that name; what came so far is removed, by the next run
    if need be."""
    _refuse(asked)
    images.quietly()
    begun = time.monotonic()
    with restore.alone():
        source = restore.look(store, restore.nodes(), asked.wanted)
        with restore.made(store, source, report) as made, _running(made) as server:
            rows = _copied(server, asked, made, report)
    report.did(f"{asked.into} has {rows} rows of {asked.table}, {asked.wanted.moment}")
    report.facts["table"] = {
        "from": str(asked.table),
        "into": str(asked.into),
        "rows": rows,
        "seconds": round(time.monotonic() - begun, 1),
        "backup": source.backup,
        "moment": asked.wanted.document()["moment"],
        "as_of": made.as_of,
    }


def temporary(into: Table) -> Table:
    """Where it comes: the same for each run, so that the next one finds what a killed one left."""
    digest = hashlib.sha256(str(into).encode()).hexdigest()[:24]
    return Table(into.schema, TEMPORARY + digest)


def _refuse(asked: Asked) -> None:
    if not admission.admitted():
        raise refused(
            "this node has not joined its ring",
            "a node whose binary log the peer reads",
            "run this on the node that serves clients",
        )
    with sql.own() as own:
        _refuse_target(own, asked.into)


def _refuse_target(own: Session, into: Table) -> None:
    if own.row(KIND, [into.schema, into.table]) is not None:
        raise refused(
            f"{into} is there",
            "a name that is free",
            "give another one, or rename that table first",
        )
    if own.row(SCHEMA, [into.schema]) is None:
        raise refused(
            f"there is no database {sql.name(into.schema)}",
            "one for the table to come to",
            f"CREATE DATABASE {sql.name(into.schema)} (on one node: the other one gets it), or "
            "name another one",
        )


@contextmanager
def _running(made: Made) -> Iterator[Scratch]:
    with scratch.running(
        made.folder, *images.BESIDE, patience=images.STATEMENT_SECONDS, grants=False
    ) as server:
        yield server


def _copied(server: Scratch, asked: Asked, made: Made, report: Report) -> int:
    there = server.session
    _refuse_source(there, asked, made, report)
    held = temporary(asked.into)
    definition = _definition(there, asked.table, held)
    with sql.own(report, patience=SECONDS) as own:
        own.do(sql.PATIENT)
        _drop(own, held)
        try:
            own.do(f"USE {sql.name(held.schema)}")
            with room.needed(paths.VOLUME, f"room for {asked.into}"):
                own.do(definition)
                rows = _rows(server, own, asked.table, held)
            _refuse_different(there, own, asked.table, held)
            own.do(f"RENAME TABLE {held} TO {asked.into}")
        except BaseException:
            with suppress(NodeError):
                _drop(own, held)
            raise
    return rows


def _drop(session: Session, table: Table) -> None:
    if session.row(KIND, [table.schema, table.table]) is not None:
        session.do(f"DROP TABLE {table}")


def _refuse_source(there: Session, asked: Asked, made: Made, report: Report) -> None:
    table = asked.table
    found = there.row(KIND, [table.schema, table.table])
    if found is None:
        like = ", ".join(_text(row["name"]) for row in there.rows(LIKE_IT, [table.table]))
        raise refused(
            f"{made.source.backup}, {asked.wanted.moment}, has no table {table}"
            + (f"; it has {like}" if like else ""),
            "a table that was there at that moment",
            "give its name as it was, or an earlier moment: before it was dropped",
        )
    if found["type"] != "BASE TABLE" or found["engine"] not in ENGINES:
        engine = f" of engine {found['engine']}" if found["engine"] else ""
        raise refused(
            f"{table} is a {found['type'].lower()}{engine}",
            f"a table that holds its rows itself ({', '.join(sorted(ENGINES))})",
            "restore to a scratch server (`ring-node restore-scratch`) and see what it needs",
        )
    if there.row(TRIGGERS, [table.schema, table.table]) is not None:
        report.note(f"triggers of {table} were not restored")
    if there.row(FOREIGN, [table.schema, table.table]) is not None:
        report.note(f"foreign keys of {table} were not restored; their columns and indexes were")


def _definition(there: Session, table: Table, held: Table) -> str:
    """CREATE TABLE of what LIKE makes: no foreign key and no folder of its own. The scratch server
    may be written to: it goes."""
    if there.row(SCHEMA, [held.schema]) is None:
        there.do(f"CREATE DATABASE {sql.name(held.schema)}")
    _drop(there, held)
    there.do(f"CREATE TABLE {held} LIKE {table}")
    shown = there.row(f"SHOW CREATE TABLE {held}")
    assert shown is not None
    return str(shown["Create Table"])


def _rows(server: Scratch, own: Session, table: Table, held: Table) -> int:
    """In bounded transactions: each is one statement."""
    columns = own.rows(COLUMNS, [held.schema, held.table])
    asked = ", ".join(_column(row["name"], row["type"]) for row in columns)
    named = ", ".join(sql.name(row["name"]) for row in columns)
    insert = f"INSERT INTO {held} ({named}) VALUES ".encode()  # noqa: S608
    limit, done = int(own.value("SELECT @@global.max_allowed_packet")), 0
    with (
        _raw(server.socket, "") as reader,
        _raw(paths.SOCKET, root_password()) as writer,
        reader.cursor(SSCursor) as cursor,
    ):
        cursor.execute(f"SELECT SQL_NO_CACHE {asked} FROM {table}".encode())  # noqa: S608
        for part in parts(cursor):
            statement = insert + b",".join(part)
            if len(statement) >= limit:
                raise _too_large(table, len(statement), limit)
            writer.query(statement)
            done += len(part)
    return done


def _too_large(table: Table, size: int, limit: int) -> NodeError:
    return refused(
        f"a row of {table} takes a statement of {size >> 20} MiB",
        f"less than {limit >> 20} MiB: max_allowed_packet of this server",
        "SET GLOBAL max_allowed_packet to more than that (up to 1 GiB) on this node, then run this "
        "again",
    )


def _column(name: str, kind: str) -> str:
    """FLOAT + 0e0 is the same number as a DOUBLE, which text carries whole."""
    return f"{sql.name(name)} + 0e0" if kind == "float" else sql.name(name)


def parts(cursor: Any) -> Iterator[list[bytes]]:
    part, size = list[bytes](), 0
    while (row := cursor.fetchone()) is not None:
        text = row_text(row)
        if part and (size + len(text) > BYTES or len(part) == ROWS):
            yield part
            part, size = [], 0
        part.append(text)
        size += len(text)
    if part:
        yield part


def row_text(row: Sequence[bytes | None]) -> bytes:
    """As it stands in INSERT."""
    return b"(" + b",".join(map(_value, row)) + b")"


def _value(value: bytes | None) -> bytes:
    if value is None:
        return b"NULL"
    value = value.replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\0", b"\\0")
    return b"'" + value.replace(b"\x1a", b"\\Z") + b"'"


@contextmanager
def _raw(socket: Any, password: str) -> Iterator[Any]:
    """A connection that gives and takes bytes."""
    login = Login("root", password)
    connection = pymysql.connect(
        user=login.user,
        password=login.password,
        unix_socket=str(socket),
        charset="latin1",  # until BINARY
        use_unicode=False,
        conv={},
        init_command=BINARY,
        connect_timeout=sql.CONNECT_SECONDS,
        read_timeout=SECONDS,
        write_timeout=SECONDS,
        autocommit=True,
    )
    try:
        yield connection
    except pymysql.err.MySQLError as error:
        raise sql.refusal(error, f"the server at {socket}") from None
    finally:
        with suppress(pymysql.err.MySQLError, OSError):
            connection.close()


def _refuse_different(there: Session, own: Session, table: Table, held: Table) -> None:
    """Before anybody knows of the table here, both are the same."""
    # The first CHECKSUM of an ARCHIVE table that was written to is 0 in 5.6.24, until it was read.
    own.value(f"SELECT COUNT(*) FROM {held}")  # noqa: S608
    one, other = (
        session.row(f"CHECKSUM TABLE {each} EXTENDED")
        for session, each in ((there, table), (own, held))
    )
    assert one is not None
    assert other is not None
    if one["Checksum"] != other["Checksum"]:
        raise NodeError(
            Exit.SERVER,
            f"what came of {table} has checksum {other['Checksum']}",
            f"{one['Checksum']}, as in the backup",
            "restore to a scratch server (`ring-node restore-scratch`) and compare the two there",
        )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
