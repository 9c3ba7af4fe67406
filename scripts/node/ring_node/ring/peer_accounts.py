"""Accounts that the peer has, made here too: the ring's own are each node's."""

from __future__ import annotations

import re

from ..base.errors import NodeError
from ..base.report import Report
from ..mysql import sql
from ..mysql.sql import Session
from . import records

ACCOUNTS = "SELECT User AS user, Host AS host, Password AS hash, plugin FROM mysql.user"
# A password as mysql_native_password keeps it. Of another plugin's account SHOW GRANTS of 5.6 tells
# neither plugin nor password: what is made from that lets anybody in.
NATIVE = ("", "mysql_native_password")
NATIVE_HASH = re.compile(r"\*[0-9A-F]{40}")
# SHOW GRANTS hides the hash from an account without SUPER, each 5.6 in a way of its own.
SHOWN_HASH = re.compile(r"IDENTIFIED BY PASSWORD(?: '[^']*'| <secret>)?(?= |$)")


def copy(own: Session, other: Session, report: Report) -> None:
    """Makes the accounts that the peer has and this node has not, the ring's own aside."""
    ring = {row["user"] for row in own.rows(ACCOUNTS)}
    present = {(row["user"], row["host"]) for row in own.rows(ACCOUNTS)}
    with own.unlogged():
        for row in other.rows(ACCOUNTS):
            user, host = row["user"], row["host"]
            if user == "root" or (user, host) in present or _of_the_ring(user, ring):
                continue
            why = why_not_copied(row["plugin"], row["hash"])
            if why:
                report.note(
                    f"account {user}@{host} was not copied: {why}; make it by hand, with "
                    "SET sql_log_bin = 0"
                )
                continue
            account = f"account {user}@{host}"
            try:
                shown = other.rows("SHOW GRANTS FOR %s@%s", [user, host])
                # First: a grant without a password makes the account that it does not find.
                own.do(
                    "GRANT USAGE ON *.* TO %s@%s IDENTIFIED BY PASSWORD %s",
                    [user, host, row["hash"]],
                )
            except NodeError as error:
                report.note(f"{account} was not copied: {error.found}")
                continue
            report.did(f"{account} copied")
            for each in shown:
                grant = next(iter(each.values()))
                try:
                    own.do(with_hash(grant, row["hash"]))
                except NodeError as error:  # as of a table that was dropped: the others count
                    what = grant.partition(" TO ")[0]
                    report.note(f"{account} was copied without {what}: {error.found}")


def with_hash(grant: str, password_hash: str) -> str:
    """A row of SHOW GRANTS as a statement. It may hold the hash: never log it."""
    return SHOWN_HASH.sub(lambda _: f"IDENTIFIED BY PASSWORD {sql.literal(password_hash)}", grant)


def why_not_copied(plugin: str | None, password_hash: str) -> str:
    """Why an account cannot be made here as it is on the peer; empty when it can."""
    if (plugin or "") not in NATIVE:
        return f"it logs in by {plugin}"
    if not NATIVE_HASH.fullmatch(password_hash):
        return "it has no password" if not password_hash else "its password is of another format"
    return ""


def _of_the_ring(user: str, here: set[str]) -> bool:
    kept = records.credentials()
    return user in here and user in (
        kept.replication.user,
        kept.peer.user,
        records.heartbeat_login().user,
    )
