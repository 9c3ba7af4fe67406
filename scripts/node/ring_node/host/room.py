"""Room on the host's disks, and what says that it has run out."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..base.errors import Exit, NodeError
from . import programs

# Of the kernel, of apt and of MySQL 5.6 (1114; Errcode).
RAN_OUT = re.compile(
    r"No space left on device|Disk quota exceeded|don't have enough free space"
    r"|The table '[^']*' is full|Errcode: 28"
)
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
DISK_BROKEN = frozenset({errno.EIO, errno.EROFS})
SETTLE_SECONDS = 60.0
NEXT_STEP = (
    "make room there or make the volume larger (dataVolumeGib in the settings; rootVolumeGib is "
    "the root volume's), "
    "then run this again"
)


def free(path: Path) -> int:
    """Bytes that are free where `path` is, or will be."""
    state = os.statvfs(_existing(path))
    return state.f_bavail * state.f_frsize


def settled(path: Path) -> int:
    """The same, with what was removed a moment ago. XFS gives the blocks of a removed file back
    behind its back (since Linux 5.14); looking for preallocated blocks waits for that. It looks at
    files of 1 PB and more: a server's own files keep what was allocated for them."""
    command = ["xfs_spaceman", "-c", f"prealloc -m {10**15}", str(_existing(path))]
    with suppress(NodeError):  # no such program, or it takes long: then what is free by now
        programs.attempt(command, seconds=SETTLE_SECONDS, next_step=NEXT_STEP)
    return free(path)


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def size(volume: Path) -> int:
    """Bytes of the file system that is mounted there."""
    state = os.statvfs(volume)
    return state.f_blocks * state.f_frsize


@contextmanager
def needed(place: Path, expected: str) -> Iterator[None]:
    """A failure inside that is a full disk is called that."""
    try:
        yield
    except NodeError as error:
        if not RAN_OUT.search(error.found) or error.next_step == NEXT_STEP:
            raise
        problem = error.found
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        problem = str(error)
    else:
        return
    raise NodeError(Exit.HOST, f"no room left in {place}: {problem}", expected, NEXT_STEP)


def disk_error(error: OSError) -> NodeError | None:
    """What a disk that is full or broken did to the tool's own files. None: it is not the disk."""
    if error.errno in DISK_FULL:
        return NodeError(Exit.HOST, str(error), f"room for {error.filename or 'it'}", NEXT_STEP)
    if error.errno in DISK_BROKEN:
        return NodeError(
            Exit.HOST, str(error), "a disk that can be written", "look at `dmesg` on the host"
        )
    return None
