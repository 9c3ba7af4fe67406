"""Verb `tls`: CA, certificate and key of this node. A server that runs gets them with its restart.

With another CA that is now. Neither node trusts the other until both have it, and without that the
steps that follow lead nowhere. A my.cnf that waits is not tried then: if the server does not start
with it, a later step replaces it.
"""

from __future__ import annotations

from typing import Any

from ..base import paths
from ..base.report import Report
from ..mysql import server_files, tls
from ..ring import documents, records, renewal


def run(document: Any) -> Report:
    report = Report("tls")
    keys = documents.keys(document)
    node = records.node()
    tls.check(keys, [node.client_address, node.replication_address] if node else [])
    wanted = {
        paths.CA: tls.lines(keys.ca),
        paths.CERTIFICATE: tls.lines(keys.certificate),
        paths.KEY: tls.lines(keys.key),
    }
    trusted = server_files.read_by_server(paths.CA)
    if renewal.lay(wanted, report) and trusted != wanted[paths.CA]:
        renewal.bring_in(report, wanted)
    return report
