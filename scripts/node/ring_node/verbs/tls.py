"""Verb `tls`: CA, certificate and key of this node."""

from __future__ import annotations

from typing import Any

from ..base import paths
from ..base.report import Report
from ..host import files
from ..mysql import lifecycle, tls
from ..ring import documents, records, restart


def run(document: Any) -> Report:
    report = Report("tls")
    keys = documents.keys(document)
    node = records.node()
    tls.check(keys, [node.client_address, node.replication_address] if node else [])
    wanted = {
        paths.CA: (tls.lines(keys.ca), 0o644),
        paths.CERTIFICATE: (tls.lines(keys.certificate), 0o644),
        paths.KEY: (tls.lines(keys.key), 0o400),
    }
    old = {path: files.read_bytes(path) for path in wanted}

    def put() -> None:
        for path in files.write_all(wanted, owner=paths.MYSQL_USER):
            report.did(f"{path} written")

    def back() -> None:
        known = {path: (text, wanted[path][1]) for path, text in old.items() if text is not None}
        files.write_all(known, owner=paths.MYSQL_USER)

    same = all(old[path] == content for path, (content, _) in wanted.items())
    if (same and not lifecycle.restart_due()) or not lifecycle.running() or lifecycle.left_down():
        put()  # who starts the server starts it with them
    else:
        restart.in_turn(
            "new certificates",
            report,
            peer_must_be_healthy=False,
            before=put,
            after=_speaks_tls,
            undo=back,
        )
    return report


def _speaks_tls() -> None:
    from ..mysql import shows, sql

    with sql.own() as session:
        tls.refuse_disabled(shows.identity(session).have_ssl)
