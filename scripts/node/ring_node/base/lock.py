"""One verb at a time on a host."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import Exit, NodeError
from .waiting import Deadline, poll


@contextmanager
def host_lock(path: Path, verb: str, seconds: float) -> Iterator[None]:
    """Holds the host's lock; a dead holder's lock is free at once, the kernel sees to that."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if poll(lambda: _try(descriptor), Deadline(seconds)) is None:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "unknown"
            raise NodeError(
                Exit.BUSY,
                f"another verb is at work on this host: {holder}",
                f"the lock {path} free within {seconds:.0f} s",
                "wait until it has ended, then run this again",
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{verb}, process {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def try_lock(path: Path, seconds: float = 0.0) -> Iterator[bool]:
    """Whether the lock is held, got within `seconds`; if so, until the block ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield poll(lambda: _try(descriptor), Deadline(seconds)) is True
    finally:
        os.close(descriptor)


def held(path: Path) -> bool:
    """Whether somebody holds the lock now. Asks for no right to write there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _try(descriptor: int) -> bool | None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return True
