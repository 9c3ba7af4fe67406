"""Verb `purge`: the server purges the binary logs that may go."""

from __future__ import annotations

from ..backup import images, place, purging, restore
from ..backup.store import Store
from ..base import paths
from ..base.errors import Exit, NodeError
from ..base.lock import try_lock
from ..base.report import Report

LOCK_SECONDS = 900.0  # a pass of the archive with much to send takes its time


def run() -> Report:
    report = Report("purge")
    images.sweep()
    restore.sweep()
    store = Store(place.read())
    with try_lock(paths.ARCHIVE_LOCK, LOCK_SECONDS) as mine:
        if not mine:
            raise NodeError(
                Exit.BUSY,
                "a pass of the archive is at work",
                f"its end within {LOCK_SECONDS:.0f} s",
                "none: the timer runs this again",
            )
        purging.run(store, report)
    return report
