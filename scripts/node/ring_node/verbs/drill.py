"""Verb `drill`: the newest backup can be restored, and is what it was."""

from __future__ import annotations

import time
from dataclasses import asdict

from ..backup import drills, place, standing
from ..backup.store import Store
from ..base.errors import Exit, NodeError
from ..base.report import Report


def run() -> Report:
    report = Report("drill")
    try:
        done = drills.run(Store(place.read()), report)
    except NodeError as error:
        if error.code is not Exit.BUSY:  # nothing is known to be wrong
            standing.write(
                standing.Drill(ended=time.time(), problem=error.found, next_step=error.next_step)
            )
        raise
    standing.write(standing.Drill(ended=time.time(), backup=done.backup))
    report.facts["drill"] = asdict(done)
    return report
