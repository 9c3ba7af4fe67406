"""Ports of the host, and who has them."""

from __future__ import annotations

import re
import socket

from ..base.errors import refused
from .programs import attempt


def refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            raise refused(
                f"another program listens on port {port}: {_listener(port)}",
                "the port free for this ring's server",
                f"find it with `ss --listening --processes 'sport = :{port}'` and stop it",
            ) from None


def _listener(port: int) -> str:
    """Name and process id as ss shows them: ("python3",pid=123,fd=3)."""
    _, output, _ = attempt(
        ["ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes",
         f"sport = :{port}"],
        seconds=10,
        next_step="look at it with ss",
    )  # fmt: skip
    found = re.search(r'"([^"]+)",pid=(\d+)', output)
    return f"{found[1]}, process {found[2]}" if found else "unknown"
