"""Loop devices: block devices over files.

Each is the kernel's to free: it is gone when the last one who has it open, or has mounted it, has
let go of it, however that one ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

CONTROL = Path("/dev/loop-control")
MAJOR = 7
DISK_GROUP = 6
"""Debian's group `disk`, which has the block devices."""
# linux/loop.h: the calls, struct loop_config and, in it, struct loop_info64.
GET_FREE, CONFIGURE, SET_CAPACITY, SET_STATUS, GET_STATUS = 0x4C82, 0x4C0A, 0x4C07, 0x4C04, 0x4C05
AUTOCLEAR = 4
CONFIG = struct.Struct("<II 5Q 4I 64s 64s 32s 2Q 8Q")
INFO = struct.Struct("<5Q 4I 64s 64s 32s 2Q")
NAME_BYTES = 63
TRIES = 20
SECTOR = 512


@dataclass(frozen=True)
class Loop:
    """A loop device that is held open."""

    number: int
    handle: int

    @property
    def path(self) -> Path:
        return node(self.number)

    @property
    def device(self) -> int:
        return os.makedev(MAJOR, self.number)

    @property
    def used(self) -> bool:
        """Whether somebody claims it for himself, as a mount does."""
        try:
            os.close(os.open(self.path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
        except OSError as error:
            if error.errno == errno.EBUSY:
                return True
            raise
        return False

    def grow(self) -> None:
        """Take the size that the file has now."""
        fcntl.ioctl(self.handle, SET_CAPACITY)

    def cut_off(self) -> None:
        """Answer every access with an error from now on: the device has one sector left."""
        info = bytearray(INFO.size)
        fcntl.ioctl(self.handle, GET_STATUS, info)
        fields = list(INFO.unpack(info))
        fields[4] = SECTOR
        fcntl.ioctl(self.handle, SET_STATUS, INFO.pack(*fields))

    def close(self) -> None:
        os.close(self.handle)


def node(number: int) -> Path:
    return Path(f"/dev/loop{number}")


def attach(file: Path) -> Loop:
    """A loop device over a file."""
    backing = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(TRIES):
            number = _free()
            handle = os.open(node(number), os.O_RDWR | os.O_CLOEXEC)
            name = str(file).encode()[-NAME_BYTES:]
            config = CONFIG.pack(
                backing, 0, *(0,) * 5, 0, 0, 0, AUTOCLEAR, name, b"", b"", 0, 0, *(0,) * 8
            )
            try:
                fcntl.ioctl(handle, CONFIGURE, config)
            except OSError as error:
                os.close(handle)
                if error.errno != errno.EBUSY:
                    raise
                continue  # another lab was quicker
            own(node(number))
            return Loop(number, handle)
    finally:
        os.close(backing)
    raise OSError(errno.EBUSY, f"no loop device is free for {file}")


def _free() -> int:
    control = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        number = fcntl.ioctl(control, GET_FREE)
    finally:
        os.close(control)
    if not node(number).exists():
        make_node(node(number), os.makedev(MAJOR, number))
    return number


def make_node(path: Path, device: int) -> None:
    """A block device's file, with the owner and the rights that udev gives it."""
    path.unlink(missing_ok=True)
    os.mknod(path, stat.S_IFBLK, device)
    own(path)


def own(path: Path) -> None:
    os.chmod(path, 0o660)
    os.chown(path, 0, DISK_GROUP)
