"""Verb `backup`: a checked copy of this node's data in the bucket."""

from __future__ import annotations

import time
from dataclasses import replace

from ..backup import images, place, standing, taking, turns
from ..backup.standing import Backup
from ..backup.store import Store
from ..base import paths
from ..base.errors import Exit, NodeError
from ..base.report import Report
from ..host import room

CHECK_SECONDS_LONGEST = 24 * 3600


def run(*, export: bool, check_seconds: int, wait: int) -> Report:
    report = Report("backup")
    if not 0 <= check_seconds <= CHECK_SECONDS_LONGEST:
        raise NodeError(
            Exit.INPUT,
            f"--check-seconds {check_seconds}",
            f"0 to {CHECK_SECONDS_LONGEST}",
            "ring-node backup --help",
        )
    turns.check_wait(wait, "backup")
    store = Store(place.read())
    with images.alone(wait):
        former = standing.backup() or Backup(begun=0)
        begun = Backup(begun=time.time(), good=former.good, report=former.report)
        standing.write(begun)
        try:
            with room.needed(paths.VOLUME, "room for a backup"):
                made = taking.take(
                    store, float(check_seconds), wait=float(wait), export=export, report=report
                )
        except NodeError as error:
            failed = replace(begun, problem=error.found, next_step=error.next_step)
            standing.write(replace(failed, ended=time.time()))
            raise
        standing.write(
            replace(begun, ended=time.time(), good=made.identity, report=report.facts["backup"])
        )
    return report
