"""A thing that the agent does again and again, in a thread of its own."""

from __future__ import annotations

import sys
import threading
import time

import pymysql

from ..base.errors import NodeError


class Loop:
    """`step` is done every `period` seconds. What it raises is told once and tried again; a step
    has deadlines for all that it waits for, so that a loop is never lost."""

    name = ""
    period = 1.0

    def __init__(self) -> None:
        self._said = ""

    def start(self) -> None:
        threading.Thread(target=self._run, name=self.name, daemon=True).start()

    def step(self) -> None:
        raise NotImplementedError

    def failed(self, problem: str) -> None:
        """The step did not succeed: connections of its own are not to be used again."""
        raise NotImplementedError

    def say(self, what: str) -> None:
        """In the journal, once and not at each step."""
        if what != self._said:
            print(f"{self.name}: {what}", file=sys.stderr, flush=True)
        self._said = what

    def _run(self) -> None:
        while True:
            due = time.monotonic() + self.period
            try:
                self.step()
            except (NodeError, pymysql.err.MySQLError, OSError, ValueError) as error:
                problem = _said(error)
                self.say(problem)
                self.failed(problem)
            time.sleep(max(0.0, due - time.monotonic()))


def _said(error: Exception) -> str:
    return str(error.args[-1] if error.args else type(error).__name__)
