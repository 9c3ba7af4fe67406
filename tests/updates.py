"""Updates that are watched, and killed or hindered at a chosen moment."""

import contextlib
import os
import re
import signal
import threading
import time
from pathlib import Path

from cloud.cli.errors import INTERRUPTED
from cloud.names import Names, namespace_path
from labs import UP_SECONDS, Lab
from waits import PATIENCE

UP_COMMAND = ("pulumi", "up", "--yes", "--skip-preview", "--non-interactive")
DESTROY_COMMAND = ("pulumi", "destroy", *UP_COMMAND[2:])


class Update:
    """A command of the lab in a session of its own, its output read line by line."""

    def __init__(self, lab: Lab, *arguments: str) -> None:
        self.lab = lab
        self.process = lab.popen(*arguments, start_new_session=True, bufsize=1)
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._lines.append("")
            self._news.notify_all()

    @property
    def at_work(self) -> bool:
        return self.process.poll() is None

    @property
    def text(self) -> str:
        return "".join(self._lines)

    def reaches(self, pattern: str, seconds: float = UP_SECONDS) -> None:
        """Wait for a line that matches; an error when the command ends without one."""
        wanted, seen = re.compile(pattern), 0
        deadline = time.monotonic() + seconds * PATIENCE
        with self._news:
            while True:
                for line in self._lines[seen:]:
                    if wanted.search(line):
                        return
                seen = len(self._lines)
                if self._lines and self._lines[-1] == "":
                    raise AssertionError(f"ended without {pattern!r}:\n{self.text[-4000:]}")
                left = deadline - time.monotonic()
                if left <= 0 or not self._news.wait(left):
                    raise AssertionError(f"{pattern!r} not reached:\n{self.text[-4000:]}")

    def end(self, seconds: float = UP_SECONDS) -> int:
        code = self.process.wait(seconds * PATIENCE)
        self._reader.join(10 * PATIENCE)
        return code

    def kill(self) -> None:
        """SIGKILL to the command and to every program that it started in the lab's world.

        As when the operator's machine loses power: no plugin lives on to finish its step.
        """
        os.killpg(self.process.pid, signal.SIGKILL)
        for pid in programs_in_world(self.lab):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self.end(30) == -signal.SIGKILL

    def kill_cli(self) -> None:
        """SIGKILL to the command and the CLI alone: the plugins notice that by themselves."""
        os.killpg(self.process.pid, signal.SIGKILL)
        assert self.end(30) == -signal.SIGKILL

    def interrupt(self) -> None:
        """SIGINT, as from a terminal's Ctrl-C: the update writes its state down and ends."""
        self.process.send_signal(signal.SIGINT)
        assert self.end(90) == INTERRUPTED, self.text[-4000:]


def programs_in_world(lab: Lab) -> list[int]:
    """But for the one by which the tests ask the API."""
    place = namespace_path(Names.of(lab.folder).world).stat().st_ino
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != lab.asking():
            with contextlib.suppress(OSError):
                if (process / "ns/net").stat().st_ino == place:
                    found.append(int(process.name))
    return found
