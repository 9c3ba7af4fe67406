"""Accounts and privileges: what the server shows, and the statements to what is wanted. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .sql import literal

GRANT = re.compile(r"^GRANT (?P<privileges>.+?) ON (?P<place>\S+) TO '.*?'@'.*?'(?P<rest>.*)$")


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
    """Privileges by place (`*.*`, `` `app`.* ``), password hash and whether TLS is required."""

    password_hash: str
    require_ssl: bool
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
    """The rows of SHOW GRANTS."""
    places: dict[str, frozenset[str]] = {}
    require_ssl = False
    for line in grants:
        match = GRANT.match(line)
        if match is None:
            continue
        require_ssl = require_ssl or " REQUIRE SSL" in match["rest"]
        privileges = {part.strip() for part in match["privileges"].split(",")} - {"USAGE"}
        if "WITH GRANT OPTION" in match["rest"]:
            privileges.add("GRANT OPTION")
        if privileges:
            places[match["place"]] = places.get(match["place"], frozenset()) | privileges
    return Rights(password_hash, require_ssl, places)


def statements(account: Account, want: Rights, have: Rights | None) -> list[str]:
    """What makes `have` into `want`. Holds a password's hash, so never log it."""
    result: list[str] = []
    if have is None or have.password_hash != want.password_hash:
        # Creates the account too. A hash is given, so the password is in no statement.
        result.append(
            f"GRANT USAGE ON *.* TO {account.sql}"
            f" IDENTIFIED BY PASSWORD {literal(want.password_hash)}{_require(want)}"
        )
    elif have.require_ssl != want.require_ssl:
        result.append(f"GRANT USAGE ON *.* TO {account.sql}{_require(want)}")
    there = have.places if have else {}
    for place in sorted({*there, *want.places}):
        wished, present = want.places.get(place, frozenset()), there.get(place, frozenset())
        extra, lacking = present - wished, wished - present
        if "ALL PRIVILEGES" in extra:  # takes every single privilege with it
            lacking = wished
        if extra:
            result.append(f"REVOKE {_listed(extra)} ON {place} FROM {account.sql}")
        if lacking:
            result.append(f"GRANT {_listed(lacking)} ON {place} TO {account.sql}")
    return result


def _require(rights: Rights) -> str:
    return " REQUIRE SSL" if rights.require_ssl else " REQUIRE NONE"


def _listed(privileges: Iterable[str]) -> str:
    return ", ".join(sorted(privileges))
