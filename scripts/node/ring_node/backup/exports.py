"""A server's databases as files that other versions and other tools read.

Rows are mydumper's part. It writes the definitions of tables in a character set that makes others
of their defaults and names, and routines, triggers, events and views without the sql_mode and time
zone that they need, changing text of several lines (seen with Debian's 0.10.1). So definitions are
written here, and accounts:

    NAME.tables.sql         the database and its tables, for the mariadb or mysql client
    NAME/                   their rows: myloader --database DATABASE --directory NAME
    NAME.definitions.sql    routines, views, triggers, events: the client again, in that database
    accounts.sql            the client

NAME is the database as MySQL spells it in the name of a folder. What is not carried, or not
exactly, is named: `Unlike`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base.errors import Exit, NodeError
from ..host import files, programs, room
from ..mysql import sql
from ..mysql.scratch import Scratch
from ..mysql.sql import Session

SECONDS = 24 * 3600.0
THREADS = 2
LEFT_OUT = ("information_schema", "performance_schema", "mysql", "mysql_ring")
# mydumper 0.10 puts names as they are between quotes, and into names of files. SHOW GRANTS of 5.6
# quotes none of what stands in the name of an account.
UNFIT_NAME = re.compile(r"[`'\"\\/%\x00-\x1f]")
UNQUOTED = re.compile(r"['\\\\`]")
LONGEST_FILE = 255 - len(".00000.sql.gz")  # bytes, with database and table in it
COUNTS_ON = re.compile(rb" AUTO_INCREMENT=\d+")
DATABASES = (
    "SELECT schema_name AS name, default_collation_name AS collation,"
    " CONVERT(CONVERT(schema_name USING filename) USING binary) AS folder"
    " FROM information_schema.schemata ORDER BY schema_name"
)
TABLES = (
    "SELECT table_name AS name, table_type AS type, engine FROM information_schema.tables"
    " WHERE table_schema = %s ORDER BY table_name"
)
FLOATS = (
    "SELECT DISTINCT table_name AS name FROM information_schema.columns WHERE table_schema = %s"
    " AND data_type = 'float' ORDER BY table_name"
)
ROUTINES = (
    "SELECT routine_name AS name, routine_type AS type FROM information_schema.routines"
    " WHERE routine_schema = %s ORDER BY routine_type, routine_name"
)
TRIGGERS = (
    "SELECT trigger_name AS name FROM information_schema.triggers WHERE trigger_schema = %s"
    " ORDER BY event_object_table, action_timing, event_manipulation"
)
EVENTS = (
    "SELECT event_name AS name, status, time_zone FROM information_schema.events"
    " WHERE event_schema = %s ORDER BY event_name"
)
OF_THE_SERVER = (
    ("SELECT Server_name AS name FROM mysql.servers", "servers of CREATE SERVER left out"),
    ("SELECT name FROM mysql.func", "loadable functions left out"),
)
ZONE_WITHOUT_TABLES = re.compile(r"SYSTEM|[-+].*")
USERS = "SELECT User AS user, Host AS host, plugin, password_expired FROM mysql.user ORDER BY 1, 2"
# Their rows are in other tables, on another server, or nowhere.
WITHOUT_ROWS = frozenset({"MRG_MYISAM", "FEDERATED", "BLACKHOLE", "MEMORY"})
PASSWORD_PLUGINS = ("", "mysql_native_password")
DELIMITERS = (";;", "$$", "//", "@@end@@")
NEXT_STEP = (
    "see what it names; without an export the backup itself is as good: run `ring-node backup` "
    "without --export"
)
Value = bytes | str | None


@dataclass
class Unlike:
    """What an export does not carry exactly, as sentences."""

    said: list[str] = field(default_factory=list)

    def add(self, what: str, names: Iterable[str]) -> None:
        listed = sorted(names)
        if listed:
            more = f" and {len(listed) - 20} more" if len(listed) > 20 else ""
            self.said.append(f"{what}: {', '.join(listed[:20])}{more}")


def write(server: Scratch, folder: Path, ours: frozenset[str]) -> tuple[str, ...]:
    """All databases into the new `folder`; what it does not carry exactly.

    Whole, or NodeError. `ours`: user names of the ring's own accounts, which are left out. The
    server asks for no password; the session may change accounts afterwards, and a further one
    needs a password then.
    """
    folder.mkdir(mode=0o700)
    unlike = Unlike()
    session = server.session
    with room.needed(folder, "room for an export"):
        for row in session.rows(DATABASES):
            if row["name"] not in LEFT_OUT:
                _database(
                    server, row["name"], row["collation"], folder, _text(row["folder"]), unlike
                )
        for statement, what in OF_THE_SERVER:
            unlike.add(what, (_text(row["name"]) for row in session.rows(statement)))
        (folder / "accounts.sql").write_bytes(accounts(session, ours, unlike))
    return tuple(unlike.said)


def unfit(name: str, *more: str) -> bool:
    """Whether mydumper stumbles over that name of a database, or over one with its table's."""
    whole = ".".join((name, *more))
    return bool(UNFIT_NAME.search(whole)) or len(whole.encode()) > LONGEST_FILE


