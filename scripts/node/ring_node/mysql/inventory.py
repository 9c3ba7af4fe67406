"""Every object of a server as text to compare: what it is, without the rows of users' tables.

Read so that it is in nobody's way: from columns of information_schema that need no more than the
.frm or .TRG file of a table ("Optimizing INFORMATION_SCHEMA Queries" in the 5.6 manual), from
InnoDB's dictionary, from those files themselves, and from the small tables that hold the rest. No
table of users is opened, so none is locked, and one that is broken is listed as any other.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .sql import Session

DATABASES = (
    "SELECT schema_name AS name, default_collation_name FROM information_schema.schemata"
    " WHERE schema_name NOT IN ('information_schema', 'performance_schema')"
)
TABLES = (
    "SELECT table_schema, table_name, table_type, engine, table_collation, create_options,"
    " CONVERT(CONVERT(table_schema USING filename) USING binary) AS folder,"
    " CONVERT(CONVERT(table_name USING filename) USING binary) AS file"
    " FROM information_schema.tables"
    " WHERE table_schema NOT IN ('information_schema', 'performance_schema')"
)
INNODB = (
    "SELECT table_id, name, flag, n_cols, file_format, row_format, zip_page_size"
    " FROM information_schema.innodb_sys_tables"
    # Temporary tables, whose files are not in the data directory, and what ALTER is at work on.
    " WHERE SUBSTRING_INDEX(name, '/', -1) NOT LIKE '#sql%'"
)
INDEXES = "SELECT table_id, name, type, n_fields FROM information_schema.innodb_sys_indexes"
FOREIGN = (
    "SELECT id AS name, for_name, ref_name, n_cols, type FROM information_schema.innodb_sys_foreign"
)
TRIGGERS = (
    "SELECT trigger_schema, trigger_name, event_manipulation, event_object_table,"
    " action_statement, action_timing, sql_mode, definer, character_set_client,"
    " collation_connection, database_collation FROM information_schema.triggers"
)
ROUTINES = "SELECT * FROM mysql.proc"
EVENTS = "SELECT * FROM mysql.event"
# What differs between the nodes of a ring, or changes when an event fires.
OF_ITS_PLACE = ("status", "last_executed")
ALL = "SELECT * FROM mysql.{}"
ACCOUNTS = ("user", "db", "tables_priv", "columns_priv", "procs_priv", "proxies_priv")
SYSTEM_TABLES = ("func", "plugin", "servers", "time_zone", "time_zone_name",
                 "time_zone_transition", "time_zone_transition_type",
                 "time_zone_leap_second")  # fmt: skip
# How many statements that define objects the server was asked for since it started.
DEFINED = "statements that define"
DEFINING = (
    "SHOW GLOBAL STATUS WHERE Variable_name REGEXP"
    " '^Com_(create|drop|alter|rename|truncate|optimize|repair|grant|revoke|install|uninstall)"
    "(_|$)'"
)
UNDECODED = "#mysql50#"  # before a name that is not the file's encoding of one


def objects(session: Session) -> dict[str, str]:
    """Each object's kind and name, and what it is. Sets this session's modes for itself."""
    session.do("SET SESSION sql_mode = '', time_zone = '+00:00'")
    data = Path(session.value("SELECT @@datadir"))
    found: dict[str, str] = {}
    began = defined(session)
    for row in session.rows(DATABASES):
        found[f"database {row['name']}"] = str(row["default_collation_name"])
    for row in session.rows(TABLES):
        kind = "view" if row["table_type"] == "VIEW" else "table"
        folder = _encoded(row["table_schema"], row["folder"])
        file = data / folder / f"{_encoded(row['table_name'], row['file'])}.frm"
        stated = [row[key] for key in ("engine", "table_collation", "create_options")]
        stated = [str(each) for each in stated if each]
        found[f"{kind} {row['table_schema']}.{row['table_name']}"] = " ".join(
            [*stated, _digest_of(file)]
        )
    indexes: dict[int, list[Any]] = defaultdict(list)
    for row in session.rows(INDEXES):
        indexes[row.pop("table_id")].append(sorted(row.items()))
    for row in session.rows(INNODB):
        row["indexes"] = sorted(indexes[row.pop("table_id")])
        found[f"InnoDB's table {row['name']}"] = f"{row['row_format']} {_digest(row)}"
    for row in session.rows(FOREIGN):
        found[f"InnoDB's foreign key {row['name']}"] = _digest(row)
    for row in session.rows(TRIGGERS):
        found[f"trigger {row['trigger_schema']}.{row['trigger_name']}"] = _digest(row)
    for row in session.rows(ROUTINES):
        found[f"{_text(row['type']).lower()} {_text(row['db'])}.{_text(row['name'])}"] = _digest(
            row
        )
    for row in session.rows(EVENTS):
        kept = {key: value for key, value in row.items() if key not in OF_ITS_PLACE}
        found[f"event {_text(row['db'])}.{_text(row['name'])}"] = _digest(kept)
    found.update(_accounts(session))
    for table in SYSTEM_TABLES:
        rows = session.rows(ALL.format(table))
        found[f"rows of mysql.{table}"] = f"{len(rows)} {_digest_rows(rows)}"
    found[DEFINED] = f"{began} to {defined(session)}"
    return found


def differences(
    copy: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str]
) -> list[str]:
    """In what a copy is neither as its source was before the snapshot nor as it was after it.

    Only when statements that define objects ran in between, an object that is not the same before
    and after may be any way: it may have been changed twice, or made and dropped.
    """
    first, last = before[DEFINED].split()[0], after[DEFINED].split()[-1]
    defined = first != last
    result = []
    for name in sorted({*copy, *before, *after} - {DEFINED}):
        found, earlier, later = copy.get(name), before.get(name), after.get(name)
        settled = earlier == later and earlier is not None
        if found in (earlier, later) or (defined and not settled):
            continue
        wanted = " or ".join(dict.fromkeys(each or "none" for each in (earlier, later)))
        result.append(f"{name} is {found or 'missing'}, on the source it is {wanted}")
    return result


def _accounts(session: Session) -> dict[str, str]:
    """Per account the rows of all tables that say what it is and may."""
    rows: dict[str, list[Any]] = defaultdict(list)
    for table in ACCOUNTS:
        for row in session.rows(ALL.format(table)):
            rows[f"account {_text(row['User'])}@{_text(row['Host'])}"].append((table, row))
    return {
        name: f"{_plugin(held)} {_digest_rows(row for _, row in held)}"
        for name, held in rows.items()
    }


def _plugin(held: list[Any]) -> str:
    stated = next((_text(row["plugin"] or "") for table, row in held if table == "user"), None)
    return "rights only" if stated is None else stated or "mysql_native_password"


def defined(session: Session) -> int:
    """How many statements that define objects have begun since the server started."""
    return sum(int(row["Value"]) for row in session.rows(DEFINING))


def _encoded(name: str, encoded: Any) -> str:
    """The name of the file or folder that holds what the server calls `name`."""
    return name.removeprefix(UNDECODED) if name.startswith(UNDECODED) else _text(encoded)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _digest(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(repr(sorted(row.items())).encode()).hexdigest()[:16]


def _digest_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    lines = sorted(repr(sorted(row.items())) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _digest_of(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    except FileNotFoundError:
        return "no file"
