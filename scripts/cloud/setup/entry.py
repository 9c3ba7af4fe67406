"""Entries of the cache: a folder per thing built, named by the digest of what it is built from.

An entry is whole when its marker is there; the marker is written last. An entry without a marker
is what an interrupted build left: it is built again. Two set-ups that need one entry wait for
each other.
"""

import fcntl
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MARKER = ".complete"
WAIT_SECONDS = 3600
"""How long one set-up waits for another that builds the same entry."""

Report = Callable[[str], None]
"""Takes a short text: what the build does now."""


class SetupError(Exception):
    """What was found, what was expected and the next step, for the person at the terminal."""


class Stopped(Exception):
    """The set-up was interrupted."""


stop = threading.Event()
"""Set when the set-up is to end: builds and waits look at it."""


def digest_of(*parts: str | bytes) -> str:
    """Twelve hexadecimal digits that stand for the parts, their order and their borders."""
    whole = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        whole.update(f"{len(content)}:".encode() + content)
    return whole.hexdigest()[:12]


@dataclass(frozen=True)
class Entry:
    """One thing in the cache and the function that builds it into an empty folder."""

    name: str
    digest: str
    build: Callable[[Path, Report], None]

    def path(self, cache: Path) -> Path:
        return cache / f"{self.name}-{self.digest}"

    def is_complete(self, cache: Path) -> bool:
        return (self.path(cache) / MARKER).is_file()

    def ensure(self, cache: Path, report: Report) -> Path:
        """Build the entry unless it is there; return its folder."""
        folder = self.path(cache)
        if self.is_complete(cache):
            return folder
        with _locked(cache / "locks" / f"{folder.name}.lock", report):
            if self.is_complete(cache):
                return folder
            if folder.exists():
                report("remove what an interrupted build left")
                shutil.rmtree(folder)
            folder.mkdir(parents=True)
            started = time.time()
            self.build(folder, report)
            # The marker must not reach the disk before what it stands for.
            os.sync()
            record = {"name": self.name, "seconds": round(time.time() - started, 1)}
            (folder / MARKER).write_text(json.dumps(record) + "\n")
        return folder


@contextmanager
def _locked(path: Path, report: Report) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + WAIT_SECONDS
    with path.open("a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip() or "another process"
            if time.monotonic() > deadline:
                raise SetupError(
                    f"{path.name} is held by {owner} for over {WAIT_SECONDS} s; expected that "
                    "set-up to end; look at that process, end it, and run the command again"
                )
            report(f"wait for the set-up of {owner}, which builds this now")
            if stop.wait(0.5):
                raise Stopped
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()}")
        file.flush()
        yield
