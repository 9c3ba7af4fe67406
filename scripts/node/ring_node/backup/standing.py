"""How the last pass of the archive, purge, backup, maintenance of tables and drill ended, for
whoever asks about this node.

What is done each few minutes or each hour is forgotten with a reboot, and its times are seconds of
the clock in base/clock.py, which no setting of the time moves. What is done each day or week is
not: its times are seconds UTC.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import NodeError
from ..host import files


@dataclass(frozen=True, kw_only=True)
class Archive:
    """`waiting`: how many closed logs are not safe in the bucket. `safe_file`, `safe_end` and
    `safe_time`: how far they are safe, in the log and in seconds UTC; None: nothing was sent since
    the host booted. `failing_since`: of the first pass in a row that failed. `expire_days`: of
    expire_logs_days, with which the server purges by itself, whatever is safe."""

    written: float
    server_uuid: str | None
    waiting: int
    waiting_bytes: int
    safe_file: str | None
    safe_end: int | None
    safe_time: int | None
    problem: str | None = None
    next_step: str | None = None
    failing_since: float | None = None
    expire_days: int = 0


@dataclass(frozen=True, kw_only=True)
class Purge:
    """`held`: the oldest log that stays, and why; `late`: beyond its time. `given_up`: the log up
    to which some went that the peer had not read; None: none, or the peer follows again.
    `percent`: of the data volume that are used."""

    written: float
    percent: float
    logs: int
    bytes: int
    held: str | None = None
    why: str | None = None
    late: bool = False
    given_up: str | None = None
    problem: str | None = None
    next_step: str | None = None
    failing_since: float | None = None


@dataclass(frozen=True, kw_only=True)
class Backup:
    """Of the last run. `ended` None: it is at work, or was cut short. `good`: the name of the last
    good one that this host took, with what its report says of it: a failure changes neither."""

    begun: float  # UTC, as all of these are
    ended: float | None = None
    good: str | None = None
    report: dict[str, Any] | None = None
    problem: str | None = None
    next_step: str | None = None


@dataclass(frozen=True, kw_only=True)
class Maintenance:
    ended: float
    problem: str | None = None
    next_step: str | None = None


@dataclass(frozen=True, kw_only=True)
class Drill:
    """`backup`: the one that it restored; None where it did not come to that."""

    ended: float
    backup: str | None = None
    problem: str | None = None
    next_step: str | None = None


State = Archive | Purge | Backup | Maintenance | Drill


def drill() -> Drill | None:
    value = _read(paths.DRILL_STATE)
    return None if value is None else Drill(**value)


def backup() -> Backup | None:
    value = _read(paths.BACKUP_STATE)
    return None if value is None else Backup(**value)


def maintenance() -> Maintenance | None:
    value = _read(paths.MAINTAIN_STATE)
    return None if value is None else Maintenance(**value)


def archive() -> Archive | None:
    value = _read(paths.ARCHIVE_STATE)
    return None if value is None else Archive(**value)


def purge() -> Purge | None:
    value = _read(paths.PURGE_STATE)
    return None if value is None else Purge(**value)


def write(state: State) -> None:
    path = next(path for path, kind in _kinds().items() if isinstance(state, kind))
    path.parent.mkdir(mode=0o755, exist_ok=True)
    files.write(path, (json.dumps(asdict(state)) + "\n").encode(), mode=0o644)


def failing(before: Archive | Purge | None, now: float, error: NodeError) -> dict[str, Any]:
    """The fields of a pass that failed, after what the one before it came to."""
    since = before.failing_since if before is not None else None
    return {
        "problem": error.found,
        "next_step": error.next_step,
        "failing_since": now if since is None else since,
    }


def _read(path: Path) -> dict[str, Any] | None:
    """None also of what another release wrote otherwise: the next pass writes it anew."""
    content = files.read_bytes(path)
    if content is None:
        return None
    value = json.loads(content)
    kind = _kinds()[path]
    return value if set(value) == set(kind.__dataclass_fields__) else None


def _kinds() -> dict[Path, type[State]]:
    return {
        paths.ARCHIVE_STATE: Archive,
        paths.PURGE_STATE: Purge,
        paths.BACKUP_STATE: Backup,
        paths.MAINTAIN_STATE: Maintenance,
        paths.DRILL_STATE: Drill,
    }
