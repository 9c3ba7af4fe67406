"""Where a ring's binary logs and backups are kept, and when each is made: one record on the host,
which verb `schedule` writes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ..base import paths
from ..base.errors import refused, wrong_input
from ..base.fields import NAME, Fields
from ..host import files

TOP = "mysql"  # all that a ring keeps is below it
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
SHORTEST_INTERVAL, LONGEST_INTERVAL = 10, 86400  # seconds
KEPT_LONGEST_HOURS = 24 * 366


@dataclass(frozen=True)
class Place:
    """The settings of a ring's stack that its nodes need for their backups. A schedule is one of
    systemd's calendar (systemd.time(7)); an empty one is for what is not to be done."""

    bucket: str
    region: str
    stack: str
    ring: str
    node: str  # this one
    archive_interval: int  # seconds after which a written log is closed and in the bucket
    backup_schedule: str
    drill_schedule: str
    maintenance_schedule: str
    keep_binlog_hours: int  # a log stays on its server at least that long
    disk_warn: int  # percent of the data volume that are used
    disk_critical: int

    def logs(self, node: str = "") -> str:
        """Where the logs of every server of a node are, of this one or another. Ends with a slash,
        as the others do. The bucket keeps logs and backups for times of their own, so the uuid of a
        server comes behind what is kept."""
        return f"{TOP}/{node or self.node}/logs/"

    def server(self, server_uuid: str, node: str = "") -> str:
        """Where the logs of one server are."""
        return f"{self.logs(node)}{server_uuid}/"

    def backups(self, node: str = "") -> str:
        """Where a node's backups are."""
        return f"{TOP}/{node or self.node}/backups/"


def parse(value: Any, where: str) -> Place:
    """Checked field by field; raises NodeError."""
    fields = Fields(value, where)
    result = Place(
        bucket=fields.matching("bucket", BUCKET, "the name of a bucket"),
        region=fields.matching("region", REGION, "a region of AWS"),
        stack=fields.text("stack"),
        ring=fields.matching("ring", NAME, "a ring's name"),
        node=fields.matching("node", NAME, "a node's name"),
        archive_interval=fields.number("archive_interval", SHORTEST_INTERVAL, LONGEST_INTERVAL),
        backup_schedule=_schedule(fields, "backup_schedule"),
        drill_schedule=_schedule(fields, "drill_schedule"),
        maintenance_schedule=_schedule(fields, "maintenance_schedule"),
        keep_binlog_hours=fields.number("keep_binlog_hours", 0, KEPT_LONGEST_HOURS),
        disk_warn=fields.number("disk_warn", 1, 99),
        disk_critical=fields.number("disk_critical", 1, 99),
    )
    fields.end()
    if result.disk_warn >= result.disk_critical:
        raise wrong_input(
            f"{where}.disk_warn is {result.disk_warn}, disk_critical {result.disk_critical}",
            "the warning at less than what is critical",
        )
    return result


def found() -> Place | None:
    """None: no backups were asked for on this host yet."""
    content = files.read_bytes(paths.BACKUP)
    return None if content is None else parse(json.loads(content), str(paths.BACKUP))


def read() -> Place:
    place = found()
    if place is None:
        raise refused(
            f"no {paths.BACKUP}", "where the backups go", "run `pulumi up`: its steps write it"
        )
    return place


def _schedule(fields: Fields, name: str) -> str:
    value = fields.any(name)
    if not isinstance(value, str) or any(each in value for each in "\n\r%"):
        raise wrong_input(f"{fields.where}.{name} is {value!r}", "one line of systemd's calendar")
    return value.strip()
