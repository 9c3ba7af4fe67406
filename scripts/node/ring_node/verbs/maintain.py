"""Verb `maintain`: looks after the tables of this node's server."""

from __future__ import annotations

from ..backup import maintenance, standing
from ..backup.standing import Maintenance
from ..base.clock import boottime
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
    try:
        maintenance.maintain(float(seconds), report)
    except NodeError as error:
        if error.code is not Exit.SERVER:  # not its time: nothing is known to be wrong
            raise
        standing.write(
            Maintenance(written=boottime(), problem=error.found, next_step=error.next_step)
        )
        raise
    standing.write(Maintenance(written=boottime()))
    return report
