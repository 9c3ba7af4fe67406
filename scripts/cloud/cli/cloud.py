"""The stand-in cloud's process: started, found and stopped."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cloud.cli.errors import LabError
from cloud.lab import Lab, is_alive, process_start, write_private

START_SECONDS = 120
"""Includes the boot of the hosts that a stopped lab had."""
STOP_SECONDS = 90
LOG_LINES = 15


def running(lab: Lab) -> int | None:
    """The number of the lab's serving daemon, if there is one."""
    process = _process(lab.ready, "started")
    return process[0] if process else None


def start(lab: Lab, base: Path) -> bool:
    """See to it that the daemon serves; whether it had to be started."""
    if running(lab) is not None:
        return False
    lab.cloud.mkdir(parents=True, exist_ok=True)
    log = lab.cloud / "daemon.log"
    # An `up` that was killed may have started a daemon that does not serve yet.
    process = _process(_record(lab), "start") or _spawn(lab, base, log)
    deadline = time.monotonic() + START_SECONDS
    while running(lab) is None:
        if not is_alive(*process):
            raise LabError(
                f"the stand-in cloud ended before it served (its log: {log}):\n{_tail(log)}\n"
                "expected it to serve; correct that, or `scripts/lab down`, then `scripts/lab up`"
            )
        if time.monotonic() > deadline:
            _end(process)
            raise LabError(
                f"the stand-in cloud did not serve within {START_SECONDS} s (its log: {log}):\n"
                f"{_tail(log)}\nnext step: `scripts/lab down`, then `scripts/lab up`"
            )
        time.sleep(0.05)
    return True


def _spawn(lab: Lab, base: Path, log: Path) -> tuple[int, int]:
    with log.open("a") as output:
        process = subprocess.Popen(
            _argv(lab, "--base", str(base), "--mirror", str(lab.mirror)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    start = process_start(process.pid) or 0
    write_private(_record(lab), json.dumps({"pid": process.pid, "start": start}) + "\n")
    return process.pid, start


def stop(lab: Lab, say: Callable[[str], None]) -> None:
    """End the daemon with its hosts, then remove what an unclean end may have left."""
    process = _process(_record(lab), "start") or _process(lab.ready, "started")
    if process is not None:
        say("stop the hosts and the stand-in cloud")
        _end(process)
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


def _process(record: Path, key: str) -> tuple[int, int] | None:
    """Number and start of the process that a file names, if that process is there."""
    try:
        document = json.loads(record.read_text())
        pid, start = int(document["pid"]), int(document[key])
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return (pid, start) if is_alive(pid, start) else None


def _end(process: tuple[int, int]) -> None:
    """SIGTERM, a bounded wait, SIGKILL."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 10)):
        if not is_alive(*process):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(process[0], number)
        deadline = time.monotonic() + seconds
        while is_alive(*process) and time.monotonic() < deadline:
            time.sleep(0.05)


def _argv(lab: Lab, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "cloud.daemon", "--lab", str(lab.folder), *arguments]


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
