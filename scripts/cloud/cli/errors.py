"""Exit codes of scripts/lab and the error that carries one."""

DONE = 0
FAILED = 1
USAGE = 2
BUSY = 3
NOT_CONFIRMED = 4
NOT_UP = 5
UNHEALTHY = 9
MACHINE = 69
INTERRUPTED = 130

MEANING = {
    DONE: "done",
    FAILED: "a step failed",
    USAGE: "wrong arguments",
    BUSY: "another command works on this lab",
    NOT_CONFIRMED: "not confirmed: nothing was changed",
    NOT_UP: "the lab is not up",
    UNHEALTHY: "status only: a node is not healthy or does not answer",
    MACHINE: "the machine lacks something that the lab needs",
    INTERRUPTED: "interrupted",
}


class LabError(Exception):
    """What was found, what was expected and the next step, for the person at the terminal."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
