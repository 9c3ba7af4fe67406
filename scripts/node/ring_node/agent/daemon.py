"""The agent: loops that know nothing of each other, and the file that says what they know."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from typing import Any

from .beat import Heartbeat
from .gatekeeper import Gatekeeper
from .peer import Asked, Seen
from .state import Board

TELL_SECONDS = 1.0


def run_for_ever(server_id: int) -> int:
    """Until systemd ends it. Nothing that a loop does needs an end of its own: what it is in the
    middle of is begun anew by the next agent."""
    board, ended = Board(), threading.Event()

    def end(*_: object) -> None:
        ended.set()
        board.wake()

    signal.signal(signal.SIGTERM, end)
    threading.excepthook = _end
    for loop in (
        Gatekeeper(board, server_id),
        Heartbeat(board, server_id),
        Seen(board),
        Asked(board),
    ):
        loop.start()
    while not ended.is_set():
        board.write()
        board.wait(TELL_SECONDS)
    return 0


def _end(lost: Any) -> None:
    """A loop that ends is a defect: the agent ends with it, and systemd starts another one."""
    traceback.print_exception(lost.exc_value)
    os._exit(1)
