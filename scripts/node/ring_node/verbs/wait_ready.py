"""Hidden verb of the service: the server's start is over when it greets on its socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from ..base import paths
from ..base.waiting import Deadline, poll
from ..host import units

# The first bytes of a packet: its length in three, its number, then what it is.
# https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
HANDSHAKE = b"\x0a"  # protocol version 10
FULL = b"\xff\x10\x04"  # error 1040, too many connections: a server that runs


def run() -> int:
    """systemd waits for this even when the server has ended, so look at that too."""
    process = os.environ.get("MAINPID", "")

    def settled() -> bool | None:
        if greets():
            return True
        return False if process and not alive(process) else None

    return 0 if poll(settled, Deadline(units.START_SECONDS), longest_pause=0.05) else 1


def alive(process: str) -> bool:
    return Path("/proc", process).exists()


def greets() -> bool | None:
    """Whether a server answers who connects. No account is needed for that."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(str(paths.SOCKET))
            return True if connection.recv(7)[4:].startswith((HANDSHAKE, FULL)) else None
    except OSError:
        return None
