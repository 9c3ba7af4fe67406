"""One command at a time changes a lab: `up`, `setup`, `down` and `bench` hold its lock."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from cloud.cli.errors import BUSY, USAGE, LabError
from cloud.lab import Lab
from cloud.processes import KILL_SECONDS, Process, wait_end

UP = "scripts/lab up"
DOWN = "scripts/lab down"
INTERRUPT_SECONDS = 60
"""How long an interrupted `up` may take to end before it is killed."""


@dataclass(frozen=True)
class Owner:
    """The process that holds a lab's lock."""

    pid: int
    start: int
    command: str
    since: float

    @property
    def process(self) -> Process:
        return Process(self.pid, self.start)

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since).astimezone()
        return f"`{self.command}` (process {self.pid}, since {since:%H:%M:%S})"


class LabBusy(LabError):
    """Another command holds the lab."""

    def __init__(self, lab: Lab, owner: Owner | None) -> None:
        self.owner = owner
        super().__init__(
            f"found {owner or 'another command'} at work on the lab {lab.folder}; expected none; "
            f"wait for its end{_or_end(owner)}, then run it again",
            BUSY,
        )


def _or_end(owner: Owner | None) -> str:
    """How the holder can be ended; one that has not written down who it is names nothing."""
    if owner is None:
        return ""
    if owner.command == UP:
        return f", or end it with `{DOWN}`"
    return f", or end it with `kill -INT {owner.pid}`"


@contextmanager
def held(lab: Lab, command: str) -> Iterator[None]:
    """Hold the lab's lock; LabBusy at once when another process has it."""
    if lab.is_foreign():
        raise LabError(
            f"found {lab.folder} with other content than a lab's; expected a lab or no folder; "
            "set MYSQL_RING_LAB to a folder of the lab's own",
            USAGE,
        )
    lab.create()
    file = _acquire(lab)
    try:
        lab.create()
        this = Process.of(os.getpid())
        assert this is not None
        owner = Owner(*this, command, time.time())
        file.seek(0)
        file.truncate()
        json.dump(asdict(owner), file)
        file.flush()
        yield
        file.truncate(0)
    finally:
        file.close()


def _acquire(lab: Lab) -> IO[str]:
    path = lab.folder / "lock"
    while True:
        lab.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise LabBusy(lab, read_owner(path)) from None
        # `down` may have removed the folder between open and lock: then the lock is of no file.
        try:
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        file.close()


def read_owner(path: Path) -> Owner | None:
    """Who holds the lock, as it wrote there; None when that process is gone or wrote nothing."""
    try:
        owner = Owner(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return owner if owner.process.is_alive() else None


def end(owner: Owner, patience: float = INTERRUPT_SECONDS) -> None:
    """Interrupt a command, wait for its end, and kill it with its process group if it stays."""
    if owner.process.is_alive():
        os.kill(owner.pid, signal.SIGTERM)
    if not wait_end([owner.process], patience):
        return
    group = os.getpgid(owner.pid)
    # A command started from a script shares the script's group: then only itself is ours to kill.
    if group == owner.pid:
        os.killpg(group, signal.SIGKILL)
    else:
        os.kill(owner.pid, signal.SIGKILL)
    if wait_end([owner.process], KILL_SECONDS):
        raise LabError(
            f"{owner} did not end after SIGKILL; expected it to; look at it with "
            f"`cat /proc/{owner.pid}/stack`, and run the command again when it is gone"
        )
