"""Hidden verb of the service: the server's start is over when it greets on its socket."""

from __future__ import annotations

import socket

from . import paths, units
from .waiting import Deadline, poll


def run() -> int:
    return 0 if poll(greets, Deadline(units.START_SECONDS), longest_pause=0.05) else 1


def greets() -> bool | None:
    """Whether a server sends its handshake. No account is needed for that."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(str(paths.SOCKET))
            return True if connection.recv(5)[4:5] == b"\x0a" else None  # protocol version 10
    except OSError:
        return None
