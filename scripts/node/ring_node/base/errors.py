"""Failures of the node tool, each with the exit code that its caller sees."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `ring-node`. docs/operations.md quotes this table."""

    OK = 0
    INTERNAL = 1  # a defect of the tool itself
    INPUT = 2  # the arguments or the document on stdin are wrong
    REFUSED = 3  # acting could lose data or break what runs; nothing was changed
    UNREACHABLE = 4  # the peer, the mirror or the own server does not answer
    HOST = 5  # a program of the host failed: apt-get, systemctl, tar
    SERVER = 6  # MySQL refused a statement, or does not start
    BUSY = 7  # another verb holds this host's lock
    DEADLINE = 8  # something did not come true in time; running the verb again continues
    UNHEALTHY = 9  # `status` found problems; it has printed them


class NodeError(Exception):
    """What was found, what was expected and the next step. Never holds a secret."""

    def __init__(self, code: Exit, found: str, expected: str, next_step: str) -> None:
        super().__init__(found)
        self.code = code
        self.found = found
        self.expected = expected
        self.next_step = next_step

    def render(self) -> str:
        return (
            f"ring-node: found: {self.found}\n"
            f"           expected: {self.expected}\n"
            f"           next step: {self.next_step}"
        )


def wrong_input(found: str, expected: str) -> NodeError:
    return NodeError(
        Exit.INPUT, found, expected, "correct the document that is given on standard input"
    )


def refused(found: str, expected: str, next_step: str) -> NodeError:
    return NodeError(Exit.REFUSED, found, expected, next_step)


def too_late(found: str, expected: str, next_step: str) -> NodeError:
    return NodeError(Exit.DEADLINE, found, expected, next_step)
