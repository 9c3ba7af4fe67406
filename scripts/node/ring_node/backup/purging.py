"""The purge on this host: what `retention` says of its binary logs is done by the server."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from ..base import paths
from ..base.clock import boottime
from ..base.errors import NodeError
from ..base.lock import held
from ..base.report import Report
from ..base.waiting import Deadline, poll
from ..mysql import shows, snapshot, sql
from ..mysql.binlog_file import Damaged
from ..mysql.sql import Session
from ..ring import reach, records, retention
from ..ring import state as states
from ..ring.retention import Disk, Facts, Log, Need, Verdict
from . import logs, standing
from .logs import Own, There
from .place import Place
from .standing import Purge
from .store import Store, StoreError

SERVER_SECONDS = 30.0
PEER_SECONDS = 5.0
# At a full disk a peer counts as one that reads nothing when it did so for as long as this.
PATIENCE = 60.0
COPYING = "a copy of this node, or a backup, is being made"


def run(store: Store, report: Report) -> None:
    """Raises what it failed with, once that is written down."""
    before = standing.purge()
    try:
        standing.write(_run(store, report, before))
    except NodeError as error:
        now = boottime()
        known = before or Purge(written=now, percent=0.0, logs=0, bytes=0)
        percent = round(disk(store.place).percent(), 1)
        failed = standing.failing(before, now, error)
        standing.write(replace(known, written=now, percent=percent, **failed))
        raise


def critical(place: Place) -> bool:
    return disk(place).critically_full


def disk(place: Place) -> Disk:
    """Of the data volume, as `df` counts."""
    status = os.statvfs(paths.VOLUME)
    used = (status.f_blocks - status.f_bfree) * status.f_frsize
    size = used + status.f_bavail * status.f_frsize
    return Disk(used, max(size, 1), place.disk_warn, place.disk_critical)


def _run(store: Store, report: Report, before: Purge | None) -> Purge:
    with sql.own(report, seconds=SERVER_SECONDS) as session:
        mine = logs.own(session, store.place)
        needs = _needs(session, urgent=critical(store.place))
        facts = Facts(
            logs=_logs(session, mine),
            safe=frozenset(mine.closed),
            needs=needs,
            keep_seconds=store.place.keep_binlog_hours * 3600.0,
            disk=disk(store.place),
            copying=COPYING if held(paths.SNAPSHOTS / snapshot.LOCK_FILE) else None,
        )
        verdict = retention.retention(proven(facts, mine, store, report))
        if verdict.purge_to is not None:
            logs.refuse_full_disk(mine, logs.INDEX_ROOM, "no binary log is purged")
            session.do("PURGE BINARY LOGS TO %s", [verdict.purge_to])
        left = shows.show_binary_logs(session)
    gone = [log for log in verdict.goes if log.name not in left]
    if gone:
        report.did(
            f"{len(gone)} binary logs purged, {sum(log.bytes for log in gone) >> 20} MiB: "
            f"up to {gone[-1].name}"
        )
    if verdict.held is not None:
        report.note(f"{verdict.held.log.name} stays: {verdict.held.text}")
    given_up = still_given_up(verdict, needs, before)
    if verdict.given_up:
        report.note(f"logs up to {given_up} went that the peer has not read: the disk was full")
    return Purge(
        written=boottime(),
        percent=round(disk(store.place).percent(), 1),
        logs=len(left),
        bytes=sum(left.values()),
        held=verdict.held.log.name if verdict.held else None,
        why=verdict.held.text if verdict.held else None,
        late=verdict.held.late if verdict.held else False,
        given_up=given_up,
    )


def proven(facts: Facts, mine: Own, store: Store, report: Report) -> Facts:
    """Only what would go is asked for in the bucket, log by log. The rest stays in any case. What
    the bucket has wrong is sent again while it is still here."""
    wanted = [log.name for log in retention.retention(facts).goes]
    found = dict[str, There]()
    try:
        found = logs.examined(mine, store, wanted)
        for name, there in found.items():
            if there is There.DAMAGED:
                logs.send_again(mine, name, store)
                report.did(f"{name} sent again: the bucket had {there.value}")
                found[name] = There.SAFE
    except (StoreError, Damaged) as error:
        silent = error.found
    else:
        silent = None
    safe = {name for name, there in found.items() if there is There.SAFE}
    return replace(facts, safe=facts.safe - (set(wanted) - safe), silent_bucket=silent)


def still_given_up(verdict: Verdict, needs: tuple[Need, ...], before: Purge | None) -> str | None:
    """The last log that went unread, until the peer reads on from behind it."""
    if verdict.given_up:
        return verdict.given_up[-1].name
    if before is None or before.given_up is None:
        return None
    known = Log(before.given_up, 0, None)
    reads_on = all(
        not need.yields and need.place is not None and need.place.order[0] > known.number
        for need in needs
    )
    return None if reads_on else before.given_up


def _logs(session: Session, mine: Own) -> tuple[Log, ...]:
    sizes, now = shows.show_binary_logs(session), time.time()
    return tuple(Log(name, sizes[name], _closed(mine, name, now)) for name in sizes)


def _closed(mine: Own, name: str, now: float) -> float | None:
    try:
        return now - mine.path(name).stat().st_mtime
    except OSError:
        return None


def _needs(session: Session, *, urgent: bool) -> tuple[Need, ...]:
    """What the peer needs, as it says itself. `urgent`: a peer that reads nothing is asked again
    for a while."""
    found: tuple[Need, ...] = ()

    def reads() -> bool | None:
        nonlocal found
        found = _ask(session)
        return None if any(need.yields for need in found) else True

    poll(reads, Deadline(PATIENCE if urgent else 0.0), longest_pause=5.0)
    return found


def _ask(session: Session) -> tuple[Need, ...]:
    node, peer = records.node(), records.peer()
    if node is None or peer is None:
        return (Need(None, "this node has no record of its peer yet", yields=True),)
    me = states.read(session, node.name)
    try:
        login = records.credentials().peer
        with reach.peer(peer.replication_address, login, seconds=0, patience=PEER_SECONDS) as other:
            return retention.needs(me, states.read(other, peer.name), "")
    except NodeError as error:
        return retention.needs(me, None, error.found)
