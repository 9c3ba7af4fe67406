"""The stand-in cloud's process: started, found and stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cloud.cli.errors import LabError
from cloud.lab import Lab, is_alive

START_SECONDS = 120
"""Includes the boot of the hosts that a stopped lab had."""
STOP_SECONDS = 90
LOG_LINES = 15


def running(lab: Lab) -> int | None:
    """The number of the lab's serving daemon, if there is one."""
    try:
        ready = json.loads(lab.ready.read_text())
        pid, start = int(ready["pid"]), int(ready["start"])
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return pid if is_alive(pid, start) else None


def start(lab: Lab, base: Path) -> bool:
    """See to it that the daemon serves; whether it had to be started."""
    if running(lab) is not None:
        return False
    lab.cloud.mkdir(parents=True, exist_ok=True)
    lab.ready.unlink(missing_ok=True)
    log = lab.cloud / "daemon.log"
    argv = _argv(lab, "--base", str(base), "--mirror", str(lab.mirror))
    with log.open("a") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    deadline = time.monotonic() + START_SECONDS
    while running(lab) is None:
        if process.poll() is not None:
            raise LabError(
                f"the stand-in cloud ended with {process.returncode} before it served (its log: "
                f"{log}):\n{_tail(log)}\nnext step: correct that, or `scripts/lab down`, "
                "then `scripts/lab up`"
            )
        if time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
            raise LabError(
                f"the stand-in cloud did not serve within {START_SECONDS} s (its log: {log}):\n"
                f"{_tail(log)}\nnext step: `scripts/lab down`, then `scripts/lab up`"
            )
        time.sleep(0.05)
    return True


def stop(lab: Lab, say: Callable[[str], None]) -> None:
    """End the daemon with its hosts, then remove what an unclean end may have left."""
    pid = running(lab)
    if pid is not None:
        ticks = int(json.loads(lab.ready.read_text())["start"])
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while is_alive(pid, ticks):
            say("stop the hosts and the stand-in cloud")
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                deadline += 10
            time.sleep(0.1)
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


def _argv(lab: Lab, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "cloud.daemon", "--lab", str(lab.folder), *arguments]


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
