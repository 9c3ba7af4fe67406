"""What is wrong with the logs and backups of a node."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC as ZONE
from datetime import datetime
from typing import Any

import pytest
from ring_node.backup import verdict
from ring_node.backup.standing import Archive, Backup, Maintenance, Purge
from ring_node.backup.verdict import Facts
from ring_node.ring.health import Disk
from stores import PLACE

pytestmark = pytest.mark.unit

NOW = 100_000.0
MIB = 1 << 20
ARCHIVE = Archive(
    written=NOW - 100,
    server_uuid="a-uuid",
    waiting=0,
    waiting_bytes=0,
    safe_file="bin.000011",
    safe_end=4711,
    safe_time=1_764_126_000,
)
PURGE = Purge(
    written=NOW - 1800, percent=40.0, logs=30, bytes=3 * MIB, held="bin.000002", why="it is young"
)
DAY = 86_400.0
GOOD = "20261126T031500Z"
UTC = datetime(2026, 11, 26, 12, 0, tzinfo=ZONE).timestamp()
WELL = Facts(
    PLACE,
    ARCHIVE,
    PURGE,
    NOW,
    Disk("/srv/mysql-ring", 600, 1000, "dataVolumeGib"),
    utc=UTC,
    gap=DAY,
    asked=UTC - 60,
)
FAILED: dict[str, Any] = {"problem": "the server is away", "next_step": "see to it"}
FAILING: dict[str, Any] = {"problem": "S3 is away", "next_step": "see S3", "waiting": 3}


def facts(**changes: Any) -> Facts:
    return replace(WELL, **changes)


def archive(**changes: Any) -> Facts:
    return facts(archive=replace(ARCHIVE, **changes))


def purge(**changes: Any) -> Facts:
    return facts(purge=replace(PURGE, **changes))


def used(percent: int) -> Facts:
    return facts(disk=Disk("/srv/mysql-ring", 1000 - percent * 10, 1000, "dataVolumeGib"))


@pytest.mark.parametrize(
    "of",
    [
        WELL,
        Facts(None, None, None, NOW, None),
        # the host has booted, or backups were asked for, just now
        facts(archive=None, purge=None, now=700.0),
        facts(archive=None, purge=None, since=NOW - 30),
        archive(written=NOW - 700),
        archive(failing_since=NOW - 299, **FAILING),
        purge(written=NOW - 10_000),
        purge(failing_since=NOW - 10_799, **FAILED),
        used(79),
        facts(disk=None),
    ],
)
def test_nothing_is_wrong(of: Facts) -> None:
    assert verdict.problems(of) == []


@pytest.mark.parametrize(
    ("of", "cases", "word"),
    [
        (facts(broken="it is not JSON"), ["backups unknown"], "it is not JSON"),
        (facts(archive=None, now=721.0, purge=None), ["archive silent"], "721 s"),
        (archive(written=NOW - 721), ["archive silent"], "safe up to bin.000011"),
        (archive(failing_since=NOW - 300, **FAILING), ["archive fails"], "S3 is away"),
        (archive(failing_since=NOW - 900, **FAILING), ["archive fails"], "3 closed binary logs"),
        (archive(expire_days=14), ["logs expire"], "expire_logs_days is 14"),
        (facts(purge=None), ["purge silent"], "100000 s"),
        (purge(written=NOW - 10_801), ["purge silent"], "10801 s"),
        (purge(failing_since=NOW - 10_800, **FAILED), ["purge fails"], "server is away"),
        (purge(late=True, why="node-2 cannot be asked"), ["logs kept"], "node-2 cannot be asked"),
        (purge(given_up="bin.000004"), ["peer given up"], "bin.000004"),
        (used(80), ["data volume filling"], "diskWarnPercent is 80"),
        (used(91), ["data volume filling"], "the oldest is bin.000002: it is young"),
        (used(92), ["data volume critical"], "diskCriticalPercent is 92"),
        (
            replace(used(95), purge=replace(PURGE, given_up="bin.000004", late=True)),
            ["logs kept", "peer given up", "data volume critical"],
            "3 MiB of it are binary logs",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_reason_and_a_next_step(
    of: Facts, cases: list[str], word: str
) -> None:
    found = verdict.problems(of)
    assert [each.case for each in found] == cases
    assert any(word in each.text for each in found)
    assert all(each.next_step for each in found)


def test_a_pass_that_failed_once_is_a_note_until_it_has_failed_for_an_interval() -> None:
    young = archive(failing_since=NOW - 100, **FAILING)
    assert any("S3 is away" in note for note in verdict.notes(young))
    assert verdict.notes(archive(failing_since=NOW - 900, **FAILING)) == []
    assert verdict.notes(WELL) == []
    purged = purge(failing_since=NOW - 100, **FAILED)
    assert any("the server is away" in note for note in verdict.notes(purged))


def test_status_shows_ages_and_no_clock_of_the_host() -> None:
    shown = verdict.shown(archive(failing_since=NOW - 200, **FAILING))
    assert shown is not None
    assert shown["archive"]["age_s"] == 100
    assert shown["archive"]["failing_s"] == 200
    assert shown["purge"]["age_s"] == 1800
    assert "written" not in shown["archive"]
    assert verdict.shown(facts(place=None)) is None


BROKEN = "`app`.`t`: Corrupt"


@pytest.mark.parametrize(
    ("of", "case", "said"),
    [
        (
            facts(backup=Backup(begun=UTC - 60, ended=UTC, problem=BROKEN)),
            "backup fails",
            "in the bucket stay",
        ),
        (
            facts(backup=Backup(begun=UTC, ended=UTC, good=GOOD, problem=BROKEN)),
            "backup fails",
            f"the last good one is {GOOD}",
        ),
        (
            facts(maintenance=Maintenance(ended=UTC, problem=BROKEN)),
            "maintenance fails",
            BROKEN,
        ),
    ],
)
def test_a_backup_or_maintenance_that_failed_is_a_problem(of: Facts, case: str, said: str) -> None:
    (found,) = verdict.problems(of)
    assert found.case == case
    assert said in found.text
    assert BROKEN in found.text


def test_a_backup_and_a_maintenance_that_ended_well_are_none() -> None:
    good = Backup(begun=UTC - 90, ended=UTC - 60, good=GOOD, report={"bytes": 5})
    of = facts(backup=good, maintenance=Maintenance(ended=UTC))
    assert verdict.problems(of) == []
    shown = verdict.shown(of)
    assert shown is not None
    assert shown["backup"]["report"] == {"bytes": 5}
    assert shown["backup"]["age_s"] == 60
    assert shown["backup"]["good_age_s"] == 8.75 * 3600
    assert shown["backup"]["at_work_s"] is None


def backup(at: str | None = GOOD, **changes: Any) -> Backup:
    return replace(Backup(begun=UTC - 90, ended=UTC - 60, good=at), **changes)


LATE = 30 * 3600.0  # of a backup each day: a quarter of it beyond


@pytest.mark.parametrize(
    ("of", "cases"),
    [
        # none yet, and the schedule is younger than what it asks for
        (facts(backup=None, asked=UTC - LATE), []),
        (facts(backup=None, asked=UTC - LATE - 1), ["no good backup"]),
        # nobody asks
        (facts(backup=None, asked=None), []),
        (facts(backup=None, gap=None, asked=UTC - 9 * DAY), []),
        # the last good one is from the 25th, 06:00:00 and a second earlier
        (facts(backup=backup("20261125T060000Z"), asked=UTC - 9 * DAY), []),
        (facts(backup=backup("20261125T055959Z"), asked=UTC - 9 * DAY), ["no good backup"]),
        (facts(backup=backup("20261125T055959Z"), asked=UTC - DAY), []),
        (facts(backup=backup(None), asked=UTC - 9 * DAY), ["no good backup"]),
        (
            facts(backup=backup("20261120T031500Z", problem=BROKEN), asked=UTC - 9 * DAY),
            ["backup fails", "no good backup"],
        ),
        # each hour: two hours beyond
        (facts(backup=backup("20261126T090000Z"), gap=3600, asked=UTC - DAY), []),
        (facts(backup=backup("20261126T085959Z"), gap=3600, asked=UTC - DAY), ["no good backup"]),
        (facts(backup=backup(ended=None)), ["backup cut short"]),
        (facts(backup=backup(ended=None), at_work=True), []),
    ],
)
def test_no_good_backup_for_longer_than_its_schedule_says_is_a_problem(
    of: Facts, cases: list[str]
) -> None:
    found = verdict.problems(of)
    assert [each.case for each in found] == cases
    assert all(each.next_step for each in found)


def test_a_backup_that_is_at_work_says_for_how_long() -> None:
    shown = verdict.shown(facts(backup=backup(ended=None), at_work=True))
    assert shown is not None
    assert (shown["backup"]["at_work_s"], shown["backup"]["good"]) == (90, GOOD)
