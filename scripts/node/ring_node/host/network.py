"""The host's addresses, its ports and who has them, and when it gives a connection up."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from ..base import paths
from ..base.errors import refused, too_late
from ..base.report import Report
from ..base.waiting import Deadline, poll
from . import files
from .programs import attempt
from .programs import run as run_program

ADDRESS_SECONDS = 120.0
# MySQL 5.6 ignores slave_net_timeout on a TLS connection (bug 74908) but sets SO_KEEPALIVE:
# with these a replication link that swallows packets is given up after 5 + 3 * 2 seconds.
KEEPALIVE = {
    "net.ipv4.tcp_keepalive_time": "5",
    "net.ipv4.tcp_keepalive_intvl": "2",
    "net.ipv4.tcp_keepalive_probes": "3",
}

SYSCTL = "# Written by ring-node: notice a dead replication link.\n" + "".join(
    f"{name} = {value}\n" for name, value in KEEPALIVE.items()
)


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


def wait_for_address(address: str) -> None:
    def present() -> bool | None:
        listing = run_program(
            ["ip", "-oneline", "-family", "inet", "address", "show", "up"],
            seconds=10,
            expected="the host's addresses",
            next_step="look at `ip address` on the host",
        )
        return True if f" {address}/" in listing else None

    if poll(present, Deadline(ADDRESS_SECONDS)) is None:
        raise too_late(
            f"no interface with {address} after {ADDRESS_SECONDS:.0f} s",
            "the replication interface attached and configured",
            "look at `networkctl` and /etc/systemd/network on the host",
        )


def notice_dead_links(report: Report) -> None:
    if files.write(paths.SYSCTL, SYSCTL.encode(), mode=0o644):
        report.did(f"kernel settings {paths.SYSCTL}")
    held = {name: Path("/proc/sys", *name.split(".")) for name in KEEPALIVE}
    if all(held[name].read_text().strip() == value for name, value in KEEPALIVE.items()):
        return
    status, _, problems = attempt(
        ["sysctl", "--quiet", "--load", str(paths.SYSCTL)], seconds=30, next_step="read the message"
    )
    if status != 0:  # a container whose kernel settings belong to its host
        report.note(f"kernel settings not applied: {problems.strip()[:200]}")
