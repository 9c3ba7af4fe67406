"""Accounts of a server: root's, the wanted ones, the ones that anybody may use."""

from __future__ import annotations

from collections.abc import Mapping

from ..base import paths
from ..base.errors import NodeError, refused
from ..base.report import Report
from . import grants, lifecycle, sql
from .bootstrap import password_hash
from .grants import Account, Rights
from .login import keep_root_password
from .sql import Session, literal

# Where a plugin keeps its password: 5.6 looks into Password for its own two, whatever stands in
# authentication_string, and lets anybody in by a sha256_password that is empty. Of other plugins an
# empty string says nothing: they ask elsewhere, or take the account's name.
OPEN = (
    "SELECT CONCAT(User, '@', Host) AS account FROM mysql.user WHERE User = ''"
    " OR (User = 'root' AND Host <> 'localhost')"
    " OR (Password = ''"
    " AND IFNULL(plugin, '') IN ('', 'mysql_native_password', 'mysql_old_password'))"
    " OR (plugin = 'sha256_password' AND IFNULL(authentication_string, '') = '')"
)
USERS = "SELECT User, Host, Password, plugin FROM mysql.user"
# Those whose password is a hash in the column Password.
NATIVE = ("", "mysql_native_password", "mysql_old_password")
ROOT = Account("root", "localhost")


def set_root_password(password: str, report: Report) -> None:
    try:
        with sql.own(report, password=password):
            pass
    except NodeError as error:
        if not sql.denied(error):
            raise
    else:
        if keep_root_password(password):
            report.did(f"{paths.ROOT_CLIENT} written")
        return
    if not paths.ROOT_CLIENT.exists():
        _set_unknown_root_password(password, report)
        return
    try:
        with sql.own(report) as session, session.unlogged():
            session.do("SET PASSWORD FOR 'root'@'localhost' = %s", [password_hash(password)])
    except NodeError as error:
        if not sql.denied(error):
            raise
        raise refused(
            f"root's password is neither the given one nor the one in {paths.ROOT_CLIENT}",
            "one of the two",
            f"put the password that is in force into {paths.ROOT_CLIENT}, then run this again",
        ) from None
    keep_root_password(password)
    report.did("root's password changed")


def _set_unknown_root_password(password: str, report: Report) -> None:
    """On a new host whose data has a password that nobody here was ever told. Root of the host is
    whose server it is."""
    change = f"SET PASSWORD FOR 'root'@'localhost' = {literal(password_hash(password))}"
    lifecycle.restart_with(f"SET SESSION sql_log_bin = 0;\n{change}")
    with sql.own(report, password=password):
        pass
    keep_root_password(password)
    report.did("root's password set: the data came with one that this host was not told")


def open_to_anyone(session: Session) -> list[str]:
    """Accounts without a name or a password, and every root but root@localhost."""
    return [row["account"] for row in session.rows(OPEN)]


def found(session: Session) -> dict[Account, Rights]:
    """Every account but root's own, with what it may do."""
    accounts = {Account(row["User"], row["Host"]): row for row in session.rows(USERS)}
    return {
        account: _rights(session, account, row["Password"])
        for account, row in accounts.items()
        if account != ROOT
    }


def make(session: Session, wanted: Mapping[Account, Rights], report: Report) -> None:
    """Makes these accounts what they should be, and with them those that MySQL may take in their
    place; leaves all others alone."""
    present = {Account(row["User"], row["Host"]): row for row in session.rows(USERS)}
    alike = grants.alike(wanted, sorted(present))
    for account in (wanted.keys() | alike.keys()) & present.keys():
        _refuse_another_plugin(account, present[account]["plugin"] or "")
    for account, rights in {**wanted, **alike}.items():
        row = present.get(account)
        have = _rights(session, account, row["Password"]) if row else None
        changes = grants.statements(account, rights, have)
        for statement in changes:
            session.do(statement)
        if changes:
            report.did(_said(account, rights, have))
            if grants.statements(account, rights, _rights(session, account, rights.password_hash)):
                raise refused(
                    f"privileges of {account} are not what was granted",
                    "what the settings say",
                    "name privileges as SHOW GRANTS of MySQL 5.6 does",
                )
    left = sorted(set(present) - set(wanted) - {ROOT})
    if left:
        report.note(
            "accounts that are not in the settings stay: " + ", ".join(map(str, left))
            + " (drop them with SET sql_log_bin = 0; DROP USER ... on both nodes)"
        )  # fmt: skip
    if alike:
        report.note(
            "of these have the password and the rights that the settings give the user, as clients "
            "are in their range and in a wanted one: " + ", ".join(map(str, sorted(alike)))
        )  # fmt: skip


def _refuse_another_plugin(account: Account, plugin: str) -> None:
    if plugin not in NATIVE:
        raise refused(
            f"account {account} logs in by {plugin}",
            "the password of the settings",
            "give it another name in the settings, or drop it with SET sql_log_bin = 0; DROP USER "
            "on both nodes: then it is made anew",
        )


def _rights(session: Session, account: Account, stored_hash: str) -> Rights:
    rows = session.rows("SHOW GRANTS FOR %s@%s", [account.user, account.host])
    return grants.parse((next(iter(row.values())) for row in rows), stored_hash)


def _said(account: Account, want: Rights, have: Rights | None) -> str:
    if have is None:
        return f"account {account} created"
    parts = []
    if have.password_hash != want.password_hash:
        parts.append("password")
    if have.require_ssl != want.require_ssl:
        parts.append("TLS requirement")
    if grants.spelled_out(have.places) != grants.spelled_out(want.places):
        parts.append("privileges")
    return f"account {account}: {' and '.join(parts)} changed"
