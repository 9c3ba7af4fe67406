"""A node copies its peer, and the link, a volume, a server or both hosts fail in the middle.

Whatever breaks: the peer goes on serving, nothing of the copy is left, the data that the node had
is in its place, and another run copies anew. The link breaks, or a volume is filled, while the
stream is held with a part of it passed.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from conftest import is_back
from hosts import Node
from labs import SETTLE, Lab, hostname
from links import BLACK_HOLE, RESET, broken, dropped, ports
from load import Load
from waits import BOOT_SECONDS, HEALED_SECONDS, NOTICED_SECONDS, PATIENCE, within

pytestmark = pytest.mark.updates

TOOL = "sudo /opt/mysql-ring/current/ring-node"
RECEIVING, SENDING = "go on with what is received", "go on with what is sent"
LOCKED = "send UNLOCK TABLES"
WAITS = (
    "SELECT id FROM information_schema.processlist WHERE user = 'app'"
    " AND state = 'Waiting for global read lock'"
)
VOLUME = "/srv/mysql-ring"
LEFT = f"ls {VOLUME}/arriving {VOLUME}/snapshots; pgrep -af '[r]ing-node (send|rejoin)' || true"
NOTHING = [f"{VOLUME}/arriving:", f"{VOLUME}/snapshots:"]
SLOW = "limit rate over 60 mbytes/second drop"
COPY_SECONDS = 180


class Copy:
    """`rejoin --discard` on the node that copies."""

    def __init__(self, ring: Lab, node: Node) -> None:
        words = f"{TOOL} rejoin --discard {node.name} 2>&1"
        self.process = ring.popen_on(node.name, words)

    def end(self) -> tuple[int, str]:
        said, _ = self.process.communicate(timeout=COPY_SECONDS * PATIENCE)
        return self.process.returncode, said


@contextmanager
def held(ring: Lab, node: Node, verb: str, at: str, copies: Node) -> Iterator[Copy]:
    """A copy that is under way, held there inside."""
    with ring.gates.verb(verb, at, host=hostname(ring, node.name)) as gate:
        copy = Copy(ring, copies)
        gate.wait()
        yield copy


def incarnation(node: Node) -> str:
    return node.run("readlink", "-f", f"{VOLUME}/current").strip()


def nothing_is_left(nodes: list[Node]) -> None:
    for node in nodes:
        within(
            HEALED_SECONDS,
            f"nothing of the copy on {node.name}",
            lambda node=node: node.run("sh", "-c", LEFT).split(),
            lambda found: found == NOTHING,
        )


def goes_on(load: Load) -> None:
    """The writer on the peer is acknowledged more."""
    before = load.writers[0].acknowledged
    within(NOTICED_SECONDS, "more is acknowledged", lambda: load.writers[0].acknowledged > before)


def the_ring_is_as_before(nodes: list[Node], had: str) -> None:
    nothing_is_left(nodes)
    assert incarnation(nodes[1]) == had, "the data that the node had is in its place"
    is_back(nodes, 2 * HEALED_SECONDS)


def all_is_as_before(nodes: list[Node], load: Load, had: str) -> None:
    the_ring_is_as_before(nodes, had)
    load.nodes = nodes
    assert load.reckon() > 0


def copied_anew(ring: Lab, nodes: list[Node], load: Load, had: str) -> None:
    status, said = Copy(ring, nodes[1]).end()
    assert status == 0, said
    ring.ssh(nodes[0].name, f"{TOOL} rejoin")
    assert incarnation(nodes[1]) != had
    nothing_is_left(nodes)
    is_back(nodes)
    load.nodes = nodes
    assert load.reckon() > 0


@pytest.mark.parametrize(
    ("how", "because"),
    [
        (RESET, "the link to node-1 broke|node-1 ended the connection"),
        (BLACK_HOLE, "nothing moved between here and node-1"),
    ],
    ids=["refused", "black hole"],
)
def test_a_copy_whose_link_breaks_in_the_middle_is_given_up_and_made_anew(
    ring: Lab, nodes: list[Node], tmp_path: Path, how: str, because: str
) -> None:
    had = incarnation(nodes[1])
    with Load(nodes[:1], tmp_path) as load:
        with ExitStack() as fault:
            with held(ring, nodes[1], "rejoin", RECEIVING, nodes[1]) as copy:
                fault.enter_context(broken(nodes[0].names, ports(nodes[0])[1].vpc_id, how))
            status, said = copy.end()
            goes_on(load)
        assert status != 0
        assert re.search(because, said), said
        assert load.writers[0].failures == 0, "the peer served all the time"
        the_ring_is_as_before(nodes, had)
        copied_anew(ring, nodes, load, had)


def test_a_copy_over_a_slow_link_goes_on_to_its_end(
    ring: Lab, nodes: list[Node], tmp_path: Path
) -> None:
    had, vpc = incarnation(nodes[1]), ports(nodes[0])[1].vpc_id
    with Load(nodes[:1], tmp_path) as load, broken(nodes[0].names, vpc, SLOW):
        copied_anew(ring, nodes, load, had)
        assert dropped(nodes[0].names, vpc) > 0, "the link was slow"
        assert load.writers[0].failures == 0


def test_a_snapshot_gives_way_when_the_volume_of_the_peer_runs_short_and_its_server_runs_on(
    ring: Lab, nodes: list[Node], tmp_path: Path
) -> None:
    had, server = incarnation(nodes[1]), nodes[0].mysqld()
    filler = f"{VOLUME}/filler"
    size = f"$(( $(df --output=avail --block-size=1M {VOLUME} | tail -1) - 200 ))M"
    with Load(nodes[:1], tmp_path) as load:
        try:
            with held(ring, nodes[0], "send", SENDING, nodes[1]) as copy:
                nodes[0].run("sh", "-c", f"ls -d {VOLUME}/snapshots/*")
                nodes[0].run("sh", "-c", f"{SETTLE} && fallocate --length {size} {filler}")
                within(
                    NOTICED_SECONDS,
                    "the snapshot is gone",
                    lambda: nodes[0].run("ls", f"{VOLUME}/snapshots").split(),
                    lambda found: found == [],
                )
                goes_on(load)
            status, said = copy.end()
        finally:
            nodes[0].run("rm", "-f", filler)
        assert status != 0
        assert "the snapshot was dropped" in said, said
        assert nodes[0].mysqld() == server
        assert load.writers[0].failures == 0
        all_is_as_before(nodes, load, had)


def test_a_peer_whose_server_is_killed_under_the_lock_comes_back_and_is_not_copied(
    ring: Lab, nodes: list[Node], tmp_path: Path
) -> None:
    had = incarnation(nodes[1])
    with Load(nodes[:1], tmp_path) as load:
        with held(ring, nodes[0], "send", LOCKED, nodes[1]) as copy:
            within(NOTICED_SECONDS, "a writer waits", lambda: nodes[0].rows(WAITS))
            before = load.writers[0].acknowledged
            assert nodes[0].rows(WAITS), "nobody writes under the lock"
            assert load.writers[0].acknowledged == before
            nodes[0].kill_server()
        status, said = copy.end()
        assert status != 0
        assert "ring-node: found:" in said, said
        all_is_as_before(nodes, load, had)


def test_both_hosts_rebooted_in_the_middle_of_a_copy_end_in_the_ring_that_was(
    ring: Lab, nodes: list[Node], tmp_path: Path, figure: Callable[[str, float], None]
) -> None:
    had = incarnation(nodes[1])
    with Load(nodes[:1], tmp_path) as load:
        with held(ring, nodes[1], "rejoin", RECEIVING, nodes[1]) as copy:
            assert nodes[1].run("ls", f"{VOLUME}/arriving").split(), "a part has come"
            begun = time.monotonic()
            ring.aws("ec2", "reboot-instances", "--instance-ids", *(node.id for node in nodes))
        status, _ = copy.end()
        assert status != 0
        within(BOOT_SECONDS, "the writer was cut off", lambda: load.writers[0].failures > 0)
        is_back(nodes, 3 * BOOT_SECONDS)
        figure("healed after", time.monotonic() - begun)
        all_is_as_before(nodes, load, had)
