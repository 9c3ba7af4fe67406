"""Control groups of the hosts: they tell which processes are a host's, and end them all."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

HIERARCHIES = tuple(Path("/sys/fs/cgroup") / name for name in ("", "systemd", "unified", "freezer"))
END_SECONDS = 5.0


def _folders(group: str) -> Iterator[Path]:
    """Folders of a group and of the groups in it, the inner ones first."""
    for hierarchy in HIERARCHIES:
        top = hierarchy / group
        if not top.is_dir():
            continue
        for folder, _, _ in os.walk(top, topdown=False):
            yield Path(folder)


def processes(group: str) -> set[int]:
    found: set[int] = set()
    for folder in _folders(group):
        try:
            found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
        except OSError:
            continue
    return found


def thaw(group: str) -> None:
    """Let a frozen group run again: a frozen process does not even die."""
    for folder in _folders(group):
        for name, value in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
            if (folder / name).exists():
                try:
                    (folder / name).write_text(value)
                except OSError:
                    continue


def end(group: str) -> None:
    """Kill every process of a group and remove it."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        thaw(group)
        left = processes(group)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    for folder in _folders(group):
        try:
            folder.rmdir()
        except OSError:
            continue


def join(group: str, pid: int) -> None:
    """Put a process into a group, made if need be, so that a later clean-up finds it."""
    for hierarchy in HIERARCHIES:
        if not (hierarchy / "cgroup.procs").exists():
            continue
        folder = hierarchy / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.procs").write_text(str(pid))
