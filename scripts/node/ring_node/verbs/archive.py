"""Verb `archive`: every closed binary log of this server is safe in the bucket."""

from __future__ import annotations

from ..backup import archiving, place, purging
from ..backup.store import Store
from ..base import paths
from ..base.errors import NodeError
from ..base.lock import try_lock
from ..base.report import Report

LOCK_SECONDS = 60.0  # for a purge, which the host's timers may begin at the same moment


def run() -> Report:
    report = Report("archive")
    store = Store(place.read())
    with try_lock(paths.ARCHIVE_LOCK, LOCK_SECONDS) as mine:
        if not mine:
            report.note("another pass, or a purge, is at work")
            return report
        problem = None
        try:
            archiving.run(store, report)
        except NodeError as error:
            problem = error
        if purging.critical(store.place):  # it cannot wait for the hour, nor for a pass without one
            purging.run(store, report)
        if problem is not None:
            raise problem
    return report
