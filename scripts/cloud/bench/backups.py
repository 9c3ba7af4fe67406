"""A backup of a node, against `tar`, `zstd` and `s3cmd` of its stopped data directory.

Both clocks run until the object is in the bucket. By hand the server is stopped before the clock
runs, and nothing is started, checked, or compared with what came there."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from cloud.bench import load
from cloud.bench.figures import Figure
from cloud.bench.hosts import Hosts
from cloud.bench.place import Place
from cloud.cli.errors import LabError
from cloud.cli.nodes import TOOL, Nodes

ROWS = 1 << 19
"""Of each of four tables: with InnoDB's logs and its undo, somewhat more than 1 GB of files."""
AIM = 1.3


@dataclass(frozen=True)
class Taken:
    """`seconds`: by the clock of the bench. The others are of the backup's own report; what it
    checks and sends at the same time is in both."""

    seconds: float
    bytes: int
    stored_bytes: int
    locked_seconds: float
    check_seconds: float
    upload_seconds: float


def taken(seconds: float, printed: str) -> Taken:
    """From what `backup` printed."""
    try:
        told = json.loads(printed.splitlines()[-1])["backup"]
        return Taken(
            seconds,
            told["bytes"],
            told["stored_bytes"],
            told["locked_s"],
            told["check_s"],
            told["upload_s"],
        )
    except (IndexError, KeyError, ValueError) as error:
        raise LabError(
            f"found no backup in what `backup` printed: {printed[-500:]!r}; expected its bytes and "
            "seconds; run it on the node by hand"
        ) from error


def measure(place: Place, repeat: int, say: Callable[[str], None]) -> Figure:
    """In turns, after one backup that does not count: a backup; the same by hand."""
    place.require_ring()
    hosts = Hosts(Nodes(place.lab))
    node = hosts.names[0]
    say("backup: 1 GB of data")
    load.install(hosts, node)
    for table in load.TABLE_NAMES:
        hosts.ask(node, "fill", table, str(ROWS))
    backups: list[Taken] = []
    hands: list[float] = []
    _backup(hosts, node)
    for turn in range(repeat):
        say(f"backup: turn {turn + 1} of {repeat}")
        backups.append(_backup(hosts, node))
        say(f"backup: turn {turn + 1} of {repeat}, by hand")
        hands.append(_by_hand(hosts, node))
    for table in load.TABLE_NAMES:
        hosts.ask(node, "drop", table)
    return figure(backups, hands)


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


def _backup(hosts: Hosts, node: str) -> Taken:
    begun = time.monotonic()
    printed = hosts.run(node, f"{TOOL} backup")
    return taken(time.monotonic() - begun, printed)


def _by_hand(hosts: Hosts, node: str) -> float:
    hosts.ask(node, "stop")
    try:
        return hosts.ask(node, "put_by_hand")
    finally:
        hosts.ask(node, "start")
        load.settle(hosts)
