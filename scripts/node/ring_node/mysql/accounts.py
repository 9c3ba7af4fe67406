"""Accounts of a server: root's, the ones that anybody may use."""

from __future__ import annotations

from ..base import paths
from ..base.errors import NodeError, refused
from ..base.report import Report
from . import sql
from .bootstrap import password_hash
from .login import keep_root_password
from .sql import Session

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


def open_to_anyone(session: Session) -> list[str]:
    """Accounts without a name or a password, and every root but root@localhost."""
    return [row["account"] for row in session.rows(OPEN)]
