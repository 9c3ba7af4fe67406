"""Verb `replicate`: follow the peer, catch up, lift the fence, beat."""

from __future__ import annotations

from typing import Any

from ..agent import service
from ..base.report import Report
from ..ring import documents, records, replicating


def run(document: Any) -> Report:
    report = Report("replicate")
    pair = documents.pair(document)
    records.remember_peer(pair, report)
    replicating.run(pair, report)
    records.write_joined(pair.peer)  # without it the heartbeat's service does not start
    service.start(report)
    return report
