"""Programs of the host, run with a deadline and without secrets in their arguments."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from ..base.errors import Exit, NodeError, too_late

TAIL = 1500  # characters of a failing program's output that an error quotes


def run(
    command: Sequence[str],
    *,
    seconds: float,
    expected: str,
    next_step: str,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """The program's standard output. A failure quotes the end of what it printed."""
    status, output, problems = attempt(
        command, seconds=seconds, stdin=stdin, environment=environment, next_step=next_step
    )
    if status != 0:
        last = (problems.strip() or output.strip())[-TAIL:] or "it printed nothing"
        found = f"`{' '.join(command)}` ended with {status}: {last}"
        raise NodeError(Exit.HOST, found, expected, next_step)
    return output


def attempt(
    command: Sequence[str],
    *,
    seconds: float,
    next_step: str,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a program that may fail."""
    try:
        result = subprocess.run(
            command,
            input=stdin if stdin is not None else b"",
            capture_output=True,
            timeout=seconds,
            check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
        )
    except subprocess.TimeoutExpired:
        raise too_late(
            f"`{' '.join(command)}` was still running", f"an end within {seconds:.0f} s", next_step
        ) from None
    except FileNotFoundError:
        raise NodeError(
            Exit.HOST, f"no program named {command[0]}", "it on PATH", next_step
        ) from None
    return (
        result.returncode,
        result.stdout.decode(errors="replace"),
        result.stderr.decode(errors="replace"),
    )
