"""Verb `archive`: every closed binary log of this server is safe in the bucket."""

from __future__ import annotations

from ..backup import archiving, place, purging
from ..backup.store import Store
from ..base import paths
from ..base.errors import Exit, NodeError
from ..base.lock import try_lock
from ..base.report import Report

LOCK_SECONDS = 60.0  # for a purge, which the host's timers may begin at the same moment


NOW_SECONDS = 300.0  # for a pass with much to send


def run(*, now: bool) -> Report:
    report = Report("archive")
    store = Store(place.read())
    with try_lock(paths.ARCHIVE_LOCK, NOW_SECONDS if now else LOCK_SECONDS) as mine:
        if not mine and now:
            raise NodeError(
                Exit.BUSY,
                "another pass of the archive, or a purge, is at work",
                f"its end within {NOW_SECONDS:.0f} s",
                "run this again",
            )
        if not mine:
            report.note("another pass, or a purge, is at work")
            return report
        failed = None
        try:
            archiving.run(store, report, at_once=now)
        except NodeError as error:  # without room no log is closed: that is what a purge is for
            failed = error
        if purging.critical(store.place):  # it cannot wait for the hour
            purging.run(store, report)
        if failed is not None:
            raise failed
    return report
