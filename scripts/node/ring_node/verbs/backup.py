"""Verb `backup`: a checked copy of this node's data in the bucket."""

from __future__ import annotations

from dataclasses import replace

from ..backup import place, standing, taking
from ..backup.standing import Backup
from ..backup.store import Store
from ..base import paths
from ..base.clock import boottime
from ..base.errors import Exit, NodeError
from ..base.lock import try_lock
from ..base.report import Report
from ..host import room

CHECK_SECONDS_LONGEST = 24 * 3600
LOCK_SECONDS = 2.0  # `status` has it for a moment, as it asks whether it is held


def run(*, export: bool, check_seconds: int) -> Report:
    report = Report("backup")
    if not 0 <= check_seconds <= CHECK_SECONDS_LONGEST:
        raise NodeError(
            Exit.INPUT,
            f"--check-seconds {check_seconds}",
            f"0 to {CHECK_SECONDS_LONGEST}",
            "ring-node backup --help",
        )
    former = standing.backup() or Backup(written=boottime())
    with try_lock(paths.BACKUP_LOCK, LOCK_SECONDS):  # another one at work has it otherwise
        standing.write(replace(former, begun=boottime()))
        try:
            with room.needed(paths.VOLUME, "room for a backup"):
                made = taking.take(
                    Store(place.read()), float(check_seconds), export=export, report=report
                )
        except NodeError as error:
            standing.write(
                Backup(
                    written=boottime(),
                    good=former.good,
                    problem=error.found,
                    next_step=error.next_step,
                )
            )
            raise
        standing.write(
            Backup(written=boottime(), good=made.identity, report=report.facts["backup"])
        )
    return report
