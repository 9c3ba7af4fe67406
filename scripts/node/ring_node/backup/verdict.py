"""What is wrong with the logs and backups of this node, in the words of ring/health.py. Pure, but
for `look`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ..base import paths
from ..base.clock import boottime
from ..base.errors import NodeError
from ..base.lock import held
from ..host import timers
from ..ring.health import Disk, Problem
from . import manifest, place, standing
from .place import Place
from .standing import Archive, Backup, Drill, Maintenance, Purge

# A pass begins each half of the interval. One that takes longer says so after each log.
SLACK_SECONDS = 120.0
PURGE_LATE_SECONDS = 3 * 3600.0  # of what is done each hour
# Beyond the longest time between two backups, for the next one to be taken: a part of it, or that.
LATE_PART, LATE_SECONDS = 0.25, 2 * 3600.0
TIMER = "look at `systemctl status {unit}.timer {unit}.service` and `journalctl --unit {unit}`"


@dataclass(frozen=True)
class Facts:
    """`place` None: nobody has asked for backups yet, and nothing is judged. `broken`: why the
    record of it cannot be read. `disk`: the data volume; None: it does not answer, which is said
    elsewhere. `since`: from when on a pass is expected. `utc`: now, by the host's clock.
    `at_work`: a backup may be. `gap`: seconds that backups are apart at most, by their schedule,
    and `asked`: since when, in seconds UTC, it has been that; None: none is asked for."""

    place: Place | None
    archive: Archive | None
    purge: Purge | None
    now: float
    disk: Disk | None
    since: float = 0.0  # the boot
    broken: str | None = None
    backup: Backup | None = None
    maintenance: Maintenance | None = None
    drill: Drill | None = None
    utc: float = 0.0
    at_work: bool = False
    gap: float | None = None
    asked: float | None = None


def look(disk: Disk | None) -> Facts:
    broken = None
    try:
        where = place.found()
    except (NodeError, ValueError) as error:
        where, broken = None, error.found if isinstance(error, NodeError) else str(error)
    now = boottime()
    return Facts(
        where,
        standing.archive(),
        standing.purge(),
        now,
        disk,
        _asked(now),
        broken=broken,
        backup=standing.backup(),
        maintenance=standing.maintenance(),
        drill=standing.drill(),
        utc=time.time(),
        at_work=held(paths.UPKEEP_LOCK),
        gap=timers.longest_gap(where.backup_schedule) if where and where.backup_schedule else None,
        asked=timers.asked_since("backup"),
    )


def problems(facts: Facts) -> list[Problem]:
    if facts.broken is not None:
        return [
            Problem(
                "backups unknown",
                f"where the backups go cannot be read: {facts.broken}",
                "`pulumi up --replace` with the URN of this node's `schedule`",
            )
        ]
    if facts.place is None:
        return []
    return [
        *_archive(facts, facts.place),
        *_purge(facts),
        *_disk(facts, facts.place),
        *_backup(facts),
        *_no_backup(facts, facts.place),
        *_maintenance(facts.maintenance),
        *_drill(facts.drill),
    ]


def notes(facts: Facts) -> list[str]:
    """What failed and is tried again. When it has failed for long it is a problem."""
    if facts.place is None:
        return []
    tried = (
        ("pass of the archive", facts.archive, facts.place.archive_interval),
        ("purge of binary logs", facts.purge, PURGE_LATE_SECONDS),
    )
    return [
        f"the last {what} failed, the next one tries again: {state.problem}"
        for what, state, longest in tried
        if state is not None and state.problem and _failing_for(state, facts.now) < longest
    ]


def shown(facts: Facts) -> dict[str, Any] | None:
    """For `status`: None where nobody has asked for backups."""
    if facts.place is None:
        return None
    return {
        "bucket": facts.place.bucket,
        "archive": _shown(facts.archive, facts.now),
        "purge": _shown(facts.purge, facts.now),
        "backup": _shown_backup(facts),
        "maintenance": _shown_later(facts.maintenance, facts.utc),
        "drill": _shown_later(facts.drill, facts.utc),
    }


def _asked(now: float) -> float:
    """When the record was written; 0 if that was before the boot."""
    try:
        return max(0.0, now - (time.time() - paths.BACKUP.stat().st_mtime))
    except OSError:
        return 0.0


def _age(state: Archive | Purge | None, facts: Facts) -> float:
    return facts.now - max(state.written if state else 0.0, facts.since)


def _shown_backup(facts: Facts) -> dict[str, Any] | None:
    if facts.backup is None:
        return None
    fields = asdict(facts.backup)
    begun, ended = fields.pop("begun"), fields.pop("ended")
    good = _good_age(facts)
    fields["good_age_s"] = None if good is None else round(good)
    fields["at_work_s"] = round(facts.utc - begun) if ended is None and facts.at_work else None
    fields["age_s"] = round(facts.utc - (begun if ended is None else ended))
    return fields


def _shown_later(state: Maintenance | Drill | None, utc: float) -> dict[str, Any] | None:
    if state is None:
        return None
    fields = asdict(state)
    fields["age_s"] = round(utc - fields.pop("ended"))
    return fields


def _shown(state: Archive | Purge | None, now: float) -> dict[str, Any] | None:
    if state is None:
        return None
    fields = asdict(state)
    fields["age_s"] = round(now - fields.pop("written"))
    if fields.get("failing_since") is not None:
        fields["failing_s"] = round(now - fields.pop("failing_since"))
    else:
        fields.pop("failing_since", None)
    return fields


def _archive(facts: Facts, where: Place) -> Iterator[Problem]:
    state, longest = facts.archive, 2 * where.archive_interval + SLACK_SECONDS
    age = _age(state, facts)
    if age > longest:
        yield Problem(
            "archive silent",
            f"no pass of the archive of binary logs has run for {age:.0f} s: what was written "
            f"since is on the servers only{_safe(state)}",
            TIMER.format(unit="mysql-ring-archive"),
        )
    elif state is not None and state.problem is not None:
        failing = _failing_for(state, facts.now)
        if failing >= where.archive_interval:
            yield Problem(
                "archive fails",
                f"no pass of the archive has succeeded for {failing:.0f} s, and {state.waiting} "
                f"closed binary logs ({state.waiting_bytes >> 20} MiB) are not safe in the "
                f"bucket{_safe(state)}: {state.problem}",
                state.next_step or TIMER.format(unit="mysql-ring-archive"),
            )

    if state is not None and state.expire_days:
        yield Problem(
            "logs expire",
            f"expire_logs_days is {state.expire_days}: the server purges logs by itself, also "
            "those that are not safe in the bucket or that the peer has not read",
            "take it out of mysqlSettings, or set it to 0; keepBinlogHours says how long logs stay",
        )


def _purge(facts: Facts) -> Iterator[Problem]:
    state = facts.purge
    age = _age(state, facts)
    if age > PURGE_LATE_SECONDS:
        yield Problem(
            "purge silent",
            f"no purge of binary logs has ended for {age:.0f} s",
            TIMER.format(unit="mysql-ring-purge"),
        )
    if state is None:
        return
    if state.problem is not None and _failing_for(state, facts.now) >= PURGE_LATE_SECONDS:
        yield Problem(
            "purge fails",
            f"no purge of binary logs has succeeded for {_failing_for(state, facts.now):.0f} s: "
            f"{state.problem}",
            state.next_step or TIMER.format(unit="mysql-ring-purge"),
        )
    if state.late:
        yield Problem(
            "logs kept",
            f"{state.held} and all logs behind it stay longer than keepBinlogHours says "
            f"({state.logs} logs, {state.bytes >> 20} MiB): {state.why}",
            "see to that reason; the next purge, within the hour, does the rest",
        )
    if state.given_up is not None:
        yield Problem(
            "peer given up",
            f"the disk was critically full, and logs up to {state.given_up} went that the peer has "
            "not read (they are safe in the bucket): it cannot go on from where it stopped",
            "when the peer is back, let it copy this node: `sudo ring-node rejoin --discard` with "
            "its own name there",
        )


def _backup(facts: Facts) -> Iterator[Problem]:
    state = facts.backup
    if state is None:
        return
    good = f"the last good one is {state.good}" if state.good else "those in the bucket stay"
    if state.problem is not None:
        yield Problem(
            "backup fails",
            f"the last backup of this node failed, {good}: {state.problem}",
            state.next_step or TIMER.format(unit="mysql-ring-backup"),
        )
    elif state.ended is None and not facts.at_work:
        yield Problem(
            "backup cut short",
            f"the last backup of this node, begun {_words(facts.utc - state.begun)} ago, did not "
            f"come to its end: it was killed, or the host went down; {good}",
            "`sudo ring-node backup`, or wait for its timer; why it ended: `journalctl --unit "
            "mysql-ring-backup`",
        )


def _no_backup(facts: Facts, where: Place) -> Iterator[Problem]:
    """Whatever the reason: nothing ran, or nothing came of it."""
    if facts.gap is None or facts.asked is None:
        return
    age = _good_age(facts)
    waited = facts.utc - facts.asked
    late = facts.gap + max(facts.gap * LATE_PART, LATE_SECONDS)
    if waited <= late or (age is not None and age <= late):
        return
    last = "no good backup of this node has been taken"
    if facts.backup is not None and facts.backup.good is not None and age is not None:
        last = f"the last good backup of this node is {facts.backup.good}, {_words(age)} old"
    yield Problem(
        "no good backup",
        f"{last}; backupSchedule ({where.backup_schedule}) asks for one each {_words(facts.gap)}",
        "`sudo ring-node backup` says what is in its way; "
        + TIMER.format(unit="mysql-ring-backup"),
    )


def _good_age(facts: Facts) -> float | None:
    good = facts.backup.good if facts.backup else None
    if good is None or not manifest.is_identity(good):
        return None
    return facts.utc - manifest.moment_of(good).timestamp()


def _words(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours"


def _maintenance(state: Maintenance | None) -> Iterator[Problem]:
    if state is not None and state.problem is not None:
        yield Problem(
            "maintenance fails",
            f"the last maintenance of tables failed: {state.problem}",
            state.next_step or TIMER.format(unit="mysql-ring-maintain"),
        )


def _drill(state: Drill | None) -> Iterator[Problem]:
    if state is not None and state.problem is not None:
        which = f" of {state.backup}" if state.backup else ""
        yield Problem(
            "drill fails",
            f"the last drill{which} on this node failed: {state.problem}",
            state.next_step or TIMER.format(unit="mysql-ring-drill"),
        )


def _disk(facts: Facts, where: Place) -> Iterator[Problem]:
    if facts.disk is None or not facts.disk.size:
        return
    percent = 100.0 * (1 - facts.disk.free / facts.disk.size)
    if percent < where.disk_warn:
        return
    state = facts.purge
    held = f", the oldest is {state.held}: {state.why}" if state and state.held else ""
    of_logs = f"{state.bytes >> 20} MiB of it are binary logs{held}" if state else "see why"
    full = percent >= where.disk_critical
    yield Problem(
        "data volume critical" if full else "data volume filling",
        f"{percent:.0f} percent of the data volume are used, "
        + (
            f"diskCriticalPercent is {where.disk_critical}: logs that are safe in the bucket go "
            "before their time"
            if full
            else f"diskWarnPercent is {where.disk_warn}"
        )
        + f"; {of_logs}",
        f"make it larger ({facts.disk.setting} in the settings), or see to what keeps the logs",
    )


def _failing_for(state: Archive | Purge, now: float) -> float:
    return 0.0 if state.failing_since is None else now - state.failing_since


def _safe(state: Archive | None) -> str:
    if state is None or state.safe_file is None:
        return ""
    return f"; safe up to {state.safe_file}"
