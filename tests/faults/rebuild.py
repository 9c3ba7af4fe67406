"""A node that is made anew from its peer by updates that fail on the way."""

import contextlib
import re
import time
from pathlib import Path

import pytest
from cloud import groups
from hosts import Node
from labs import Lab
from updates import Update
from waits import within

TOOL = re.compile(r"python3 \S*/ring-node (\S+)")
STEP_SECONDS = 300
ROWS = 20000


def working(group: str, verb: str) -> set[int]:
    """Processes of the node tool on a host that are at a verb."""
    found = set()
    for pid in groups.processes(group):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            match = TOOL.search(words)
            if match and match[1] == verb and not words.startswith("sudo"):
                found.add(pid)
    return found


class Rebuild:
    """The updates that make a node anew, one after the other as each is hindered."""

    def __init__(self, lab: Lab, survivor: Node, lost: Node) -> None:
        self.lab = lab
        self.known = {survivor.id, lost.id}
        self.control_group = survivor.names.control_group
        tops = (hierarchy / self.control_group for hierarchy in groups.HIERARCHIES)
        self.hosts = next(top for top in tops if top.is_dir())
        self.update: Update | None = None

    def host(self) -> str:
        """Control group of the host that is new."""
        fresh = {each.name for each in self.hosts.glob("i-*")} - self.known
        assert len(fresh) == 1, fresh
        return f"{self.control_group}/{fresh.pop()}"

    def at(self, verb: str, moment: float) -> set[int]:
        """Run an update until the verb has worked on the new host for so long."""
        if self.update is None:
            self.update = Update(self.lab, "up")

        def look() -> set[int]:
            assert self.update is not None
            if self.update.process.poll() is not None:
                pytest.fail(f"the update ended before {verb}:\n{self.update.text[-4000:]}")
            return working(self.host(), verb)

        pids, _ = within(STEP_SECONDS, f"`ring-node {verb}` at work", look, pause=0.01)
        time.sleep(moment)
        return pids

    def fails(self, because: str) -> None:
        """The update ends with an error that names the step."""
        assert self.update is not None
        assert self.update.end() != 0, because
        assert re.search(because, self.update.text), self.update.text[-4000:]
        self.update = None


def fill(node: Node) -> str:
    """A table with rows that make the copy last."""
    table = f"app.fill_{time.time_ns()}"
    with node.session() as cursor:
        cursor.execute(f"CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, t CHAR(200))")
        cursor.execute(f"INSERT INTO {table} (t) VALUES (REPEAT('x', 200))")
        rows = 1
        while rows < ROWS:
            rows += cursor.execute(f"INSERT INTO {table} (t) SELECT t FROM {table}")
    return table
