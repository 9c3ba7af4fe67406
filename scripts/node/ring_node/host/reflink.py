"""Copies of files that share their blocks with the original: XFS, FICLONE of ioctl_ficlone(2)."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import struct
import time
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import Exit, NodeError
from ..base.waiting import Deadline

FICLONE = 0x40049409
FICLONERANGE = 0x4020940D
RANGE = struct.Struct("qQQQ")  # descriptor, from, length, to: ioctl_ficlonerange(2)
ALIGNED = 64 << 10  # the largest block that a file system may have
# What FICLONE says of a file system that cannot, or of two different ones.
CANNOT = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL})
# A file system's clock goes in ticks: of two writes within one the second leaves no trace.
TICK_NS = 1_000_000_000

# When a file was last written to, how large it was then, and which file it was.
Signature = tuple[int, int, int, int]


def listed(folder: Path) -> dict[str, os.stat_result]:
    """Everything below `folder` by its name in it, a folder before what it holds.

    No link is followed. What goes while this looks is left out.
    """
    found: dict[str, os.stat_result] = {}
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(os.path.join(folder, prefix)) as entries:
                for entry in entries:
                    name = prefix + entry.name
                    found[name] = status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append(name + "/")
        except FileNotFoundError:
            continue
    return found


def sizes(found: Mapping[str, os.stat_result]) -> list[int]:
    """Of each regular file."""
    return [status.st_size for status in found.values() if stat.S_ISREG(status.st_mode)]


def holes(found: Mapping[str, os.stat_result]) -> int:
    """Bytes of regular files that are in no block."""
    files = [status for status in found.values() if stat.S_ISREG(status.st_mode)]
    return sum(max(0, status.st_size - status.st_blocks * 512) for status in files)


def thin(file: Path, kept: Iterable[tuple[int, int]]) -> None:
    """Leaves holes of zeros in a file, but for these parts, from and to. Its size stays."""
    thinner = file.with_name(f".{file.name}.thin")
    there = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(there)
        here = os.open(thinner, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(here, status.st_size)
            for begin, end in kept:
                first = begin // ALIGNED * ALIGNED
                last = min(-(-end // ALIGNED) * ALIGNED, status.st_size)
                fcntl.ioctl(here, FICLONERANGE, RANGE.pack(there, first, last - first, first))
            os.fchown(here, status.st_uid, status.st_gid)
            os.fchmod(here, stat.S_IMODE(status.st_mode))
        finally:
            os.close(here)
    finally:
        os.close(there)
    os.replace(thinner, file)


def fill(file: Path) -> None:
    """Gives a file's holes blocks, of zeros still: who writes there needs no room any more."""
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.posix_fallocate(descriptor, 0, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Cloned:
    """`certain`: any later write to the file is seen by its signature."""

    signature: Signature
    certain: bool

    def stands_for(self, status: os.stat_result, *, redone: bool) -> bool:
        found = signature(status)
        if redone:
            return self.signature[2:] == found[2:]
        return self.certain and self.signature == found


class Mirror:
    """A folder of clones. Brought up to date, it clones only what was written to since.

    A file that did not change its time, size and number since before it was cloned holds what its
    clone holds, unless the clone was made within a tick of the last write: then it is made again.
    """

    def __init__(self, source: Path, target: Path) -> None:
        self._source = source
        self.target = target
        self._held: dict[str, Cloned | None] = {}

    def refresh(
        self,
        wanted: Mapping[str, os.stat_result],
        deadline: Deadline,
        *,
        still: bool,
        redone: Set[str] = frozenset(),
    ) -> bool:
        """Makes the target hold these files and folders of the source. False: too late.

        `still`: nothing in the source comes or goes meanwhile; otherwise what went is left out.
        `redone`: files that are cloned again only when they are others, or of another size.
        """
        for name in [name for name in self._held if name not in wanted]:
            self._remove(name)
        for name, status in wanted.items():
            if deadline.over:
                return False
            held = self._held.get(name)
            if held is not None and held.stands_for(status, redone=name in redone):
                continue
            try:
                self._make(name, status)
            except FileNotFoundError:
                if still:
                    raise
        return True

    def _make(self, name: str, status: os.stat_result) -> None:
        here, there = os.path.join(self._source, name), os.path.join(self.target, name)
        if stat.S_ISDIR(status.st_mode):
            if name not in self._held:
                os.mkdir(there, 0o700)
            os.chown(there, status.st_uid, status.st_gid)
            os.chmod(there, stat.S_IMODE(status.st_mode))
            self._held[name] = None
        else:
            if name in self._held:
                os.unlink(there)
                del self._held[name]
            self._held[name] = clone(here, there)

    def _remove(self, name: str) -> None:
        there = os.path.join(self.target, name)
        if os.path.isdir(there):
            shutil.rmtree(there)
        elif os.path.exists(there):
            os.unlink(there)
        del self._held[name]


def signature(status: os.stat_result) -> Signature:
    return status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_ino


def clone(source: str, target: str) -> Cloned:
    """Makes `target` a new file with the content, owner and mode of `source`."""
    there = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        now = time.time_ns()
        status = os.fstat(there)
        here = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.ioctl(here, FICLONE, there)
            os.fchown(here, status.st_uid, status.st_gid)
            os.fchmod(here, stat.S_IMODE(status.st_mode))
        finally:
            os.close(here)
    except OSError as error:
        if error.errno not in CANNOT:
            raise
        raise NodeError(
            Exit.HOST,
            f"{source} cannot be copied by reference to {target}: {error.strerror}",
            "both on one XFS that was made with reflink=1",
            "see how the data volume is made: `xfs_info` of its mount point",
        ) from None
    finally:
        os.close(there)
    return Cloned(signature(status), certain=status.st_ctime_ns < now - TICK_NS)