def _database(
    server: Scratch, database: str, collation: str, folder: Path, name: str, unlike: Unlike
) -> None:
    session = server.session
    found = session.rows(TABLES, [database])
    status = session.rows(f"SHOW TABLE STATUS FROM {sql.name(database)}")
    dead = {
        row["Name"] for row in status if row["Engine"] is None and row["Comment"].upper() != "VIEW"
    }  # it says there why
    tables = {row["name"]: row["engine"] for row in found if row["type"] == "BASE TABLE"}
    broken = dead & set(tables)
    (folder / f"{name}.tables.sql").write_bytes(
        table_definitions(session, database, [each for each in tables if each not in broken])
    )
    unlike.add(f"tables of {database} that cannot be opened, left out", broken)
    unlike.add(
        f"FLOAT has six digits in tables of {database}",
        (row["name"] for row in session.rows(FLOATS, [database])),
    )
    unlike.add(
        f"tables of {database} whose rows are in other tables, on another server, or nowhere",
        (each for each, engine in tables.items() if engine in WITHOUT_ROWS),
    )
    with_rows = {each for each, engine in tables.items() if engine not in WITHOUT_ROWS} - broken
    if unfit(database):
        unlike.add(f"rows of {database} left out because of its name", with_rows)
    else:
        left_out = {each for each in with_rows if unfit(database, each)}
        unlike.add(f"rows of tables of {database} left out because of their names", left_out)
        _rows(server, database, folder / name, with_rows - left_out, set(tables))
    content = definitions(session, database, collation, dead - broken, unlike)
    if content:
        (folder / f"{name}.definitions.sql").write_bytes(content)


def _rows(server: Scratch, database: str, place: Path, wanted: set[str], tables: set[str]) -> None:
    place.mkdir(mode=0o700)
    empty, omitted = place.with_name("none.cnf"), place.with_name("omitted")
    empty.touch()
    omitted.write_text("".join(f"{database}.{each}\n" for each in tables - wanted))
    command = [
        *programs.DIES_WITH_VERB, "mydumper", f"--defaults-file={empty}",
        f"--socket={server.socket}", "--user=root", f"--database={database}",
        f"--outputdir={place}", f"--threads={THREADS}", f"--omit-from-file={omitted}",
        "--no-schemas", "--no-views", "--compress", "--build-empty-files", "--verbose=2",
    ]  # fmt: skip
    try:
        status, output, problems = programs.attempt(
            command, seconds=SECONDS, next_step=NEXT_STEP, environment={"HOME": str(place)}
        )
    finally:
        files.remove(empty)
        files.remove(omitted)
    there = {path.name for path in place.iterdir()}
    lacking = [each for each in sorted(wanted) if f"{database}.{each}.sql.gz" not in there]
    ended = b"Finished dump at" in (files.read_bytes(place / "metadata") or b"")
    wrong = [line for line in (output + problems).splitlines() if "CRITICAL" in line]
    if status != 0 or wrong or lacking or not ended:
        said = " | ".join(wrong) or problems.strip()[-600:] or "it said nothing"
        without = f", without {', '.join(lacking[:5])}" if lacking else ""
        raise NodeError(
            Exit.HOST,
            f"mydumper of {database} ended with {status}{without}: {said[:900]}",
            "the rows of all of its tables",
            NEXT_STEP,
        )


