"""Verb `backup`: a checked copy of this node's data in the bucket."""

from __future__ import annotations

from ..backup import place, taking
from ..backup.store import Store
from ..base.errors import Exit, NodeError
from ..base.report import Report

CHECK_SECONDS_LONGEST = 24 * 3600


def run(*, export: bool, check_seconds: int) -> Report:
    report = Report("backup")
    if not 0 <= check_seconds <= CHECK_SECONDS_LONGEST:
        raise NodeError(
            Exit.INPUT,
            f"--check-seconds {check_seconds}",
            f"0 to {CHECK_SECONDS_LONGEST}",
            "ring-node backup --help",
        )
    taking.take(Store(place.read()), float(check_seconds), export=export, report=report)
    return report
