"""Accounts and privileges: what the server shows, and the statements to what is wanted. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..base.errors import refused
from .sql import literal, name

NAME = r"(?:`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\"|\*)"
PLACE = rf"(?:(?:PROCEDURE|FUNCTION) )?{NAME}\.{NAME}|'[^']*'@'[^']*'"
GRANT = re.compile(
    rf"GRANT (?P<privileges>.+?) ON (?P<place>{PLACE}) TO '[^']*'@'[^']*'(?P<rest>.*)", re.DOTALL
)
QUOTED = re.compile(r'`(?:[^`]|``)*`|"(?:[^"]|"")*"')
PRIVILEGE = re.compile(r"(?P<name>[A-Z ]+?)(?: \((?P<columns>[^)]*)\))?(?:, |$)")
EVERY = "ALL PRIVILEGES"
OPTION = "GRANT OPTION"
# What that is on a database. https://dev.mysql.com/doc/refman/5.6/en/grant.html
ON_DATABASE = frozenset(
    {
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
    }
)


@dataclass(frozen=True, order=True)
class Account:
    user: str
    host: str

    @property
    def sql(self) -> str:
        return f"{literal(self.user)}@{literal(self.host)}"

    def __str__(self) -> str:
        return f"{self.user}@{self.host}"


@dataclass(frozen=True)
class Rights:
    """Privileges by place (`*.*`, `` `app`.* ``), password hash and whether TLS is required.

    A privilege on a column is one of its own: `` SELECT (`name`) ``.
    """

    password_hash: str
    require_ssl: bool | None  # None: more than TLS is required, such as a certificate
    places: Mapping[str, frozenset[str]]


def alike(wanted: Mapping[Account, Rights], present: Iterable[Account]) -> dict[Account, Rights]:
    """Other accounts of a wanted user, for a range that shares addresses with a wanted one.

    For a client in both, MySQL 5.6.24 takes whichever account it sorts first, and may take the
    other one after a restart or FLUSH PRIVILEGES: they have to have the same password and rights.
    """
    result: dict[Account, Rights] = {}
    for account in present:
        range_ = _range(account.host)
        if range_ is None or account in wanted:
            continue
        for other, rights in wanted.items():
            its = _range(other.host)
            if other.user == account.user and its is not None and its.overlaps(range_):
                result[account] = rights
                break
    return result


def _range(host: str) -> ipaddress.IPv4Network | None:
    """The addresses of a host part in the form that the settings' ranges have."""
    try:
        range_ = ipaddress.IPv4Network(host)
    except ValueError:
        return None
    return range_ if host == range_.with_netmask else None


def parse(grants: Iterable[str], password_hash: str) -> Rights:
    """The rows of SHOW GRANTS, under any sql_mode."""
    places: dict[str, frozenset[str]] = {}
    require_ssl: bool | None = False
    for line in grants:
        match = GRANT.fullmatch(line)
        if match is None:
            raise refused(
                f"a grant of another form: {line.partition(' TO ')[0]}",
                "grants as SHOW GRANTS of MySQL 5.6 shows them",
                "REVOKE it by hand, with SET sql_log_bin = 0, on both nodes",
            )
        place, rest = QUOTED.sub(_in_backticks, match["place"]), match["rest"]
        if " REQUIRE " in rest:
            require_ssl = True if " REQUIRE SSL" in rest else None
        privileges = _privileges(match["privileges"]) - {"USAGE"}
        if "WITH GRANT OPTION" in rest and privileges != {"PROXY"}:
            privileges |= {OPTION}
        if privileges:
            places[place] = places.get(place, frozenset()) | privileges
    return Rights(password_hash, require_ssl, places)


def _privileges(listed: str) -> frozenset[str]:
    found: set[str] = set()
    for each in PRIVILEGE.finditer(listed):
        if each["columns"] is None:
            found.add(each["name"])
        else:  # shown without quotes
            found.update(f"{each['name']} ({name(it)})" for it in each["columns"].split(", "))
    return frozenset(found)


def _in_backticks(quoted: re.Match[str]) -> str:
    mark = quoted[0][0]
    return name(quoted[0][1:-1].replace(mark * 2, mark))


def statements(account: Account, want: Rights, have: Rights | None) -> list[str]:
    """What makes `have` into `want`. Holds a password's hash, so never log it.

    What is in both is not taken away in between.
    """
    result: list[str] = []
    if have is None or have.password_hash != want.password_hash:
        # Creates the account too. A hash is given, so the password is in no statement.
        result.append(
            f"GRANT USAGE ON *.* TO {account.sql}"
            f" IDENTIFIED BY PASSWORD {literal(want.password_hash)}{_require(want)}"
        )
    elif have.require_ssl != want.require_ssl:
        result.append(f"GRANT USAGE ON *.* TO {account.sql}{_require(want)}")
    wished, there = spelled_out(want.places), spelled_out(have.places if have else {})
    for place in sorted({*there, *wished}):
        needed, present = wished.get(place, frozenset()), there.get(place, frozenset())
        extra, lacking = present - needed, needed - present
        if EVERY in extra:  # takes every single privilege with it
            lacking = needed - {OPTION}
        result += [f"REVOKE {each} ON {place} FROM {account.sql}" for each in _listed(place, extra)]
        result += [f"GRANT {each} ON {place} TO {account.sql}" for each in _listed(place, lacking)]
    return result


def spelled_out(places: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """With the single privileges in place of all of them, where the place is a database."""
    return {
        place: privileges - {EVERY} | ON_DATABASE
        if EVERY in privileges and _is_database(place)
        else privileges
        for place, privileges in places.items()
    }


def _is_database(place: str) -> bool:
    return place.endswith(".*") and place != "*.*"


def _require(rights: Rights) -> str:
    return " REQUIRE SSL" if rights.require_ssl else " REQUIRE NONE"


def _listed(place: str, privileges: frozenset[str]) -> list[str]:
    """As lists that a statement takes: all privileges stand alone in one."""
    lists: list[str] = []
    rest = privileges
    if _is_database(place) and privileges >= ON_DATABASE:
        lists, rest = [EVERY], privileges - ON_DATABASE
    elif EVERY in privileges:
        lists, rest = [EVERY], privileges - {EVERY}
    return [*lists, ", ".join(sorted(rest))] if rest else lists
