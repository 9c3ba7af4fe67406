"""Verb `archive`: every closed binary log of this server is safe in the bucket."""

from __future__ import annotations

from ..backup import archiving, place, purging
from ..backup.store import Store
from ..base import paths
from ..base.lock import try_lock
from ..base.report import Report


def run() -> Report:
    report = Report("archive")
    store = Store(place.read())
    with try_lock(paths.ARCHIVE_LOCK) as mine:
        if not mine:
            report.note("another pass, or a purge, is at work")
            return report
        archiving.run(store, report)
        if purging.critical(store.place):  # it cannot wait for the hour
            purging.run(store, report)
    return report
