"""Verb `maintain`: looks after the tables of this node's server."""

from __future__ import annotations

from ..backup import maintenance
from ..base.errors import Exit, NodeError
from ..base.report import Report

LONGEST_SECONDS = 6 * 3600


def run(*, seconds: int) -> Report:
    report = Report("maintain")
    if not 1 <= seconds <= LONGEST_SECONDS:
        raise NodeError(
            Exit.INPUT,
            f"--seconds {seconds}",
            f"1 to {LONGEST_SECONDS}",
            "ring-node maintain --help",
        )
    maintenance.maintain(float(seconds), report)
    return report
