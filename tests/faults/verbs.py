"""The verbs of the node tool, run as the program runs them, and killed at all that they do."""

import json
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cloud.bench.plan import plan
from cloud.cli.nodes import Nodes
from cloud.cli.surroundings import environment
from cloud.lab import Lab as Folder
from labs import Lab
from waits import PATIENCE

TOOL = Path(__file__).with_name("cut.py")
PLACE = "/run/mysql-ring-cut.py"
CUTS = "/run/mysql-ring-cuts"
VERB_SECONDS = 120
MOST_CUTS = 120


class Verbs:
    """The steps of a ring as they are now, for its hosts as they will be."""

    def __init__(self, lab: Lab) -> None:
        folder = Folder(lab.folder, Folder.from_environment().cache)
        exported = lab.pulumi("stack", "export", "--show-secrets").stdout
        self.nodes = Nodes(folder)
        self._steps = plan(json.loads(exported), self.nodes.all)["steps"]
        self._environment = environment(folder)
        self._replaced: dict[str, str] = {}

    def replaced(self, old: str, new: str) -> None:
        """A document that names one instance means another one from here on."""
        self._replaced[old] = new

    def deliver(self, node: str) -> None:
        self._ssh(node, f"sudo tee {PLACE} >/dev/null", TOOL.read_text(), expect=0)

    def shell(self, node: str, command: str) -> str:
        return self._ssh(node, command, "", expect=0).stdout.strip()

    def document(self, node: str, verb: str) -> str:
        return self._step(node, verb)[1]

    def run(self, node: str, verb: str, document: str | None = None) -> dict[str, Any]:
        """Run a verb to its end: what it says that it did."""
        command, own = self._step(node, verb)
        return _result(self._ssh(node, command, own if document is None else document, expect=0))

    def cut(
        self,
        node: str,
        verb: str,
        document: str | None = None,
        known: Sequence[str] = (),
    ) -> list[str]:
        """Kill a verb once at each of its effects but the known ones, and then let it end. The
        cuts."""
        cuts: list[str] = []
        known = list(known)
        while len(cuts) < MOST_CUTS:
            done, said = self._killed(node, verb, document, known)
            if "cut" in said:
                cuts.append(said["cut"])
                known.append(said["cut"])
                continue
            assert done.returncode == 0, f"{verb} after {cuts[-3:]}: {done.stderr[-3000:]}"
            _result(done)
            return cuts
        raise AssertionError(f"{verb} was killed {MOST_CUTS} times and has no end: {cuts[-10:]}")

    def cut_once(self, node: str, verb: str, document: str, known: Sequence[str]) -> str:
        """Kill a verb at its first effect that is not known. That effect."""
        done, said = self._killed(node, verb, document, known)
        assert "cut" in said, f"{verb} ended with {done.returncode}: {done.stderr[-3000:]}"
        return said["cut"]

    def _killed(
        self, node: str, verb: str, document: str | None, known: Sequence[str]
    ) -> tuple["subprocess.CompletedProcess[str]", dict[str, str]]:
        """Run a verb until its first effect that is not known; what it said of where it was cut."""
        command, own = self._step(node, verb)
        entry, name = command.split()[-2:]
        harness = f"sudo python3 {PLACE} {CUTS} {entry} {name}"
        lines = shlex.quote("\n".join(known))
        done = self._ssh(
            node,
            f"echo {lines} | sudo tee {CUTS} >/dev/null; {harness}",
            own if document is None else document,
        )
        said = dict(line.split(": ", 1) for line in done.stderr.splitlines() if ": " in line)
        if "cut" in said:
            assert done.returncode != 0, f"killed at {said['cut']}: it ended with 0"
            assert '"changed"' not in done.stdout, f"killed at {said['cut']}: it had ended"
        return done, said

    def _step(self, node: str, verb: str) -> tuple[str, str]:
        (step,) = (
            step
            for step in self._steps
            if step["node"] == node and (step["command"] or "").endswith(f"ring-node {verb}")
        )
        document = step["stdin"]
        for old, new in self._replaced.items():
            document = document.replace(old, new)
        return step["command"], document

    def _ssh(
        self, node: str, command: str, stdin: str, expect: int | None = None
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            self.nodes.ssh(node, command),
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=VERB_SECONDS * PATIENCE,
            check=False,
        )
        if expect is not None:
            assert done.returncode == expect, f"{node}: {command}: {done.stderr[-3000:]}"
        return done


def _result(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    return json.loads(done.stdout.splitlines()[-1])
