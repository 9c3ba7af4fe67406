"""A lab as the tests use it: by the commands a person types. Shared by the tiers that need one."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
NODES = ("node-1", "node-2")
PEER = {"node-1": "node-2", "node-2": "node-1"}
STATE = "state/.pulumi/stacks/mysql-ring/lab.json"
"""The state of the stack, in the lab's folder."""
UP_SECONDS = 1200
COMMAND_SECONDS = 120

T = TypeVar("T")
Stamp = tuple[int, int, int]


class CommandFailed(AssertionError):
    """A command of the lab ended with another exit code than the test expected."""


class Lab:
    """The lab's command line, as a person uses it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = dict(os.environ, MYSQL_RING_LAB=str(folder))
        self._outputs: tuple[Stamp | None, dict[str, Any]] = (None, {})

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(ROOT / "scripts" / "lab"), *arguments],
            env=self.environment,
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )

    def run(
        self,
        *arguments: str,
        stdin: str = "",
        timeout: float = COMMAND_SECONDS,
        expect: int | None = 0,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(ROOT / "scripts" / "lab"), *arguments],
            env=self.environment,
            cwd=ROOT,
            text=True,
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        if expect is not None and done.returncode != expect:
            raise CommandFailed(
                f"scripts/lab {' '.join(arguments)} ended with {done.returncode}, expected "
                f"{expect}\n--- stdout\n{done.stdout[-6000:]}\n--- stderr\n{done.stderr[-6000:]}"
            )
        return done

    def up(self) -> str:
        return self.run("up", timeout=UP_SECONDS).stdout

    def pulumi(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        options.setdefault("timeout", UP_SECONDS)
        return self.run("pulumi", *arguments, **options)

    def aws(self, *arguments: str) -> Any:
        text = self.run("aws", "--output", "json", *arguments).stdout
        return json.loads(text) if text.strip() else {}

    def ssh(self, node: str, *command: str, **options: Any) -> str:
        return self.run("ssh", node, *command, **options).stdout

    def sql(self, node: str, statement: str, **options: Any) -> list[list[str]]:
        """The rows of one statement, without the heading, run as root on `node`."""
        lines = self.run("mysql", node, "-e", statement, **options).stdout.splitlines()
        return [line.split("\t") for line in lines[1:]]

    def value(self, node: str, statement: str) -> str:
        rows = self.sql(node, statement)
        assert rows, f"{statement!r} gave no row on {node}"
        return rows[0][0]

    def slave_status(self, node: str) -> dict[str, str]:
        text = self.run("mysql", node, "-e", "SHOW SLAVE STATUS\\G").stdout
        pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
        return {name.strip(): value.strip() for name, value in pairs}

    def status(self, node: str) -> dict[str, Any]:
        return json.loads(self.ssh(node, "sudo /opt/mysql-ring/current/ring-node status"))

    def stamp(self) -> Stamp:
        """Another one after each change of the stack's state."""
        there = (self.folder / STATE).stat()
        return there.st_ino, there.st_mtime_ns, there.st_size

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs with their secrets; asked again when the state has changed."""
        stamp = self.stamp()
        if self._outputs[0] != stamp:
            done = self.pulumi("stack", "output", "--json", "--show-secrets")
            self._outputs = stamp, json.loads(done.stdout)
        return self._outputs[1]

    def resources(self) -> list[dict[str, Any]]:
        exported = json.loads(self.pulumi("stack", "export").stdout)
        return exported["deployment"].get("resources", [])

    def urn(self, name: str) -> str:
        found = [r["urn"] for r in self.resources() if r["urn"].endswith(f"::{name}")]
        assert len(found) == 1, f"{len(found)} resources are named {name}: {found}"
        return found[0]

    def settings_with(self, **changes: Any) -> Path:
        """A copy of the lab stack's settings file with some settings changed."""
        document = yaml.safe_load((self.folder / "Pulumi.lab.yaml").read_text())
        for name, value in changes.items():
            document["config"][f"mysql-ring:{name}"] = value
        changed = self.folder / "Pulumi.changed.yaml"
        changed.write_text(yaml.safe_dump(document))
        return changed

    def id(self) -> str:
        return json.loads((self.folder / "lab.json").read_text())["id"]


def eventually(
    read: Callable[[], T], holds: Callable[[T], bool], what: str, seconds: float = 30
) -> T:
    """Read until it holds; an error that names the last value when the deadline passes."""
    deadline = time.monotonic() + seconds
    while True:
        value = read()
        if holds(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s; last seen: {value!r}")
        time.sleep(0.3)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The session's lab. Nothing is in it yet when the first test asks for it."""
    lab = Lab(Path(os.environ.get("MYSQL_RING_LAB", ROOT / ".lab-test")))
    yield lab
    lab.run("down", "--yes", timeout=300)


@pytest.fixture(scope="session")
def first_up(lab: Lab) -> str:
    """What the first `scripts/lab up` of the session printed."""
    return lab.up()


@pytest.fixture
def ring(lab: Lab, first_up: str) -> Lab:
    """A verified ring that the test may write to but not take apart."""
    assert first_up
    return lab
