"""Verb `server`: initialise, secure, start; root over the socket with a password."""

from __future__ import annotations

from typing import Any

from ..base import paths
from ..base.errors import refused
from ..base.report import Report
from ..host import room, systemd
from ..mysql import accounts, datadir, lifecycle, shows, sql, tls
from ..mysql.login import keep_root_password
from ..ring import admission, documents


def run(document: Any) -> Report:
    report = Report("server")
    password = documents.root_password(document)
    _prerequisites()
    datadir.refuse_foreign_data()
    if not datadir.initialised():
        # First: nobody else knows it, if this is killed and it changes.
        keep_root_password(password)
        with room.needed(paths.DATA.parent, "room for the data directory"):
            datadir.initialise(password)
        report.did(f"{paths.DATA} initialised and secured")
    if systemd.enable(paths.MYSQL_SERVICE):
        report.did("starts with the host")
    lifecycle.forget_once()
    if not lifecycle.running():
        lifecycle.start()
        report.did("server started")
    elif not lifecycle.greets():
        lifecycle.start()  # waits for a start that is under way
    accounts.set_root_password(password, report)
    _verify(report)
    return report


def _prerequisites() -> None:
    for path, verb in ((paths.MYSQLD, "install"), (paths.KEY, "tls"), (paths.CONFIG, "config")):
        if not path.exists():
            raise refused(f"no {path}", "it in place", f"run `ring-node {verb}` first")


def _verify(report: Report) -> None:
    with sql.own(report) as session:
        found = shows.identity(session)
        others = accounts.open_to_anyone(session)
    tls.refuse_disabled(found.have_ssl)
    if not found.version.startswith("5.6."):
        raise refused(f"version {found.version}", "MySQL 5.6", "correct mysqlArchiveUrl")
    if others:
        raise refused(
            f"accounts that anyone may use: {', '.join(others)}",
            "no anonymous account, no account without a password, no root but root@localhost",
            "drop them with `SET sql_log_bin = 0; DROP USER ...` on this server",
        )
    report.facts.update(
        version=found.version,
        server_uuid=found.uuid,
        server_id=found.server_id,
        have_ssl=found.have_ssl,
        admitted=admission.admitted(),
    )
