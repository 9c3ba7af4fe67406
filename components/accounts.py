"""The databases and accounts of a ring: its own names, and what MySQL 5.6 takes for others."""

import re

from components.inputs import Texts
from components.problems import Found, Problem
from components.settings import RingArgs, UserSettings

PEER_USER = "ring_peer"
HEARTBEAT_USER = "ring_heartbeat"
# MySQL 5.6: MASTER_PASSWORD holds 32 characters, an account's name 16, a schema's name 64.
# https://dev.mysql.com/doc/refman/5.6/en/change-master-to.html, .../identifier-length.html
LONGEST_PASSWORD = 32
LONGEST_USER = 16
LONGEST_DATABASE = 64
# Eight characters are what MySQL's own validate_password asks for.
SHORTEST_PASSWORD = 8
# Client files and shells change a quote, a backslash or a space.
PASSWORD = re.compile(r"[!#-&(-\[\]-~]+")
USER = re.compile(r"[A-Za-z0-9_.-]+")
DATABASE = re.compile(r"[A-Za-z0-9_$-]+")
SYSTEM_DATABASES = ("mysql", "information_schema", "performance_schema", "mysql_ring", "test")
# https://dev.mysql.com/doc/refman/5.6/en/grant.html: those of a database, apart from GRANT OPTION
PRIVILEGES = (
    "ALL",
    "ALL PRIVILEGES",
    "ALTER",
    "ALTER ROUTINE",
    "CREATE",
    "CREATE ROUTINE",
    "CREATE TEMPORARY TABLES",
    "CREATE VIEW",
    "DELETE",
    "DROP",
    "EVENT",
    "EXECUTE",
    "INDEX",
    "INSERT",
    "LOCK TABLES",
    "REFERENCES",
    "SELECT",
    "SHOW VIEW",
    "TRIGGER",
    "UPDATE",
)


def system_users(settings: RingArgs) -> list[str]:
    """The accounts that every ring has."""
    return ["root", settings.replication_user, PEER_USER, HEARTBEAT_USER]


def databases(settings: RingArgs) -> Found:
    for index, name in enumerate(settings.databases):
        setting = f"databases[{index}]"
        if not DATABASE.fullmatch(name) or len(name) > LONGEST_DATABASE:
            expected = f"1 to {LONGEST_DATABASE} letters, digits, _, $ or -"
            yield Problem(setting, repr(name), expected)
        elif name.lower() in SYSTEM_DATABASES:
            yield Problem(setting, name, f"none of {', '.join(SYSTEM_DATABASES)}")
        if settings.databases.index(name) != index:
            yield Problem(setting, f"{name} again", "each database once")


def users(settings: RingArgs) -> Found:
    named = {f"users[{index}].name": user.name for index, user in enumerate(settings.users)}
    for setting, name in {**named, "replicationUser": settings.replication_user}.items():
        if not USER.fullmatch(name) or len(name) > LONGEST_USER:
            expected = f"1 to {LONGEST_USER} letters, digits, _, . or -"
            yield Problem(setting, repr(name), expected)
    if settings.replication_user in ("root", PEER_USER, HEARTBEAT_USER):
        expected = f"a name other than root, {PEER_USER} and {HEARTBEAT_USER}"
        yield Problem("replicationUser", settings.replication_user, expected)
    taken = system_users(settings)
    names = [user.name for user in settings.users]
    for index, user in enumerate(settings.users):
        setting = f"users[{index}].name"
        if user.name in taken:
            expected = f"a name that the ring does not use itself ({', '.join(taken)})"
            yield Problem(setting, user.name, expected)
        if names.index(user.name) != index:
            expected = "one entry for each user, with all its databases"
            yield Problem(setting, f"{user.name} again", expected)
        yield from rights(f"users[{index}]", user, settings.databases)


def rights(where: str, user: UserSettings, known: list[str]) -> Found:
    """What one user may do, and where."""
    for key, values in {"databases": user.databases, "privileges": user.privileges}.items():
        if not values:
            yield Problem(f"{where}.{key}", "nothing", "at least one")
        for value in sorted({value for value in values if values.count(value) > 1}):
            yield Problem(f"{where}.{key}", f"{value} again", "each once")
    for database in dict.fromkeys(user.databases):
        if database not in known:
            expected = f"one of the setting databases ({', '.join(known)})"
            yield Problem(f"{where}.databases", repr(database), expected, compared="databases")
    for privilege in dict.fromkeys(user.privileges):
        if " ".join(privilege.upper().split()) not in PRIVILEGES:
            expected = "a privilege on a database, such as ALL, SELECT or CREATE VIEW"
            yield Problem(f"{where}.privileges", repr(privilege), expected)


def passwords(settings: RingArgs, texts: Texts) -> Found:
    known = {*system_users(settings), *(user.name for user in settings.users)}
    for name in settings.passwords:
        setting = f"passwords.{name}"
        if name not in known:
            expected = f"the name of an account ({', '.join(sorted(known))})"
            yield Problem(setting, "a password", expected, compared="users")
        if setting not in texts:
            continue
        password = texts[setting]
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            expected = f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD}, 5.6's limit for MASTER_PASSWORD"
            yield Problem(setting, f"{len(password)} characters", expected)
        if password and not PASSWORD.fullmatch(password):
            expected = "printable ASCII without spaces, quotes and backslashes"
            yield Problem(setting, "a password with other characters", expected)
