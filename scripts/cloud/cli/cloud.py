"""The stand-in cloud's process: started, found and stopped."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cloud import processes
from cloud.cli.errors import LabError
from cloud.lab import Lab, read_process, write_process
from cloud.processes import Process

START_SECONDS = 120
"""Includes the boot of the hosts that a stopped lab had."""
STOP_SECONDS = 90
LOG_LINES = 15


def running(lab: Lab) -> int | None:
    """The number of the lab's serving daemon, if there is one."""
    process = read_process(lab.ready)
    return process.pid if process else None


def start(lab: Lab, base: Path) -> bool:
    """See to it that the daemon serves; whether it had to be started."""
    if running(lab) is not None:
        return False
    lab.cloud.mkdir(parents=True, exist_ok=True)
    log = lab.cloud / "daemon.log"
    # An `up` that was killed may have started a daemon that does not serve yet.
    process = read_process(_record(lab)) or _spawn(lab, base, log)
    deadline = time.monotonic() + START_SECONDS
    while running(lab) is None:
        if not process.is_alive():
            raise LabError(
                f"the stand-in cloud ended before it served (its log: {log}):\n{_tail(log)}\n"
                "expected it to serve; correct that, or `scripts/lab down`, then `scripts/lab up`"
            )
        if time.monotonic() > deadline:
            processes.end([process], STOP_SECONDS)
            raise LabError(
                f"the stand-in cloud did not serve within {START_SECONDS} s (its log: {log}):\n"
                f"{_tail(log)}\nnext step: `scripts/lab down`, then `scripts/lab up`"
            )
        time.sleep(0.05)
    return True


def _spawn(lab: Lab, base: Path, log: Path) -> Process:
    with log.open("a") as output:
        spawned = subprocess.Popen(
            _argv(lab, "--base", str(base), "--mirror", str(lab.mirror)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    process = Process.of(spawned.pid) or Process(spawned.pid, 0)
    write_process(_record(lab), process)
    return process


def stop(lab: Lab, say: Callable[[str], None]) -> None:
    """End the daemon with its hosts, then remove what an unclean end may have left."""
    process = read_process(_record(lab)) or read_process(lab.ready)
    if process is not None:
        say("stop the hosts and the stand-in cloud")
        processes.end([process], STOP_SECONDS)
    say("remove namespaces and mounts")
    done = subprocess.run(
        _argv(lab, "--cleanup"), capture_output=True, text=True, timeout=STOP_SECONDS, cwd="/"
    )
    if done.returncode != 0:
        raise LabError(
            f"the clean-up of the stand-in cloud ended with {done.returncode}: "
            f"{(done.stderr or done.stdout).strip()[-1500:]}\n"
            "expected it to end what the lab started; correct that and run `scripts/lab down` again"
        )


def _record(lab: Lab) -> Path:
    return lab.folder / "daemon.json"


def _argv(lab: Lab, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "cloud.daemon", "--lab", str(lab.folder), *arguments]


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
