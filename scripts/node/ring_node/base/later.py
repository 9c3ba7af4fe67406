"""Work that is begun now, whose result is asked for later, and waited for no longer than it may."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from .errors import too_late
from .waiting import Deadline

T = TypeVar("T")


class Later(Generic[T]):
    """A thread that nobody waits for at the end: what hangs, as a read of a dead disk does, is
    left behind."""

    def __init__(self, what: str, work: Callable[[], T], seconds: float) -> None:
        self._what, self._work = what, work
        self._deadline = Deadline(seconds)
        self._results: list[T] = []
        self._errors: list[Exception] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def get(self) -> T:
        """What the work returned; raises what it raised, or NodeError when it is not done in
        time."""
        self._thread.join(self._deadline.left)
        if self._errors:
            raise self._errors[0]
        if not self._results:
            raise too_late(
                f"{self._what} was not done after {self._deadline.seconds:.0f} s",
                "an end",
                "look at the host",
            )
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._work())
        except Exception as error:
            self._errors.append(error)
