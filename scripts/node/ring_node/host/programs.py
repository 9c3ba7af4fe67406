"""Programs of the host, run with a deadline and without secrets in their arguments."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..base.errors import Exit, NodeError, too_late

TAIL = 1500  # characters of a failing program's output that an error quotes
# A program must not go on behind the back of a verb that was killed.
DIES_WITH_VERB = ("setpriv", "--pdeathsig", "KILL", "--")


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
        raise failed(command, status, problems.strip() or output.strip(), expected, next_step)
    return output


def failed(
    command: Sequence[str], status: int, said: str, expected: str, next_step: str
) -> NodeError:
    last = said[-TAIL:] or "it printed nothing"
    found = f"`{' '.join(command)}` ended with {status}: {last}"
    return NodeError(Exit.HOST, found, expected, next_step)


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
            env=_surroundings(environment),
        )
    except subprocess.TimeoutExpired:
        raise _still_running(command, seconds, next_step) from None
    except FileNotFoundError:
        raise _unknown(command, next_step) from None
    return (
        result.returncode,
        result.stdout.decode(errors="replace"),
        result.stderr.decode(errors="replace"),
    )


def _surroundings(environment: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})}


def _still_running(command: Sequence[str], seconds: float, next_step: str) -> NodeError:
    return too_late(
        f"`{' '.join(command)}` was still running", f"an end within {seconds:.0f} s", next_step
    )


def _unknown(command: Sequence[str], next_step: str) -> NodeError:
    return NodeError(Exit.HOST, f"no program named {command[0]}", "it on PATH", next_step)


def elf_machine(path: Path) -> str:
    """What machine an ELF program is for, by its header (ELF specification, e_machine)."""
    with path.open("rb") as stream:
        header = stream.read(20)
    if header[:4] != b"\x7fELF" or len(header) < 20:
        return "no Linux at all (it is not an ELF program)"
    number = int.from_bytes(header[18:20], "little" if header[5] == 1 else "big")
    return {62: "x86-64", 183: "aarch64", 3: "i386"}.get(number, f"ELF machine {number}")
