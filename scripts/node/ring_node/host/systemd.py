"""Units of systemd: what they do, and that they start with the host."""

from __future__ import annotations

from ..base import paths
from ..base.errors import Exit, NodeError
from ..base.report import Report
from . import files
from .programs import attempt


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


def put_unit(name: str, text: str, report: Report) -> bool:
    """Makes a unit start with the host. True when systemd must read its units again."""
    changed = files.write(paths.UNITS / name, text.encode(), mode=0o644)
    if changed:
        report.did(f"unit {name}")
    if enable(name):
        report.did(f"{name} starts with the host")
        changed = True
    return changed
