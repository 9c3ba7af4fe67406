"""Timers of systemd. Whether systemd takes them is asked of systemd itself."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ring_node.backup import logs
from ring_node.base import paths
from ring_node.base.errors import NodeError
from ring_node.base.report import Report
from ring_node.host import systemd, timers
from ring_node.host.timers import Timer
from ring_node.verbs import schedule
from stores import PLACE

pytestmark = pytest.mark.unit

EVERY = Timer("archive", "Logs", "archive", every=150)
DAILY = Timer("backup", "A backup", "backup", calendar="*-*-* 03:15:00")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What systemd was told; no timer runs there before it is started."""
    told: list[tuple[str, ...]] = []
    monkeypatch.setattr(paths, "UNITS", tmp_path)
    monkeypatch.setattr(timers, "WANTS", tmp_path / "timers.target.wants")
    monkeypatch.setattr(systemd, "systemctl", lambda *words, **_: told.append(words))
    monkeypatch.setattr(
        systemd,
        "state",
        lambda unit: ("active" if ("restart", unit) in told else "inactive", 0),
    )
    return told


@pytest.mark.parametrize("timer", [EVERY, DAILY, *schedule.all_timers(PLACE)], ids=lambda t: t.name)
def test_systemd_understands_every_unit(timer: Timer, tmp_path: Path) -> None:
    (tmp_path / timer.unit).write_text(timers.timer_text(timer))
    text = timers.service_text(timer).replace(str(paths.CURRENT_RELEASE), "/bin")
    (tmp_path / timer.service).write_text(text.replace("/bin/ring-node", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / timer.unit), str(tmp_path / timer.service)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert str(tmp_path) not in done.stderr, done.stderr
    assert timer.unit not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


def test_systemd_says_where_a_unit_is_wrong(tmp_path: Path) -> None:
    wrong = replace(DAILY, calendar="at night")
    (tmp_path / wrong.unit).write_text(timers.timer_text(wrong))
    (tmp_path / wrong.service).write_text(timers.service_text(wrong))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / wrong.unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.unit in done.stderr


@pytest.mark.parametrize("value", ["", "daily", "Sun *-*-* 04:00:00", "*-*-* 03:15:00 UTC"])
def test_a_schedule_of_systemd_is_taken(value: str) -> None:
    timers.check_calendar("backup_schedule", value)


@pytest.mark.parametrize("value", ["at night", "*-*-* 25:00:00", "15 3 * * *", "--help"])
def test_another_one_is_refused_by_the_name_of_its_setting(value: str) -> None:
    with pytest.raises(NodeError, match="backup_schedule"):
        timers.check_calendar("backup_schedule", value)


@pytest.mark.parametrize(
    ("calendar", "hours"),
    [
        ("*-*-* 03:15:00", 24),
        ("*-*-* 03:15:00 Europe/Berlin", None),  # 25 where summer ends within those that come
        ("*-*-* 0/6:00:00", 6),
        ("Sun *-*-* 04:00:00", 7 * 24),
        ("Mon..Fri 02:00", 3 * 24),
    ],
)
def test_the_longest_time_between_two_times_of_a_calendar_is_known(
    calendar: str, hours: int | None
) -> None:
    found = timers.longest_gap(calendar)
    assert found is not None
    assert found / 3600 in ((hours,) if hours else (24, 25))


@pytest.mark.parametrize("calendar", ["2001-01-01 00:00:00", "2199-01-01 00:00:00", "at night"])
def test_a_calendar_without_two_times_has_none_between_them(calendar: str) -> None:
    assert timers.longest_gap(calendar) is None


def test_a_schedule_is_as_old_as_its_last_change(host: list[tuple[str, ...]]) -> None:
    assert timers.asked_since("backup") is None
    timers.lay([DAILY], Report("schedule"))
    unit = paths.UNITS / DAILY.unit
    os.utime(unit, (1000, 1000))
    timers.lay([replace(DAILY, again=60)], Report("schedule"))
    assert timers.asked_since("backup") == 1000
    timers.lay([replace(DAILY, calendar="daily")], Report("schedule"))
    assert (timers.asked_since("backup") or 0) > 1000
    assert host


def test_timers_run_after_they_are_laid_and_are_left_alone_when_they_are_laid_again(
    host: list[tuple[str, ...]],
) -> None:
    timers.lay([EVERY, DAILY], Report("schedule"))
    assert ("restart", EVERY.unit) in host
    assert ("restart", DAILY.unit) in host
    assert host[0] == ("daemon-reload",)
    assert (timers.WANTS / EVERY.unit).resolve() == paths.UNITS / EVERY.unit
    host_before, again = list(host), Report("schedule")
    timers.lay([EVERY, DAILY], again)
    assert host == host_before
    assert not again.changed


def test_a_changed_timer_is_started_anew_and_the_other_one_is_not(
    host: list[tuple[str, ...]],
) -> None:
    timers.lay([EVERY, DAILY], Report("schedule"))
    host_before = len(host)
    timers.lay([replace(EVERY, every=60), DAILY], Report("schedule"))
    assert host[host_before:] == [("daemon-reload",), ("restart", EVERY.unit)]


def test_a_schedule_that_was_emptied_takes_its_timer_away(host: list[tuple[str, ...]]) -> None:
    timers.lay([EVERY, DAILY], Report("schedule"))
    timers.lay([EVERY, replace(DAILY, calendar="")], Report("schedule"))
    assert ("stop", DAILY.unit) in host
    assert not (paths.UNITS / DAILY.unit).exists()
    assert not (timers.WANTS / DAILY.unit).is_symlink()
    assert not (paths.UNITS / DAILY.service).exists()
    assert (paths.UNITS / EVERY.unit).exists()


@pytest.mark.parametrize("interval", [10, 60, 300, 3600])
def test_what_is_written_is_closed_within_the_interval_and_has_time_left_to_arrive(
    interval: int,
) -> None:
    """The worst: written just after a pass that did not close its log since that was young."""
    every = interval // logs.PASSES
    opened = 0.0
    passes = [every * number for number in range(1, 20)]
    closed = next(now for now in passes if logs.due(opened, now, interval))
    assert closed - opened <= interval / logs.PASSES
    (archive,) = [each for each in schedule.all_timers(replace(PLACE, archive_interval=interval))
                  if each.name == "archive"]  # fmt: skip
    assert archive.every == every
