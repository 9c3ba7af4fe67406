"""Timers of systemd, each with the service that it starts: one verb of this tool."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from ..base import paths
from ..base.errors import Exit, NodeError, wrong_input
from ..base.report import Report
from . import files, systemd
from .programs import attempt

PREFIX = "mysql-ring-"
WANTS = paths.UNITS / "timers.target.wants"
FIRST_SECONDS = 20  # after the boot, or after the timer was started
TRIES = 6  # after failures, within twice as many pauses
# What no other try mends: what a person asked for, and what the server says.
LASTING = (Exit.INPUT, Exit.REFUSED, Exit.SERVER)
COMING = 60  # times of a calendar that are looked at
TIME = re.compile(r"(?:Next elapse|Iter\. #\d+): \S+ (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC")


@dataclass(frozen=True)
class Timer:
    """`verb`: what the service runs, with its options. One of the two says when: `every`, seconds
    after the last run began, or `calendar`, an event of systemd's calendar. One that was missed
    because the host was down is made good when it is up again, as the calendar has it."""

    name: str
    description: str
    verb: str
    every: int = 0
    calendar: str = ""
    longest: int = 3600  # seconds; what runs for longer is ended
    again: int = 0  # seconds after a failure that may pass; 0: not before the next time

    @property
    def unit(self) -> str:
        return f"{PREFIX}{self.name}.timer"

    @property
    def service(self) -> str:
        return f"{PREFIX}{self.name}.service"

    @property
    def wanted(self) -> bool:
        return bool(self.every or self.calendar)


def timer_text(timer: Timer) -> str:
    if timer.calendar:
        when = f"OnCalendar={timer.calendar}\nPersistent=yes\nAccuracySec=1min\n"
    else:
        when = f"OnActiveSec={FIRST_SECONDS}\nOnUnitActiveSec={timer.every}\nAccuracySec=1s\n"
    return (
        "# Written by ring-node.\n[Unit]\n"
        f"Description={timer.description}: when\n\n"
        f"[Timer]\n{when}\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def service_text(timer: Timer) -> str:
    limit = again = ""
    if timer.again:
        limit = f"StartLimitIntervalSec={2 * timer.again * TRIES}\nStartLimitBurst={TRIES}\n"
        codes = " ".join(str(int(code)) for code in LASTING)
        again = f"Restart=on-failure\nRestartSec={timer.again}\nRestartPreventExitStatus={codes}\n"
    return (
        "# Written by ring-node.\n[Unit]\n"
        f"Description={timer.description}\n"
        "Wants=network-online.target\nAfter=network-online.target\n"
        f"{limit}\n"
        "[Service]\nType=oneshot\n"
        f"ExecStart={paths.CURRENT_RELEASE}/ring-node {timer.verb}\n"
        f"TimeoutStartSec={timer.longest}\n"
        f"{again}"
        "Nice=10\nIOSchedulingClass=best-effort\nIOSchedulingPriority=7\n"
        "NoNewPrivileges=yes\nProtectHome=read-only\nPrivateTmp=yes\n"
    )


def check_calendar(setting: str, value: str) -> None:
    """Raises NodeError unless systemd understands it. An empty one is never."""
    if not value:
        return
    status, output, problems = attempt(
        ["systemd-analyze", "calendar", "--", value],
        seconds=30,
        next_step="see that systemd-analyze is on the host",
    )
    if status != 0:
        raise wrong_input(
            f"{setting} is {value!r}: {(problems or output).strip()[-300:]}",
            "an event of systemd's calendar, as systemd.time(7) has them",
        )


def asked_since(name: str) -> float | None:
    """Since when, in seconds UTC, the calendar of a timer has been what it is. None: it has none.
    Its unit is written when that changes, and then only."""
    try:
        return (paths.UNITS / f"{PREFIX}{name}.timer").stat().st_mtime
    except OSError:
        return None


def longest_gap(calendar: str) -> float | None:
    """Seconds between two times of a calendar, where it is longest of those that come next. None:
    there are no two."""
    command = ["systemd-analyze", "calendar", f"--iterations={COMING}", "--", calendar]
    try:
        status, output, _ = attempt(
            command, seconds=30, next_step="", environment={"TZ": "UTC", "LC_ALL": "C.UTF-8"}
        )
    except NodeError:
        return None
    times = [
        datetime.strptime(each, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        for each in TIME.findall(output)
    ]
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    return max(gaps) if status == 0 and gaps else None


def lay(timers: list[Timer], report: Report) -> None:
    """Makes these timers run, and those that are not wanted be no more."""
    changed = [each for each in timers if _put(each, report)]
    gone = [each for each in timers if not each.wanted and _remove(each, report)]
    if changed or gone:
        systemd.systemctl("daemon-reload")
    for each in timers:
        if each.wanted and (each in changed or systemd.state(each.unit)[0] != "active"):
            systemd.systemctl("restart", each.unit)
            report.did(f"{each.unit} runs")


def _put(timer: Timer, report: Report) -> bool:
    """True when systemd must read it anew."""
    if not timer.wanted:
        return False
    texts = {timer.service: service_text(timer), timer.unit: timer_text(timer)}
    changed = [
        name
        for name, text in texts.items()
        if files.write(paths.UNITS / name, text.encode(), mode=0o644)
    ]
    WANTS.mkdir(exist_ok=True)
    if files.link(WANTS / timer.unit, paths.UNITS / timer.unit):
        changed.append(timer.unit)
    if changed:
        report.did(f"unit {timer.unit}: {timer.calendar or f'each {timer.every} s'}")
    return bool(changed)


def _remove(timer: Timer, report: Report) -> bool:
    """Its service runs to its end, if it runs."""
    if not (paths.UNITS / timer.unit).exists():
        return False
    systemd.systemctl("stop", timer.unit)
    for path in (WANTS / timer.unit, paths.UNITS / timer.unit, paths.UNITS / timer.service):
        files.remove(path)
    report.did(f"unit {timer.unit} removed")
    return True
