"""Verb `accounts`: databases, the ring's schema, accounts.

Of it only a database on a node that has joined enters the binary log: the peer must have it before
the first table in it, and may get that before its own `accounts` runs.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from ..base import paths
from ..base.report import Report
from ..mysql import accounts, sql
from ..mysql.sql import Session
from ..ring import admission, content, documents, follow, privileges, records, schema
from ..ring.documents import Accounts


def run(document: Any) -> Report:
    report = Report("accounts")
    wanted = documents.accounts(document)
    with sql.own(report) as session:
        with nullcontext() if admission.admitted() else session.unlogged():
            _databases(session, wanted, report)
        with session.unlogged():
            _ring_schema(session, report)
            accounts.make(session, privileges.wanted(wanted), report)
    kept = records.Credentials(wanted.replication, wanted.peer, wanted.peer_address)
    if records.write_credentials(kept, wanted.heartbeat):
        report.did(f"credentials of the ring's accounts in {paths.ETC}")
    follow.tell_password(wanted.replication, report)
    return report


def _databases(session: Session, wanted: Accounts, report: Report) -> None:
    present = content.databases(session)
    for database in wanted.databases:
        if database not in present:
            session.do(f"CREATE DATABASE IF NOT EXISTS {sql.name(database)}")
            report.did(f"database {database}")
    left = sorted(set(present) - set(wanted.databases))
    if left:
        report.note(f"databases that are not in the settings stay: {', '.join(left)}")


def _ring_schema(session: Session, report: Report) -> None:
    if not schema.exists(session):
        for statement in schema.CREATE:
            session.do(statement)
        report.did(f"schema {schema.SCHEMA}")
