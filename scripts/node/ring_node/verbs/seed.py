"""Verb `seed`: decide where this node's data comes from, and fetch it."""

from __future__ import annotations

from typing import Any

from ..base.report import Report
from ..host import network
from ..ring import documents, records, seeding


def run(document: Any) -> Report:
    report = Report("seed")
    pair = documents.pair(document)
    network.wait_for_address(pair.node.replication_address)  # attached beside the steps before
    records.remember_peer(pair, report)
    seeding.run(pair, report)
    return report
