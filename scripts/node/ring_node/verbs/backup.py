"""Verb `backup`: a checked copy of this node's data in the bucket."""

from __future__ import annotations

from ..backup import place, standing, taking
from ..backup.standing import Backup
from ..backup.store import Store
from ..base import paths
from ..base.clock import boottime
from ..base.errors import Exit, NodeError
from ..base.report import Report
from ..host import room

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
    former = standing.backup()
    good = former.good if former else None
    try:
        with room.needed(paths.VOLUME, "room for a backup"):
            made = taking.take(
                Store(place.read()), float(check_seconds), export=export, report=report
            )
    except NodeError as error:
        standing.write(
            Backup(written=boottime(), good=good, problem=error.found, next_step=error.next_step)
        )
        raise
    standing.write(Backup(written=boottime(), good=made.identity, report=report.facts["backup"]))
    return report
