"""Verb `schedule`: where this node's logs and backups go, and the timers that bring them there."""

from __future__ import annotations

from typing import Any

from ..backup import born, logs, place, store
from ..backup.place import Place
from ..base import paths
from ..base.errors import refused
from ..base.fields import to_json
from ..base.report import Report
from ..host import files, packages, systemd, timers
from ..host.timers import Timer
from ..ring import records

PACKAGES = ("s3cmd", "zstd", "mydumper")
HOUR = 3600
DAY = 24 * HOUR


def run(document: Any) -> Report:
    report = Report("schedule")
    wanted = place.parse(document, "the document")
    node = records.node()
    if node is None or node.name != wanted.node:
        raise refused(
            f"this node is {node.name if node else 'not known'}, the document is of {wanted.node}",
            "the same node",
            "run `ring-node tools` with the same settings first",
        )
    for setting in ("backup_schedule", "drill_schedule", "maintenance_schedule"):
        timers.check_calendar(setting, getattr(wanted, setting))
    packages.install(PACKAGES, report)
    if files.write(paths.S3CFG, store.settings(wanted).encode(), mode=0o600):
        report.did(f"{paths.S3CFG} says where s3cmd finds S3")
    new = False
    if files.write(paths.BACKUP, to_json(wanted), mode=0o644):
        report.did(f"{paths.BACKUP} says where backups go: bucket {wanted.bucket}")
        new = True
    timers.lay(all_timers(wanted), report)
    if new and born.restored_from() is not None:
        systemd.systemctl("start", "--no-block", f"{timers.PREFIX}backup.service")
        report.did("a backup begun: there is none yet of what was restored")
    return report


def all_timers(wanted: Place) -> list[Timer]:
    return [
        Timer(
            "archive",
            "Closed binary logs of this node into the bucket",
            "archive",
            every=wanted.archive_interval // logs.PASSES,
            longest=6 * HOUR,
        ),
        Timer("purge", "Purge of binary logs of this node that may go", "purge", every=HOUR),
        Timer(
            "backup",
            "A checked copy of this node's data into the bucket",
            "backup",
            calendar=wanted.backup_schedule,
            longest=DAY,
            again=HOUR // 2,
        ),
        Timer(
            "drill",
            "The newest backup restored on scratch and compared",
            "drill",
            calendar=wanted.drill_schedule,
            longest=DAY,
        ),
        Timer(
            "maintain",
            "Check of this node's tables, and a rebuild of those that gain",
            "maintain",
            calendar=wanted.maintenance_schedule,
            longest=9 * HOUR,
        ),
    ]
