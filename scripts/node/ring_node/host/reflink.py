"""Copies of files that share their blocks with the original: XFS, FICLONE of ioctl_ficlone(2)."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..base.errors import Exit, NodeError
from ..base.waiting import Deadline

FICLONE = 0x40049409
# What FICLONE says of a file system that cannot, or of two different ones.
CANNOT = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL})
BLOCK = 512  # of st_blocks, stat(2)


class Size(NamedTuple):
    bytes: int
    files: int


def files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Everything below `folder`, folders before what is in them; no link is followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from files(Path(entry.path))


def clone(source: str, target: str) -> int:
    """Makes `target` a new file with the content, owner and mode of `source`; its size."""
    there = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        status = os.fstat(there)
        here = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.ioctl(here, FICLONE, there)
            os.fchown(here, status.st_uid, status.st_gid)
            os.fchmod(here, status.st_mode & 0o7777)
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
    return status.st_size


def clone_all(source: Path, target: Path, names: Iterable[str], deadline: Deadline) -> Size | None:
    """Clones these files and folders of `source` into `target`. None: the time was over."""
    size = Size(0, 0)
    for name in names:
        if deadline.over:
            return None
        here, there = os.path.join(source, name), os.path.join(target, name)
        if os.path.isdir(here):
            status = os.stat(here)
            os.mkdir(there, 0o700)
            os.chown(there, status.st_uid, status.st_gid)
            os.chmod(there, status.st_mode & 0o7777)
        else:
            size = Size(size.bytes + clone(here, there), size.files + 1)
    return size
