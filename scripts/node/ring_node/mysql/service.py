"""The server as a systemd service, its data directory, and the fence."""

from __future__ import annotations

import os
import re
import socket

from ..base import paths
from ..base.errors import Exit, NodeError, refused
from ..base.report import Report
from ..host import files, units
from ..host.programs import attempt
from ..verbs import wait_ready

PORT = 3306
LOG_LINES = 12
LOG_BYTES = 20000


def systemctl(*arguments: str, seconds: float = 60) -> None:
    status, output, problems = attempt(
        ["systemctl", *arguments],
        seconds=seconds,
        next_step=f"look at `systemctl status {arguments[-1]}` on the host",
    )
    if status != 0:
        raise NodeError(
            Exit.HOST,
            f"`systemctl {' '.join(arguments)}` ended with {status}: "
            f"{(problems or output).strip()[-600:]}",
            "systemd doing that",
            f"look at `journalctl --unit {arguments[-1]}` on the host",
        )


def state(unit: str) -> tuple[str, int]:
    """Active state of a unit (active, inactive, failed, ...) and its main process, 0 if none."""
    _, output, _ = attempt(
        ["systemctl", "show", "--property=ActiveState,MainPID", unit],
        seconds=30,
        next_step="look at systemd on the host",
    )
    shown = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    return shown.get("ActiveState", "unknown"), int(shown.get("MainPID", "0"))


def enable(unit: str) -> bool:
    """What `systemctl enable` does, but for its reload of every unit, which takes long.

    The link acts at the next boot, which reads it anew."""
    wants = paths.UNITS / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    return files.link(wants / unit, paths.UNITS / unit)


def installed() -> bool:
    return (paths.UNITS / paths.MYSQL_SERVICE).exists()


def running() -> bool:
    return state(paths.MYSQL_SERVICE)[0] in ("active", "activating", "reloading")


def start() -> None:
    _bring_up("start")


def restart() -> None:
    _bring_up("restart")


def _bring_up(how: str) -> None:
    if how == "start" and not running():
        refuse_taken_port()
    begin = paths.ERROR_LOG.stat().st_size if paths.ERROR_LOG.exists() else 0
    attempt(
        ["systemctl", "reset-failed", paths.MYSQL_SERVICE], seconds=30, next_step="look at systemd"
    )
    status, _, problems = attempt(
        ["systemctl", how, paths.MYSQL_SERVICE],
        seconds=units.START_SECONDS + units.STOP_SECONDS + 60,
        next_step=f"look at {paths.ERROR_LOG} on the host",
    )
    if status != 0:
        attempt(
            ["systemctl", "stop", paths.MYSQL_SERVICE], seconds=units.STOP_SECONDS, next_step=""
        )
        raise NodeError(
            Exit.SERVER,
            f"the server does not start: {error_log(begin) or problems.strip()[-600:]}",
            "mysqld answering on its socket",
            f"correct what {paths.ERROR_LOG} names, then run this again",
        )
    files.remove(paths.RESTART_DUE)


def note_restart_due() -> None:
    """A verb that is killed between a changed file and the restart leaves this to the next."""
    files.write(paths.RESTART_DUE, b"", mode=0o644)


def restart_due() -> bool:
    return paths.RESTART_DUE.exists()


def left_down() -> bool:
    """Whether a killed restart left a server that does not answer, such as one with a file that
    stops it from starting. systemd tries it again and again: it looks as if it runs."""
    return restart_due() and not greets()


def error_log(begin: int) -> str:
    """The [ERROR] lines that the server wrote since `begin`, or the last lines if none."""
    try:
        with paths.ERROR_LOG.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            end = stream.tell()
            stream.seek(max(begin if begin <= end else 0, end - LOG_BYTES))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return errors_of(text)


def errors_of(text: str) -> str:
    lines = text.splitlines()
    wrong = [line for line in lines if "ERROR" in line] or lines
    return " | ".join(line.strip() for line in wrong[-LOG_LINES:])


def initialised() -> bool:
    return (paths.DATA / paths.DATA_MARKER).is_file()


def refuse_foreign_data() -> None:
    if initialised():
        return
    try:
        entries = sorted(entry.name for entry in paths.DATA.iterdir())
    except FileNotFoundError:
        return
    if entries:
        raise refused(
            f"{paths.DATA} holds {', '.join(entries[:5])} and was not initialised by this ring",
            f"an absent or empty {paths.DATA}",
            "move that data away if it is wanted, remove it if not, then run this again",
        )


def refuse_taken_port(port: int = PORT) -> None:
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


def fenced() -> bool:
    return paths.FENCE.exists()


def raise_fence(report: Report) -> None:
    """From its next start on the server is read-only, until the node has joined."""
    if files.write(paths.FENCE, units.FENCE.encode(), mode=0o644):
        report.did("server takes no writes until the node has joined its ring")


def drop_fence() -> bool:
    return files.remove(paths.FENCE)


def greets() -> bool:
    return bool(wait_ready.greets())
