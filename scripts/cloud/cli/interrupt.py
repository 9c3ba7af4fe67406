"""SIGINT and SIGTERM end a command in the same way, also where the caller ignored them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def as_exception() -> Iterator[None]:
    """Turn the signals into KeyboardInterrupt.

    A shell without job control starts background commands with SIGINT ignored; `down` must still
    be able to end them.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
