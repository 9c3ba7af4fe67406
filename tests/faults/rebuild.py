"""A node that is made anew from its peer by updates that fail on the way."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cloud import groups
from gates import inner_pid, outer_pid
from hosts import Node
from labs import Lab, hostname
from updates import Update

ROWS = 20000


class Rebuild:
    """The updates that make a node anew, one after the other as each is hindered."""

    def __init__(self, lab: Lab, survivor: Node, lost: Node) -> None:
        self.lab = lab
        self.known = {survivor.id, lost.id}
        self.hostname = hostname(lab, lost.name)
        self.control_group = survivor.names.control_group
        tops = (hierarchy / self.control_group for hierarchy in groups.HIERARCHIES)
        self.hosts = next(top for top in tops if top.is_dir())
        self.update: Update | None = None

    def host(self) -> str:
        """Control group of the host that is new."""
        fresh = {each.name for each in self.hosts.glob("i-*")} - self.known
        assert len(fresh) == 1, fresh
        return f"{self.control_group}/{fresh.pop()}"

    @contextmanager
    def held(self, verb: str, at: str = "") -> Iterator[int]:
        """Run an update until the verb is held on the new host, before an effect or at its start.
        Its process, as the machine numbers it."""
        with self.lab.gates.verb(verb, at, host=self.hostname) as gate:
            if self.update is None:
                self.update = Update(self.lab, "up")
            (note,) = gate.wait(by=self.update)
            yield outer_pid(groups.processes(self.host()), inner_pid(note))

    def killed(self, verb: str, at: str = "") -> None:
        with self.held(verb, at) as pid:
            os.kill(pid, signal.SIGKILL)

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
