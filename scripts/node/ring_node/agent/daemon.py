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
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    threading.excepthook = _end
    board = Board()
    for loop in (
        Gatekeeper(board, server_id),
        Heartbeat(board, server_id),
        Seen(board),
        Asked(board),
    ):
        loop.start()
    while not ended.wait(TELL_SECONDS):
        board.write()
    return 0


def _end(lost: Any) -> None:
    """A loop that ends is a defect: the agent ends with it, and systemd starts another one."""
    traceback.print_exception(lost.exc_value)
    os._exit(1)
