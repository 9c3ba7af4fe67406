"""Verb `seed`: decide where this node's data comes from, and fetch it."""

from __future__ import annotations

from typing import Any

from ..base.report import Report
from ..ring import documents, records, seeding


def run(document: Any) -> Report:
    report = Report("seed")
    pair = documents.pair(document)
    records.remember_peer(pair, report)
    seeding.run(pair, report)
    return report
