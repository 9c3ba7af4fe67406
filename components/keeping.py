"""What the settings of archive, backups, bucket and what is restored from them must keep to."""

import ipaddress
import re
from datetime import datetime

from components.problems import Found, Problem
from components.schedules import is_calendar_event
from components.settings import LATEST, NOTHING, RingArgs, camel

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
MOMENT = "%Y-%m-%dT%H:%M:%SZ"
A_MOMENT = f'{LATEST}, or a time in UTC to the second, in quotes in YAML: "2026-11-26T03:15:00Z"'
# Pulumi's own names of stacks.
STACK_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
RING_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
MOST_DAYS = 3650
# The least and the most of each. What is kept for one day goes at the midnight after, in UTC: with
# a backup a day there would be moments without one
# (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html).
BOUNDS = {
    "keep_backups_days": (2, MOST_DAYS),
    "keep_logs_days": (2, MOST_DAYS),
    "keep_versions_days": (1, MOST_DAYS),
    "archive_interval_seconds": (10, 24 * 60 * 60),
    "keep_binlog_hours": (0, 24 * 366),
    "disk_warn_percent": (1, 98),
    "disk_critical_percent": (2, 99),
}
# What the program does to a bucket of its own, and to no other.
OF_ITS_OWN = ("keep_backups_days", "keep_logs_days", "keep_versions_days")
AN_EVENT = (
    "a calendar event of systemd, such as *-*-* 03:15:00 or Sun 04:30 (`systemd-analyze calendar`)"
)


def bucket_name_is_legal(name: str) -> bool:
    """Whether S3 has buckets of such a name."""
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return (
            BUCKET_NAME.fullmatch(name) is not None
            and ".." not in name
            and not name.startswith(RESERVED_PREFIXES)
            and not name.endswith(RESERVED_SUFFIXES)
        )
    return False


def bucket(settings: RingArgs) -> Found:
    """An existing bucket, of which nothing is deleted or changed."""
    name = settings.bucket_name
    if not name:
        return
    if not bucket_name_is_legal(name):
        expected = "3 to 63 of a-z, 0-9, dots and hyphens, as S3 names buckets; or nothing"
        yield Problem("bucketName", repr(name), expected)
    if settings.destroy_bucket_contents is True:
        expected = "false: the program deletes nothing in the bucket that bucketName names"
        yield Problem("destroyBucketContents", "true", expected, compared="bucketName")
    for field in OF_ITS_OWN:
        value = getattr(settings, field)
        if value != getattr(RingArgs, field):
            expected = "its default: what the bucket that bucketName names keeps is set there"
            yield Problem(camel(field), str(value), expected, compared="bucketName")


def bounds(settings: RingArgs) -> Found:
    for field, (least, most) in BOUNDS.items():
        value = getattr(settings, field)
        if not least <= value <= most:
            yield Problem(camel(field), str(value), f"{least} to {most}")
    if settings.disk_warn_percent >= settings.disk_critical_percent:
        yield Problem(
            "diskWarnPercent",
            str(settings.disk_warn_percent),
            f"less than diskCriticalPercent {settings.disk_critical_percent}",
            compared="diskCriticalPercent",
        )


def schedules(settings: RingArgs) -> Found:
    if not is_calendar_event(settings.backup_schedule):
        yield Problem("backupSchedule", repr(settings.backup_schedule), AN_EVENT)
    for field in ("drill_schedule", "maintenance_schedule"):
        text = getattr(settings, field)
        if text and not is_calendar_event(text):
            yield Problem(camel(field), repr(text), f"{AN_EVENT}; empty for never")


def is_moment(text: str) -> bool:
    try:
        return datetime.strptime(text, MOMENT).strftime(MOMENT) == text
    except ValueError:
        return False


def restore_from(settings: RingArgs) -> Found:
    """Of what a ring without data begins."""
    given = settings.restore_from
    if given is None:
        return
    if given.moment == NOTHING:
        for field in ("bucket", "region", "stack", "ring"):
            if value := getattr(given, field):
                expected = f"none beside the moment {NOTHING}, with which nothing is restored"
                yield Problem(f"restoreFrom.{field}", repr(value), expected)
        return
    if given.moment != LATEST and not is_moment(given.moment):
        yield Problem("restoreFrom.moment", repr(given.moment), A_MOMENT)
    if not bucket_name_is_legal(given.bucket):
        expected = "the name of the bucket that has the backups: 3 to 63 of a-z, 0-9, dots, hyphens"
        yield Problem("restoreFrom.bucket", repr(given.bucket), expected)
    for field, pattern, expected in (
        ("region", REGION, "a region of AWS such as eu-central-1; or nothing, for the ring's own"),
        ("stack", STACK_NAME, "the name of the stack that made them; or nothing, for this one"),
        ("ring", RING_NAME, "the name of the ring that made them; or nothing, for this one's"),
    ):
        value = getattr(given, field)
        if value and not pattern.fullmatch(value):
            yield Problem(f"restoreFrom.{field}", repr(value), expected)
