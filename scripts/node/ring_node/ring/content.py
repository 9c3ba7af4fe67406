"""What users keep on a server, the ring's own schema aside: databases and what is in them."""

from __future__ import annotations

from ..mysql import sql
from ..mysql.sql import Session
from .schema import SCHEMA

SYSTEM_SCHEMAS = ("mysql", "information_schema", "performance_schema", SCHEMA)
# Anything that holds, or makes, data of a user. Databases without any of it do not count.
CONTENT = (
    "SELECT * FROM ("
    "(SELECT LOWER(table_type) AS kind, table_schema AS place, table_name AS name"
    " FROM information_schema.tables WHERE table_schema NOT IN %s LIMIT 5) UNION ALL "
    "(SELECT LOWER(routine_type), routine_schema, routine_name"
    " FROM information_schema.routines WHERE routine_schema NOT IN %s LIMIT 5) UNION ALL "
    "(SELECT 'event', event_schema, event_name"
    " FROM information_schema.events WHERE event_schema NOT IN %s LIMIT 5)"
    ") AS content LIMIT 5"
)
DATABASES = (
    "SELECT schema_name AS name, default_character_set_name AS charset,"
    " default_collation_name AS collation FROM information_schema.schemata"
    " WHERE schema_name NOT IN %s ORDER BY schema_name"
)


def found(session: Session) -> list[str]:
    """Up to five things of users on this server, in words."""
    rows = session.rows(CONTENT, [SYSTEM_SCHEMAS] * 3)
    return [f"{row['kind']} {row['place']}.{row['name']}" for row in rows]


def databases(session: Session) -> dict[str, tuple[str, str]]:
    """Character set and collation of each database of users."""
    rows = session.rows(DATABASES, [SYSTEM_SCHEMAS])
    return {row["name"]: (row["charset"], row["collation"]) for row in rows}


def create_databases(own: Session, wanted: dict[str, tuple[str, str]]) -> list[str]:
    """Databases that are lacking here, without a trace in the binary log."""
    lacking = sorted(set(wanted) - set(databases(own)))
    with own.unlogged():
        for database in lacking:
            charset, collation = wanted[database]
            own.do(
                f"CREATE DATABASE {sql.name(database)} CHARACTER SET {charset} COLLATE {collation}"
            )
    return lacking
