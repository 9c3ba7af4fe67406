"""Verb `maintain`: looks after the tables of this node's server."""

from __future__ import annotations

import time

from ..backup import maintenance, standing, turns
from ..backup.standing import Maintenance
from ..base.errors import Exit, NodeError
from ..base.report import Report

LONGEST_SECONDS = 6 * 3600


def run(*, seconds: int, wait: int) -> Report:
    report = Report("maintain")
    if not 1 <= seconds <= LONGEST_SECONDS:
        raise NodeError(
            Exit.INPUT,
            f"--seconds {seconds}",
            f"1 to {LONGEST_SECONDS}",
            "ring-node maintain --help",
        )
    turns.check_wait(wait, "maintain")
    try:
        maintenance.maintain(float(seconds), float(wait), report)
    except NodeError as error:
        if error.code is not Exit.SERVER:  # not its time: nothing is known to be wrong
            raise
        standing.write(
            Maintenance(ended=time.time(), problem=error.found, next_step=error.next_step)
        )
        raise
    standing.write(Maintenance(ended=time.time()))
    return report
