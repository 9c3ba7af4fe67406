"""The clock of what other processes of this host read."""

from __future__ import annotations

import time


def boottime() -> float:
    """Seconds since the host booted, also those in which it slept. No setting of the time moves it,
    and every process of the host reads the same."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
