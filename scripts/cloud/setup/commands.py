"""Running the programs that build things: logged, watched, and ended when the set-up ends."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cloud.setup.entry import Report, SetupError, Stopped, stop

LINES_SHOWN = 12
LINE_LENGTH = 70


def run_logged(
    argv: Sequence[str],
    log: Path,
    report: Report,
    *,
    what: str,
    next_step: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float,
) -> None:
    """Run a program with its output in a log file; report its last line while it runs.

    The program has a session of its own, so that a stop ends all that it started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout
    with log.open("w") as output:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                if stop.wait(0.2):
                    raise Stopped
                if time.monotonic() > deadline:
                    raise SetupError(
                        f"{what} did not end within {timeout:.0f} s (its output: {log}); "
                        f"{next_step}"
                    )
                report(last_line(log) or what)
        finally:
            if process.poll() is None:
                end_group(process)
    if process.returncode != 0:
        tail = "\n  ".join(log.read_text(errors="replace").splitlines()[-LINES_SHOWN:])
        raise SetupError(
            f"{what} ended with {process.returncode}; the end of its output ({log}):\n  {tail}\n"
            f"{next_step}"
        )


def last_line(log: Path) -> str:
    """The last line of a log that is being written, shortened for a progress display."""
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 2048))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:LINE_LENGTH] if lines else ""


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its own session, and all that it started there."""
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
