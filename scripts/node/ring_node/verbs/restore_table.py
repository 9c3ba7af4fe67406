"""Verb `restore-table`: a table of the past beside the present one."""

from __future__ import annotations

from typing import Any

from ..backup import place, tables
from ..backup.store import Store
from ..base.report import Report


def run(document: Any) -> Report:
    report = Report("restore-table")
    tables.restore_one(Store(place.read()), tables.parse(document), report)
    return report
