"""Deadlines of the faults tier, in seconds."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = float(os.environ.get("MYSQL_RING_PATIENCE", "1"))
"""All deadlines are multiplied by this: raise it on a slow machine."""

HEALED_SECONDS = 60
"""After its cause has ended, no fault of the ring lasts longer."""
NOTICED_SECONDS = 10
"""The heartbeat shows within this time what the slave's threads may hide."""
BOOT_SECONDS = 60
HELD_SECONDS = 12
"""How long a fault lasts that only has to outlast the heartbeat and the keepalive."""
SLAVE_NET_TIMEOUT = 60
"""The server's own setting in my.cnf (components/mysql/mysqld.cnf)."""

T = TypeVar("T")


def rest(pause: float, asked: float) -> None:
    """Before the next read: as long as the last one took at least, which left the machine less for
    what is waited for."""
    time.sleep(max(pause, time.monotonic() - asked))


def within(
    seconds: float,
    what: str,
    read: Callable[[], T],
    holds: Callable[[T], bool] = bool,
    pause: float = 0.1,
) -> tuple[T, float]:
    """Read until it holds: the value, and how long it took.

    An error that names the last value or the last exception when the deadline passes. A server
    that is down makes `read` fail: that counts as not yet.
    """
    begun = time.monotonic()
    deadline = begun + seconds * PATIENCE
    last: object = None
    while True:
        asked = time.monotonic()
        try:
            value = read()
            if holds(value):
                return value, time.monotonic() - begun
            last = value
        except Exception as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds * PATIENCE:g} s; last: {last!r}")
        rest(pause, asked)
