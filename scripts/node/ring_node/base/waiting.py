"""Deadlines. Nothing in this tool waits without one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.5
QUICK = 0.05  # the longest pause between looks at what is about to be so


class Deadline:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        return self.left == 0.0


def poll(
    probe: Callable[[], T | None], deadline: Deadline, *, longest_pause: float = LONGEST_PAUSE
) -> T | None:
    """The first result of `probe` that is not None; None when the deadline passed.

    Probes at least once, at growing intervals.
    """
    pause = FIRST_PAUSE
    while True:
        result = probe()
        if result is not None or deadline.over:
            return result
        time.sleep(min(pause, deadline.left))
        pause = min(pause * 1.5, longest_pause)
