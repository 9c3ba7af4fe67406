"""A node is made anew from its peer, and each step on it is hindered; nothing is lost.

Every verb has its whole work to do: packages and a server to install, data to copy, a ring to
join. The peer takes writes all the time.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cloud.hosts import groups
from conftest import is_back
from hosts import Node
from labs import NODES, Lab
from links import BLACK_HOLE, RESET, broken, ports
from load import Load
from updates import DESTROY_COMMAND, Update
from waits import within

pytestmark = pytest.mark.faults

Figure = Callable[[str, float], None]

TOOL = re.compile(r"python3 \S*/ring-node (\S+)")
STEP_SECONDS = 300
SSH = "tcp dport 22\ntcp sport 22"
ROWS = 20000
# Each verb in the order of the steps, and for how long it has worked when it is killed. The short
# ones are killed while they start: a moment later they may be done.
KILLED = {
    "tools": 0.05,
    "install": 2.0,
    "tls": 0.05,
    "config": 0.05,
    "server": 1.5,
    "accounts": 0.1,
    "seed": 0.5,
    "replicate": 0.2,
    "verify": 0.05,
}


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
        self.hosts = Path("/sys/fs/cgroup/systemd") / survivor.names.control_group
        self.control_group = survivor.names.control_group
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


@pytest.fixture
def rebuild(ring: Lab, nodes: list[Node]) -> Iterator[Rebuild]:
    rebuild = Rebuild(ring, *nodes)
    yield rebuild
    if rebuild.update is not None and rebuild.update.process.poll() is None:
        rebuild.update.kill()


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


def test_a_node_made_anew_under_faults_in_each_of_its_steps_loses_nothing(
    ring: Lab, nodes: list[Node], rebuild: Rebuild, tmp_path: Path, figure: Figure
) -> None:
    survivor, lost = nodes
    clients = ports(survivor)[0].vpc_id
    table = fill(survivor)
    with Load([survivor], tmp_path) as load:
        instance = ring.urn(f"{lost.name}-instance")
        destroy = Update(ring, *DESTROY_COMMAND, "--target", instance, "--target-dependents")
        destroy.reaches(r"aws:ec2:Instance \S+ deleting")
        time.sleep(0.5)
        destroy.kill()

        for verb, moment in KILLED.items():
            for pid in rebuild.at(verb, moment):
                os.kill(pid, signal.SIGKILL)
            rebuild.fails(rf"{lost.name}-\S*{verb}")
            if verb == "tools":
                rebuild.at("install", 1.0)
                new = rebuild.host().rpartition("/")[2]
                ring.aws("ec2", "reboot-instances", "--instance-ids", new)
                rebuild.fails(rf"{lost.name}-mysql-install")
            if verb == "server":
                rebuild.at(verb, 0.2)
                with broken(survivor.names, clients, RESET, SSH):
                    rebuild.fails(rf"{lost.name}-mysql-server")
            if verb == "seed":
                # A pause in the line is not an end of it: this update goes on to the next verb.
                rebuild.at(verb, 0.1)
                with broken(survivor.names, clients, BLACK_HOLE, SSH):
                    time.sleep(5)

        begun = time.monotonic()
        ring.up()
        figure("last up took", time.monotonic() - begun)
        whole = [Node(ring, name) for name in NODES]
        is_back(whole)
        load.nodes = whole
        assert load.reckon() > 0
    sums = [node.rows(f"CHECKSUM TABLE {table}")[0]["Checksum"] for node in whole]
    assert sums[0] == sums[1] is not None
    with survivor.session() as cursor:
        cursor.execute(f"DROP TABLE {table}")
