"""How the command ends: its exit codes, and the error that carries one."""

from collections.abc import Sequence
from typing import Any

DONE = 0
DEFECT = 1
INPUT = 2
REFUSED = 3
UNREACHABLE = 4
HOST = 5
SERVER = 6
BUSY = 7
DEADLINE = 8
NOT_CONFIRMED = 10
INTERRUPTED = 130

MEANING = {
    DONE: "done",
    DEFECT: "a defect of the tool itself",
    INPUT: "wrong arguments: nothing was touched",
    REFUSED: "refused, because it could lose data or break what runs: nothing was changed",
    UNREACHABLE: "a node, its server or S3 does not answer",
    HOST: "a program failed on a node or on this machine, or a disk is full",
    SERVER: "MySQL refused a statement, or does not start; data is not what it should be",
    BUSY: "something else is at work on the node",
    DEADLINE: "something did not come true in time: run it again, it goes on",
    NOT_CONFIRMED: "not confirmed: nothing was changed",
    INTERRUPTED: "interrupted",
}
"""Those below 10 are the codes of `ring-node` (scripts/node/ring_node/base/errors.py), and have its
meanings where a verb on a node ended with one."""


class Unfit(ValueError):
    """Text that a person typed, and what it should be."""


class OpsError(Exception):
    """What was found, what was expected and the next step, for the person at the terminal. Holds no
    secret."""

    def __init__(self, found: str, expected: str, next_step: str, code: int) -> None:
        super().__init__(found)
        self.found, self.expected, self.next_step = found, expected, next_step
        self.code = code

    def render(self) -> str:
        lines = {"found": self.found, "expected": self.expected, "next step": self.next_step}
        return "\n".join(f"ring: {name}: {text}" for name, text in lines.items())

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            "found": self.found,
            "expected": self.expected,
            "next_step": self.next_step,
            "code": self.code,
        }


class Mistakes(OpsError):
    """All that is wrong with what was typed."""

    def __init__(self, mistakes: Sequence[str], command: str) -> None:
        super().__init__("; ".join(mistakes), "none of that", f"`{command} --help`", INPUT)
        self.mistakes = tuple(mistakes)

    def render(self) -> str:
        lines = [*self.mistakes, f"next step: {self.next_step}; nothing was touched"]
        return "\n".join(f"ring: {line}" for line in lines)
