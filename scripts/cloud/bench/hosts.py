"""The bench's own tool on the nodes: delivered, run, asked."""

import json
import shlex
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from cloud.cli.errors import LabError
from cloud.cli.nodes import Nodes
from cloud.cli.surroundings import environment

TOOL = Path(__file__).with_name("on_host.py")
PLACE = "/run/mysql-ring-bench.py"
SECONDS = 300
T = TypeVar("T")


class Hosts:
    """Both nodes of the ring in the bench's lab."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.names = sorted(nodes.all)
        self._environment = environment(nodes.lab)
        self.both(lambda name: self.run(name, f"sudo tee {PLACE} >/dev/null", TOOL.read_text()))

    def both(self, work: Callable[[str], T]) -> dict[str, T]:
        """Do something with both nodes side by side."""
        with ThreadPoolExecutor(len(self.names)) as pool:
            futures = {name: pool.submit(work, name) for name in self.names}
            return {name: future.result() for name, future in futures.items()}

    def peer(self, name: str) -> str:
        return next(other for other in self.names if other != name)

    def run(self, name: str, command: str, stdin: str = "", *, seconds: float = SECONDS) -> str:
        """The output of a command on a node; LabError when it fails."""
        done = subprocess.run(
            self.nodes.ssh(name, command),
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        if done.returncode != 0:
            raise LabError(
                f"`{command}` on {name} ended with {done.returncode}: "
                f"{done.stderr.strip()[-800:]}; expected 0; correct that and run the bench again"
            )
        return done.stdout

    def ask(
        self, name: str, verb: str, *arguments: str, stdin: str = "", seconds: float = SECONDS
    ) -> Any:
        """What a verb of the bench's tool answers."""
        command = shlex.join(["sudo", "python3", PLACE, verb, *arguments])
        return json.loads(self.run(name, command, stdin, seconds=seconds))

    def start(self, name: str, verb: str, *arguments: str) -> "subprocess.Popen[str]":
        """A verb that goes on; its first line says that it is at work."""
        command = shlex.join(["sudo", "python3", PLACE, verb, *arguments])
        process = subprocess.Popen(
            self.nodes.ssh(name, command),
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise LabError(f"`{verb}` of the bench's tool did not start on {name}; see its stderr")
        return process
