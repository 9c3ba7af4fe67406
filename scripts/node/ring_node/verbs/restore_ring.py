"""Verb `restore-ring`: this node's data is put back to a moment, or it gives way to its peer's."""

from __future__ import annotations

from typing import Any

from ..backup import place, whole
from ..backup.store import Store
from ..base.report import Report


def run(document: Any) -> Report:
    report = Report("restore-ring")
    asked, store = whole.parse(document), Store(place.read())
    if isinstance(asked, str):
        report.facts["gives_way"] = True
        report.facts["runs"] = whole.give_way(store, asked, report)
    else:
        whole.restore_ring(store, asked, report)
    return report
