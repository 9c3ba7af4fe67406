"""A backup of a node, against `tar`, `zstd` and `s3cmd` of its stopped data directory.

Both clocks run until the object is in the bucket. By hand the server is stopped before the clock
runs, and nothing is started, checked, or compared with what came there."""

from collections.abc import Callable, Iterator

from cloud.bench import load
from cloud.bench.figures import Figure, turns
from cloud.bench.filled import PATIENCE, Filled, Taken

AIM = 1.3
SECONDS = 180.0
"""After so many no further turn begins."""


def measure(ring: Filled, repeat: int, say: Callable[[str], None]) -> Iterator[Figure]:
    """In turns, after one backup that does not count: a backup; the same by hand."""
    backups: list[Taken] = []
    hands: list[float] = []
    say("upload: a backup that does not count")
    assert ring.first
    for turn in turns(repeat, SECONDS):
        say(f"upload: turn {turn} of {repeat}")
        backups.append(ring.backup(ring.writer))
        say(f"upload: turn {turn} of {repeat}, by hand")
        hands.append(_by_hand(ring))
    yield figure(backups, hands)


def figure(backups: list[Taken], hands: list[float]) -> Figure:
    return Figure(
        "backup",
        "a backup: snapshot, check, upload",
        "tar, zstd and s3cmd of a stopped data directory",
        [each.seconds for each in backups],
        hands,
        aim=AIM,
        extra={
            "backup_mib": max(each.bytes for each in backups) / 2**20,
            "backup_stored_mib": max(each.stored_bytes for each in backups) / 2**20,
            "backup_locked_seconds": max(each.locked_seconds for each in backups),
            "backup_check_seconds": min(each.check_seconds for each in backups),
            "backup_upload_seconds": min(each.upload_seconds for each in backups),
        },
    )


def _by_hand(ring: Filled) -> float:
    ring.hosts.ask(ring.writer, "stop")
    try:
        return ring.hosts.ask(ring.writer, "put_by_hand", seconds=PATIENCE)
    finally:
        ring.hosts.ask(ring.writer, "start")
        load.settle(ring.hosts)