class Script:
    """Statements for a client, each with what its session must have."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.count = 0
        self._settings: dict[str, Value] = {}

    def plain(self, line: str) -> None:
        self.parts.append(line.encode() + b"\n")

    def add(self, statement: bytes, settings: dict[str, Value]) -> None:
        """`statement` is in the character set that the settings name."""
        self.count += 1
        for name, value in settings.items():
            if self._settings.get(name) != value:
                self.plain(f"SET {name} = {_literal(_text(value))};")
        self._settings = {**self._settings, **settings}
        mark = next(each for each in DELIMITERS if each.encode() not in statement)
        self.parts.append(
            b"DELIMITER %b\n%b%b\nDELIMITER ;\n" % (mark.encode(), statement, mark.encode())
        )

    @property
    def content(self) -> bytes:
        return b"".join(self.parts) if self.count else b""


def table_definitions(session: Session, database: str, tables: Iterable[str]) -> bytes:
    """The database itself and these tables of it, as a client's script."""
    session.do("SET SESSION time_zone = '+00:00'")  # of a TIMESTAMP's default
    script = Script()
    script.plain("SET NAMES utf8, foreign_key_checks = 0, unique_checks = 0, time_zone = '+00:00';")
    named = sql.name(database)
    row = session.row(f"SHOW CREATE DATABASE {named}")
    assert row is not None
    script.add(row["Create Database"].encode(), dict(NAMES_UTF8))
    script.plain(f"USE {named};")
    for table in tables:
        row = session.row(f"SHOW CREATE TABLE {named}.{sql.name(table)}")
        assert row is not None
        statement = row["Create Table"].encode()
        if b"ENGINE=ARCHIVE" in statement:  # which takes no key below the one that it is at
            statement = COUNTS_ON.sub(b"", statement, count=1)
        script.add(statement, dict(NAMES_UTF8))
    session.do("SET SESSION time_zone = 'SYSTEM'")
    return script.content


def definitions(
    session: Session, database: str, collation: str, broken: set[str], unlike: Unlike
) -> bytes:
    """Routines, views, triggers and events of a database, as a client's script that is run in it.
    A view finds its columns whatever comes first: each begins as one without rows."""
    script = Script()
    script.plain("SET foreign_key_checks = 0;")
    named = sql.name(database)
    session.do(f"USE {named}")  # what is in it is then named without it
    alien = list[str]()
    for row in session.rows(ROUTINES, [database]):
        kind = "Procedure" if row["type"] == "PROCEDURE" else "Function"
        shown = _shown(session, f"SHOW CREATE {kind.upper()} {sql.name(row['name'])}")
        _define(script, shown, shown[f"Create {kind}"], collation, row["name"], alien)
    views = _views(session, database, broken, script)
    for name, shown in views.items():
        script.add(b"DROP VIEW IF EXISTS " + _quoted(name), dict(NAMES_UTF8))
        _define(script, shown, shown["Create View"], collation, name, alien)
    for row in session.rows(TRIGGERS, [database]):
        shown = _shown(session, f"SHOW CREATE TRIGGER {sql.name(row['name'])}")
        _define(script, shown, shown["SQL Original Statement"], collation, row["name"], alien)
    elsewhere, zoned = list[str](), list[str]()
    for row in session.rows(EVENTS, [database]):
        shown = _shown(session, f"SHOW CREATE EVENT {sql.name(row['name'])}")
        _define(script, shown, shown["Create Event"], collation, row["name"], alien)
        if row["status"] == "SLAVESIDE_DISABLED":
            elsewhere.append(row["name"])
        if not ZONE_WITHOUT_TABLES.fullmatch(row["time_zone"]):
            zoned.append(f"{row['name']} ({row['time_zone']})")
    unlike.add(f"events of {database} in time zones that the other server must know", zoned)
    unlike.add(f"views of {database} that cannot be read, left out", broken)
    unlike.add(f"events of {database} that fire on the other node, DISABLE ON SLAVE", elsewhere)
    unlike.add(f"made in {database} when its collation was another one", alien)
    return script.content


