"""Hidden verb of the service: the server's start is over when it greets on its socket."""

from __future__ import annotations

import os
from pathlib import Path

from ..base.waiting import Deadline, poll
from ..mysql import lifecycle


def run() -> int:
    """systemd waits for this even when the server has ended, so look at that too."""
    process = os.environ.get("MAINPID", "")

    def settled() -> bool | None:
        if lifecycle.greets():
            return True
        return False if process and not alive(process) else None

    return 0 if poll(settled, Deadline(lifecycle.START_SECONDS), longest_pause=0.05) else 1


def alive(process: str) -> bool:
    return Path("/proc", process).exists()
