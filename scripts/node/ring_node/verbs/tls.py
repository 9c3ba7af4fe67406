"""Verb `tls`: CA, certificate and key of this node. A server that runs gets them with its restart.

With another CA that is now, and where the certificate in use is not valid any more, as when it has
expired: neither node trusts the other until both have it, and without that the steps that follow
lead nowhere. A my.cnf that waits is not tried then: if the server does not start with it, a later
step replaces it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import NodeError
from ..base.report import Report
from ..mysql import server_files, tls
from ..mysql.tls import Keys
from ..ring import documents, records, renewal


def run(document: Any) -> Report:
    report = Report("tls")
    keys = documents.keys(document)
    node = records.node()
    addresses = [node.client_address, node.replication_address] if node else []
    tls.check(keys, addresses)
    wanted = {
        paths.CA: tls.lines(keys.ca),
        paths.CERTIFICATE: tls.lines(keys.certificate),
        paths.KEY: tls.lines(keys.key),
    }
    used = {path: server_files.read_by_server(path) or b"" for path in wanted}
    another_ca = used[paths.CA] != wanted[paths.CA]
    runs = renewal.lay(wanted, report)
    if runs and used != wanted and (another_ca or not _valid(used, addresses)):
        renewal.bring_in(report, wanted)
    return report


def _valid(used: Mapping[Path, bytes], addresses: Sequence[str]) -> bool:
    """Whether the other node takes what the server runs with."""
    texts = (
        used[path].decode(errors="replace") for path in (paths.CA, paths.CERTIFICATE, paths.KEY)
    )
    try:
        tls.check(Keys(*texts), addresses)
    except NodeError:
        return False
    return True