NAMES_UTF8: dict[str, Value] = {
    "character_set_client": "utf8",
    "collation_connection": "utf8_general_ci",
    "sql_mode": "NO_ENGINE_SUBSTITUTION",
}


def _views(
    session: Session, database: str, broken: set[str], script: Script
) -> dict[str, dict[str, Value]]:
    """What each view is that can be read; first they become ones that stand for them."""
    shown: dict[str, dict[str, Value]] = {}
    for row in session.rows(TABLES, [database]):
        if row["type"] != "VIEW" or row["name"] in broken:
            continue
        view = sql.name(row["name"])
        columns = session.rows(f"SHOW COLUMNS FROM {view}")
        shown[row["name"]] = _shown(session, f"SHOW CREATE VIEW {view}")
        listed = ", ".join(f"1 AS {sql.name(column['Field'])}" for column in columns)
        script.add(f"CREATE OR REPLACE VIEW {view} AS SELECT {listed}".encode(), dict(NAMES_UTF8))
    return shown


def _shown(session: Session, statement: str) -> dict[str, Value]:
    """The row of a SHOW CREATE, every text in the bytes that it was made of."""
    session.do("SET SESSION character_set_results = binary")
    try:
        row = session.row(statement)
    finally:
        if session.open:
            session.do("SET SESSION character_set_results = utf8")
    assert row is not None
    return row


def _define(
    script: Script,
    shown: dict[str, Value],
    statement: Value,
    collation: str,
    name: str,
    alien: list[str],
) -> None:
    if statement is None:
        raise NodeError(
            Exit.SERVER, f"the definition of {name} cannot be read", "its text", NEXT_STEP
        )
    settings: dict[str, Value] = {
        "character_set_client": shown["character_set_client"],
        "collation_connection": shown["collation_connection"],
        "sql_mode": shown.get("sql_mode", NAMES_UTF8["sql_mode"]),  # a view has none
    }
    if "time_zone" in shown:
        settings["time_zone"] = shown["time_zone"]
    made = shown.get("Database Collation")
    if made and _text(made) != collation:
        alien.append(name)
    script.add(statement if isinstance(statement, bytes) else statement.encode(), settings)


def accounts(session: Session, ours: frozenset[str], unlike: Unlike) -> bytes:
    """GRANT statements of every account but root's own and the ring's."""
    session.do("FLUSH PRIVILEGES")  # SHOW GRANTS is refused without the privileges in memory
    script = Script()
    script.plain("SET NAMES utf8;")
    by_plugin, unquoted, expired = list[str](), list[str](), list[str]()
    for row in session.rows(USERS):
        user, host = _text(row["user"]), _text(row["host"])
        if user in ours or (user, host) == ("root", "localhost"):
            continue
        who = f"{user}@{host}"
        if _text(row["plugin"] or "") not in PASSWORD_PLUGINS:
            by_plugin.append(who)  # SHOW GRANTS has the bytes of such a hash as they are
            continue
        if UNQUOTED.search(who):
            unquoted.append(who)
            continue
        for shown in session.rows("SHOW GRANTS FOR %s@%s", [user, host]):
            statement = next(iter(shown.values()))
            script.add(
                statement if isinstance(statement, bytes) else statement.encode(), dict(NAMES_UTF8)
            )
        if _text(row["password_expired"]) == "Y":
            expired.append(who)
    unlike.add("accounts left out whose password is of another plugin", by_plugin)
    unlike.add("accounts left out because of their names", unquoted)
    unlike.add("accounts whose password has expired, which it is not any more", expired)
    return script.content or b"-- none\n"


def _quoted(name: str) -> bytes:
    return sql.name(name).encode()


def _literal(text: str) -> str:
    """Of names of MySQL's own: of character sets, modes and zones."""
    return "'" + text.replace("'", "''") + "'"


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
