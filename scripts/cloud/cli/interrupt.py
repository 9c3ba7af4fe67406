"""SIGINT and SIGTERM end a command in the same way, also where the caller ignored them."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal asked the command to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def by_terminal(self) -> bool:
        """Whether the terminal sent it: then it went to the command's children as well."""
        if self.number != signal.SIGINT:
            return False
        try:
            terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
        except OSError:
            return False
        try:
            return os.tcgetpgrp(terminal) == os.getpgrp()
        finally:
            os.close(terminal)


@contextmanager
def as_exception() -> Iterator[None]:
    """Turn the signals into Interrupted.

    A shell without job control starts background commands with SIGINT ignored; `down` must still
    be able to end them.
    """

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
