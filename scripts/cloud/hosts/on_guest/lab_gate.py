"""A verb of the node tool waits on its host for as long as the lab's folder of gates says.

Debian's Python imports this by lab_gate.pth when a program starts with an argument VERB and there
is /run/mysql-ring-lab/verb-VERB: {"id": ..., "at": ..., "host": ..., "seconds": ...}. The
verb is held at its start when `at` is empty, else before its first effect whose name that regular
expression matches from the beginning on; where there is a `host`, only on the host of that name.
It writes verb-VERB.held.ID.HOST.PID with the name of the effect, and goes on when the order is gone
or is another one. After `seconds` it ends with status 70 and says what it waited for.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

FOLDER = Path("/run/mysql-ring-lab")
PAUSE = 0.02
NOT_LET_GO = 70


class Gate:
    def __init__(self, order: Path) -> None:
        self.order = order
        with order.open() as file:  # of one order, should there be another one meanwhile
            self.stamp = _stamp(os.fstat(file.fileno()))
            asked = json.load(file)
        self.id: str = asked["id"]
        self.at: str = asked["at"]
        self.seconds: float = asked["seconds"]
        self.here = asked.get("host") in (None, os.uname().nodename)
        self.passed = False

    def stands(self) -> bool:
        try:
            return _stamp(self.order.stat()) == self.stamp
        except FileNotFoundError:
            return False

    def effect(self, name: str) -> None:
        if not self.passed and re.match(self.at, name):
            self.hold(name)

    def hold(self, what: str) -> None:
        self.passed = True  # what is done to wait is no effect of the program
        who = f"{self.id}.{os.uname().nodename}.{os.getpid()}"
        held = self.order.with_name(f"{self.order.name}.held.{who}")
        draft = held.with_name(f".{held.name}")
        draft.write_text(what)
        draft.rename(held)
        deadline = time.monotonic() + self.seconds
        while self.stands():
            if time.monotonic() > deadline:
                said = f"lab: held at its gate before `{what}`, and not let go for {self.seconds} s"
                os.write(2, f"{said}: {self.order} is still there\n".encode())
                os._exit(NOT_LET_GO)
            time.sleep(PAUSE)


def _stamp(there: os.stat_result) -> tuple[int, int]:
    return there.st_ino, there.st_mtime_ns


def main() -> None:
    words = iter(sys.orig_argv)
    if not any(word.endswith("/ring-node") for word in words):
        return
    verb = next(words, "")
    try:
        gate = Gate(FOLDER / f"verb-{verb}")
    except FileNotFoundError:
        return  # lifted just now
    if not gate.here:
        return
    if gate.at:
        import lab_effects

        lab_effects.listen(gate.effect)
    else:
        gate.hold("its start")


main()
