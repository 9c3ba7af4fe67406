"""The verbs of the node tool, run as the program runs them, and killed at all that they do."""

import json
import re
import subprocess
from collections.abc import Callable, Sequence
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
RING_NODE = "/opt/mysql-ring/current/ring-node"
# `send` is started by systemd, for each connection: it is cut like the others by a drop-in.
DROPPED = "/run/systemd/system/mysql-ring-copy@.service.d"
SAID = "/run/mysql-ring-cut.said"
DROP_IN = """\
[Service]
ExecStart=
ExecStart={harness}
StandardError=append:{said}
"""
SENT = (
    "while systemctl list-units --no-legend 'mysql-ring-copy@*.service' | grep -q .;"
    " do sleep 0.05; done"
)
BY_HAND = ("rejoin", "archive", "purge", "backup", "restore-ring")  # what no step runs
UNREACHABLE = 4  # exit code of ring-node
VERB_SECONDS = 120
MOST_CUTS = 120
NONE = "(?!)"


class Verbs:
    """The steps of a ring as they are now, for its hosts as they will be."""

    def __init__(self, lab: Lab) -> None:
        folder = Folder(lab.folder, Folder.from_environment().cache)
        self.nodes = Nodes(folder)
        self._steps = plan(lab.exported(), self.nodes.all)["steps"]
        self._environment = environment(folder)
        self._replaced: dict[str, str] = {}

    def replaced(self, old: str, new: str) -> None:
        """A document that names one instance or volume means another one from here on."""
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
        passed: str = NONE,
        until: str = NONE,
        after: Callable[[str], None] = lambda _: None,
    ) -> list[str]:
        """Kill a verb once at each of its effects but the known ones, and then let it end; or kill
        it last at one that matches `until`. Effects that match `passed` are not cut. The cuts;
        `after` each."""
        cuts: list[str] = []
        known = list(known)
        while len(cuts) < MOST_CUTS:
            done, said = self._killed(node, verb, document, known, passed)
            if "cut" in said:
                cuts.append(said["cut"])
                known.append(said["cut"])
                after(said["cut"])
                if re.match(until, said["cut"]):
                    return cuts
                continue
            assert done.returncode == 0, f"{verb} after {cuts[-3:]}: {done.stderr[-3000:]}"
            assert until is NONE, f"{verb} ended before {until}: {cuts[-10:]}"
            _result(done)
            return cuts
        raise AssertionError(f"{verb} was killed {MOST_CUTS} times and has no end: {cuts[-10:]}")

    def cut_once(
        self, node: str, verb: str, document: str, known: Sequence[str], passed: str
    ) -> str:
        """Kill a verb at its first effect that is not known and does not match `passed`. That
        effect."""
        done, said = self._killed(node, verb, document, known, passed)
        assert "cut" in said, f"{verb} ended with {done.returncode}: {done.stderr[-3000:]}"
        return said["cut"]

    def cut_sender(
        self, sender: str, receiver: str, known: Sequence[str], after: Callable[[str], None]
    ) -> list[str]:
        """Kill `send`, which the sender's socket starts, once at each of its effects, and the
        receiver's seed when all came: at its first effect that is not known. The sender's cuts;
        `after` each."""
        harness = f"/usr/bin/python3 {PLACE} {CUTS} {RING_NODE} send"
        drop_in = DROP_IN.format(harness=harness, said=SAID)
        self._ssh(sender, f"sudo mkdir -p {DROPPED} && sudo tee {DROPPED}/cut.conf", drop_in, 0)
        self.shell(sender, "sudo systemctl daemon-reload")
        cuts: list[str] = []
        early = list(known)
        try:
            while len(cuts) < MOST_CUTS:
                self._write_cuts(sender, cuts, NONE)
                self.shell(sender, f"sudo rm --force {SAID}")
                done, received = self._killed(receiver, "seed", None, early, NONE)
                self.shell(sender, SENT)
                said = _said(self.shell(sender, f"sudo cat {SAID} || echo 'sender: not started'"))
                if "sender" in said:
                    # Before it a program was at work for long enough, this time, to be cut in that.
                    assert "cut" in received, f"seed: {done.returncode}: {done.stderr[-3000:]}"
                    early.append(received["cut"])
                    assert len(early) < MOST_CUTS
                    continue
                if "cut" not in said:
                    assert "cut" in received, f"seed: {done.returncode}: {done.stderr[-3000:]}"
                    return cuts
                if "cut" not in received:
                    assert done.returncode == UNREACHABLE, (said["cut"], done.stderr[-3000:])
                cuts.append(said["cut"])
                after(said["cut"])
        finally:
            self.shell(sender, f"sudo rm -r {DROPPED}; sudo systemctl daemon-reload")
        raise AssertionError(f"send was killed {MOST_CUTS} times and has no end: {cuts[-10:]}")

    def _write_cuts(self, node: str, known: Sequence[str], passed: str) -> None:
        self._ssh(node, f"sudo tee {CUTS} >/dev/null", "\n".join([passed, *known]), 0)

    def _killed(
        self, node: str, verb: str, document: str | None, known: Sequence[str], passed: str
    ) -> tuple["subprocess.CompletedProcess[str]", dict[str, str]]:
        """Run a verb until its first effect that is not known; what it said of where it was cut."""
        command, own = self._step(node, verb)
        entry = command[: -len(verb)].split()[-1]
        self._write_cuts(node, known, passed)
        done = self._ssh(
            node,
            f"sudo python3 {PLACE} {CUTS} {entry} {verb}",
            own if document is None else document,
        )
        said = _said(done.stderr)
        if "cut" in said:
            assert done.returncode != 0, f"killed at {said['cut']}: it ended with 0"
            assert '"changed"' not in done.stdout, f"killed at {said['cut']}: it had ended"
        return done, said

    def _step(self, node: str, verb: str) -> tuple[str, str]:
        """Its command and its document."""
        if verb.split()[0] in BY_HAND:
            return f"sudo {RING_NODE} {verb}", ""
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


def _said(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


def _result(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    return json.loads(done.stdout.splitlines()[-1])
