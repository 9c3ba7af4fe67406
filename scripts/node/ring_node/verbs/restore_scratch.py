"""Verb `restore-scratch`: data out of the bucket on a server of its own, beside the ring's."""

from __future__ import annotations

from typing import Any

from ..backup import place, restored
from ..backup.store import Store
from ..base.report import Report


def run(document: Any = None, *, remove: str | None) -> Report:
    report = Report("restore-scratch")
    if remove is not None:
        restored.remove(remove, report)
        return report
    name, asked = restored.parse(document)
    there = restored.make(Store(place.read()), name, asked, report)
    report.facts["restored"] = there.shown()
    return report
