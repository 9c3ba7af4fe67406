"""The room that a snapshot may take: it gives way before the volume is full.

What the server changes while a snapshot stands costs room, for the blocks are no longer shared.
"""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path

from ..base import paths
from ..base.errors import Exit, NodeError, refused
from ..host import files, reflink, room

WATCH_SECONDS = 0.25
# Room that must be free for a snapshot to begin, and below which it is dropped: a part of the
# volume within bounds. What the server changes while it stands is what it costs.
BEGIN_PART, BEGIN_LEAST, BEGIN_MOST = 0.10, 256 << 20, 4 << 30
DROP_PART = 0.5  # of the room to begin


@dataclass(frozen=True)
class Room:
    """Bytes that must be free for a snapshot to begin, and below which it is dropped."""

    begin: int
    drop: int


def reserve(total: int) -> Room:
    """What must stay free on a volume of `total` bytes."""
    begin = min(max(int(total * BEGIN_PART), BEGIN_LEAST), BEGIN_MOST)
    return Room(begin, int(begin * DROP_PART))


def of_the_volume() -> Room:
    state = os.statvfs(paths.SNAPSHOTS)
    return reserve(state.f_blocks * state.f_frsize)


def refuse_no_room() -> Room:
    wanted = of_the_volume()
    free = room.settled(paths.SNAPSHOTS)
    if free < wanted.begin:
        raise refused(
            f"{free >> 20} MiB free in {paths.SNAPSHOTS}",
            f"at least {wanted.begin >> 20} MiB: what changes while a snapshot stands takes room",
            room.NEXT_STEP,
        )
    return wanted


class Watcher:
    """Drops a snapshot, or `what` else the folder is, when its volume has less than `floor` bytes
    free."""

    def __init__(self, folder: Path, floor: int, what: str = "the snapshot") -> None:
        self._folder = folder
        self._floor = floor
        self._what = what
        self._ended = threading.Event()
        self._free_then: int | None = None
        self._thread = threading.Thread(target=self._watch, name="snapshot", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self.join(None)

    def join(self, seconds: float | None) -> None:
        self._thread.join(seconds)

    def check(self) -> None:
        if self._free_then is not None:
            raise NodeError(
                Exit.HOST,
                f"{self._what} was dropped: {self._free_then >> 20} MiB were free in "
                f"{self._folder.parent}",
                f"{self._floor >> 20} MiB free as long as it is there",
                room.NEXT_STEP,
            )

    def _watch(self) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            free = room.free(self._folder.parent)
            if free < self._floor:
                self._free_then = free
                while not _drop(self._folder) and not self._ended.wait(WATCH_SECONDS):
                    pass
                return


def _drop(folder: Path) -> bool:
    """Gives the room back at once, also of files that somebody has open. False: not all of it,
    because more files came meanwhile."""
    try:
        for name, status in reflink.listed(folder).items():
            if stat.S_ISREG(status.st_mode):
                os.truncate(folder / name, 0)
        files.remove_tree(folder)
    except OSError:
        return False
    return True
