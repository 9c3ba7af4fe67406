"""All that a server holds, to be compared with another one's: content, definitions, accounts."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from hard_data import quoted

VIRTUAL = ("information_schema", "performance_schema")
OWN = ("mysql", "mysql_ring")
"""Compared by what is in their tables, and the ring's own not at all: its rows are the node's."""
# Those of mysql.* whose rows a copy must hold. By design the others differ: places of replication,
# logs, statistics that the server renews by itself.
SYSTEM = (
    "user", "db", "tables_priv", "columns_priv", "procs_priv", "proxies_priv", "proc", "event",
    "func", "plugin", "servers", "time_zone", "time_zone_name", "time_zone_transition",
    "time_zone_transition_type", "time_zone_leap_second",
)  # fmt: skip
ACCOUNTS = ("user", "db", "tables_priv", "columns_priv", "procs_priv", "proxies_priv")
# An event fires on one node only, and says there when it did.
OF_A_NODE = ("status", "last_executed")
# InnoDB of 5.6 counts on from the highest key that is there after a restart.
NEXT_KEY = re.compile(r" AUTO_INCREMENT=\d+")
STATUS = re.compile(r" (?:ENABLE|DISABLE ON SLAVE|DISABLE)(?= COMMENT | DO )")

Everything = dict[str, Any]
Rows = Callable[[str], list[dict[str, Any]]]


def everything(
    connection: Any, *, without: Collection[str] = (), accounts: Collection[str] = ()
) -> Everything:
    """By kind and name. Without the content of some tables (database.table), and without the
    accounts with these user names: the ring's own."""

    def rows(statement: str) -> list[dict[str, Any]]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    rows("SET NAMES utf8")
    rows("USE mysql")  # a view's text depends on where it is read
    rows("SET SESSION sql_mode = '', time_zone = '+00:00', group_concat_max_len = 1048576")
    found: Everything = {}
    for (database,) in _values(rows("SHOW DATABASES")):
        if database not in (*VIRTUAL, *OWN):
            found.update(_database(rows, database, without))
    for table in SYSTEM:
        found[f"rows of mysql.{table}"] = _system(rows, table, accounts)
    return found


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What is not the same on both: how it is on either."""
    return {
        name: (first.get(name), second.get(name))
        for name in sorted({*first, *second})
        if first.get(name) != second.get(name)
    }


def _database(rows: Rows, database: str, without: Collection[str]) -> Everything:
    name, text = quoted(database), _literal(database)
    found: Everything = {f"database {database}": _show(rows, f"SHOW CREATE DATABASE {name}")}
    for table, kind in _values(rows(f"SHOW FULL TABLES FROM {name}")):
        place = f"{name}.{quoted(table)}"
        found[f"{kind} {database}.{table}"] = _show(rows, f"SHOW CREATE TABLE {place}", NEXT_KEY)
        if kind == "BASE TABLE" and f"{database}.{table}" not in without:
            # A table that is broken says so with a checksum of NULL, and a warning.
            found[f"content of {database}.{table}"] = _show(rows, f"CHECKSUM TABLE {place}")
    for kind, column, table, schema in (
        ("TRIGGER", "trigger_name", "triggers", "trigger_schema"),
        ("EVENT", "event_name", "events", "event_schema"),
        ("PROCEDURE", "routine_name", "routines", "routine_type = 'PROCEDURE' AND routine_schema"),
        ("FUNCTION", "routine_name", "routines", "routine_type = 'FUNCTION' AND routine_schema"),
    ):
        listed = f"SELECT {column} FROM information_schema.{table} WHERE {schema} = {text}"
        for (each,) in _values(rows(listed)):
            show = f"SHOW CREATE {kind} {name}.{quoted(each)}"
            found[f"{kind} {database}.{each}"] = _show(rows, show, STATUS)
    return found


def _system(rows: Rows, table: str, accounts: Collection[str]) -> list[str]:
    listed = rows(f"SELECT * FROM mysql.{table}")
    if table in ACCOUNTS:
        listed = [row for row in listed if _text(row["User"]) not in accounts]
    if table == "event":
        listed = [{key: row[key] for key in row if key not in OF_A_NODE} for row in listed]
    return sorted(repr(sorted(row.items())) for row in listed)


def _show(rows: Rows, statement: str, less: re.Pattern[str] | None = None) -> list[Any]:
    """What the server shows, or the error with which it refuses: both must be the same."""
    try:
        shown = rows(statement)
    except Exception as error:
        return [repr(error)]
    values = [value for row in shown for value in row.values()]
    return [less.sub("", each) if less and isinstance(each, str) else each for each in values]


def _values(listed: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in listed]


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
