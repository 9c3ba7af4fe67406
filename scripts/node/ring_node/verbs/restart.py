"""Verb `restart`: the server runs with the files that the steps before it laid ready.

It restarts for that where it has to.

It comes after both nodes replicate and serve: one of them serves while the other one restarts, also
when one was made anew in the same update.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import refused
from ..base.report import Report
from ..mysql import server_files
from ..ring import documents, records, renewal


def run(document: Any = None, *, though_unwell: str | None = None) -> Report:
    """By hand, with the name of this node as `though_unwell`, there is no document."""
    report = Report("restart")
    if though_unwell is not None:
        records.refuse_other_name(
            f"--though-unwell {though_unwell}",
            though_unwell,
            "its server restarts whether or not the peer serves, and its gate opens when the ring "
            "allows it",
            "look at `ring-node status` on both nodes, and say the one that is to restart",
        )
        renewal.bring_in_though_unwell(report)
        return report
    wanted = documents.server_files(document)
    _refuse_other("my_cnf", wanted, paths.CONFIG, "config")
    _refuse_other("certificate", wanted, paths.CERTIFICATE, "tls")
    renewal.bring_in(report)
    return report


def _refuse_other(name: str, wanted: dict[str, str], path: Path, verb: str) -> None:
    found = server_files.laid(path)
    if found is None or hashlib.sha256(found).hexdigest() != wanted[name]:
        raise refused(
            f"{path} is not the one of this update, nor does that wait",
            f"the file that the step `{verb}` lays ready",
            f"run that step again: `pulumi up --replace` with the URN of `{verb}` of this node",
        )
