"""Processes: told from others that get their numbers later, and ended for sure."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

LOOK_SECONDS = 0.05
KILL_SECONDS = 10.0
"""How long a process may take to be gone after SIGKILL."""


class Process(NamedTuple):
    """One process. Numbers are used again, so that its start belongs to its name."""

    pid: int
    start: int
    """In clock ticks since boot (proc(5), field 22 of stat)."""

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process that has this number now, unless it has ended."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    def is_alive(self) -> bool:
        return Process.of(self.pid) == self

    def started_at(self) -> float:
        """In seconds since the epoch."""
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return time.time() - uptime + self.start / os.sysconf("SC_CLK_TCK")


def wait_end(processes: Iterable[Process], seconds: float) -> list[Process]:
    """Wait until they have ended; those that have not, after so many seconds."""
    deadline = time.monotonic() + seconds
    while left := [process for process in processes if process.is_alive()]:
        if time.monotonic() > deadline:
            break
        time.sleep(LOOK_SECONDS)
    return left


def end(processes: Iterable[Process], patience: float) -> list[Process]:
    """SIGTERM, a bounded wait, SIGKILL; the answer is what is alive after that, too."""
    left = [process for process in processes if process.is_alive()]
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, KILL_SECONDS)):
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)
        left = wait_end(left, seconds)
    return left
