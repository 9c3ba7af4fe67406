"""Verb `replicate`: follow the peer, catch up, be admitted, and wait until the gate is open."""

from __future__ import annotations

from typing import Any

from ..agent import service
from ..backup import whole
from ..base.report import Report
from ..ring import documents, records, replicating


def run(document: Any) -> Report:
    report = Report("replicate")
    pair, patience = documents.replicate(document)
    records.remember_peer(pair, report)
    records.write_opening(patience, report)
    service.start(report)
    replicating.run(pair, report)
    whole.ring_is_whole(report)
    return report
