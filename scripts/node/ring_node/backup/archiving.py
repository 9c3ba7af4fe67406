"""One pass of the archive on this host, and what is written down about it."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

from ..base.clock import boottime
from ..base.errors import NodeError
from ..base.report import Report
from ..mysql import binlog_file, sql
from ..ring import schema
from . import choosing, logs, standing, turning
from .logs import Own, Pass
from .place import TOP
from .standing import Archive
from .store import Store

SERVER_SECONDS = 30.0  # for a server that is starting
NOTHING_KNOWN = Archive(
    written=0.0,
    server_uuid=None,
    waiting=0,
    waiting_bytes=0,
    safe_file=None,
    safe_end=None,
    safe_time=None,
)


def run(store: Store, report: Report, *, at_once: bool = False) -> None:
    """Raises what the pass failed with, once that is written down. `at_once`: also what was written
    up to now, whether the open log is due or not."""
    before = standing.archive()
    try:
        mine, unclosed = _close(store, report, at_once)
        if before is None or before.server_uuid != mine.server_uuid:
            _tell_beginning(mine, store, report)
        done = logs.send_all(
            mine,
            store,
            report,
            lambda far: standing.write(state(mine, far, before, boottime())),
        )
    except NodeError as error:
        now = boottime()
        known = before or NOTHING_KNOWN
        standing.write(replace(known, written=now, **standing.failing(before, now, error)))
        raise
    done = replace(done, problem=done.problem or unclosed)
    standing.write(state(mine, done, before, boottime()))
    report.facts["waiting"] = len(done.waiting)
    if done.problem is not None:
        raise done.problem


def _tell_beginning(mine: Own, store: Store, report: Report) -> None:
    """A ring that begins in a bucket with backups of what was there before it: those do not lead to
    what it is, and what it logs does not belong on them."""
    if not mine.closed or store.listed(mine.prefix(store.place)):
        return
    nodes = store.folders(f"{TOP}/")
    if not any(choosing.names(store.listed(store.place.backups(node)), node) for node in nodes):
        return
    servers = choosing.uuids(store, nodes)
    with sql.own(report, seconds=SERVER_SECONDS) as session:
        origin = schema.read_origin(session) if schema.exists(session) else None
    if origin is not None and (origin.basis == "copied" or origin.peer_uuid in servers):
        return
    begun = next(filter(None, (binlog_file.begun(mine.path(each)) for each in mine.closed)), None)
    at = None if begun is None else datetime.fromtimestamp(begun, UTC)
    turning.keep(store, {"begun_by": mine.server_uuid}, servers, at)
    report.did(f"a new ring begins in bucket {store.place.bucket}: no backup from before leads on")


def state(mine: Own, done: Pass, before: Archive | None, now: float) -> Archive:
    """What is known after a pass, or in the middle of one."""
    same = before is not None and before.server_uuid == mine.server_uuid
    known = before if before is not None and same else NOTHING_KNOWN
    last = done.sent[-1] if done.sent else None
    result = replace(
        known,
        written=now,
        server_uuid=mine.server_uuid,
        waiting=len(done.waiting),
        waiting_bytes=sum(_size(mine, name) for name in done.waiting),
        safe_file=last.file if last else known.safe_file,
        safe_end=last.end_position if last else known.safe_end,
        safe_time=last.last_time if last else known.safe_time,
        problem=None,
        next_step=None,
        failing_since=None,
        expire_days=mine.expire_days,
    )
    if done.problem is not None:
        result = replace(result, **standing.failing(before, now, done.problem))
    return result


def _close(store: Store, report: Report, at_once: bool) -> tuple[Own, NodeError | None]:
    """The server's logs, after the open one was closed where that was due; why it could not be.
    What is closed already is sent all the same."""
    with sql.own(report, seconds=SERVER_SECONDS) as session:
        mine = logs.own(session, store.place)
        try:
            closed = logs.close_the_open_one(
                session, mine, store.place, time.time(), at_once=at_once
            )
        except NodeError as error:
            return mine, error
        if closed:
            report.did(f"{mine.names[-1]} closed: a new binary log was begun")
            mine = logs.own(session, store.place)
    return mine, None


def _size(mine: Own, name: str) -> int:
    try:
        return mine.path(name).stat().st_size
    except OSError:
        return 0
