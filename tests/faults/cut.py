"""Runs a verb of the node tool on its host and kills it with SIGKILL at something that it does.

The verb dies before the first effect (lab_effects.py, in the image of the lab's hosts) at which it
was not cut before, and of a program also when that has been at work for a while: alone, so that the
program goes on, and with all that it started. It runs there as root, with Debian's Python.
Arguments: the file that names, below a regular expression for effects that are not cut, the cuts so
far; the entry of the tool; the verb with its options. Standard error says which cut it was.
"""

import os
import re
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import lab_effects  # pyright: ignore[reportMissingImports]

AT_WORK_SECONDS = 0.25
PAUSE = 0.005


class Cutter:
    def __init__(self, known: set[str], passed: str) -> None:
        self.known, self.passed = known, re.compile(passed)
        self.seen: Counter[str] = Counter()
        self.lock = threading.Lock()

    def effect(self, what: str) -> None:
        with self.lock:
            self.seen[what] += 1
            name = f"{what} ({self.seen[what]})"
            if what.endswith("*") and self.seen[what] > 1:
                return
            if name not in self.known and not self.passed.match(name):
                self.kill(name, len(self.known) % 2 == 0)

    def at_work(self, what: str, process: "subprocess.Popen[Any]") -> None:
        """A program that ends sooner is not killed: it was cut before it began."""
        name = f"{what} ({self.seen[what]})"
        if self.passed.match(name):
            return
        for group in (False, True):
            later = f"{name} at work, {'with it' if group else 'alone'}"
            if later in self.known or self.passed.match(later):
                continue
            deadline = time.monotonic() + AT_WORK_SECONDS
            while time.monotonic() < deadline:
                options = os.WEXITED | os.WNOHANG | os.WNOWAIT
                if os.waitid(os.P_PID, process.pid, options) is not None:
                    return
                time.sleep(PAUSE)
            self.kill(later, group)

    def kill(self, name: str, group: bool) -> None:
        say("cut", name)
        if group:
            os.killpg(0, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def say(what: str, name: str) -> None:
    os.write(2, f"{what}: {name}\n".encode())


def watch_programs(cutter: Cutter) -> None:
    original = subprocess.Popen.__init__

    def started(self: Any, args: Any, *rest: Any, **options: Any) -> None:
        original(self, args, *rest, **options)
        what = lab_effects.program(args)
        if what is not None:
            cutter.at_work(what, self)

    subprocess.Popen.__init__ = started


def main() -> None:
    cuts, entry, *words = sys.argv[1:]
    sys.dont_write_bytecode = True
    sys.argv = [entry, *words]
    passed, *known = Path(cuts).read_text().splitlines()
    cutter = Cutter(set(known), passed)
    lab_effects.listen(cutter.effect)
    watch_programs(cutter)
    runpy.run_path(entry, run_name="__main__")


if __name__ == "__main__":
    main()
