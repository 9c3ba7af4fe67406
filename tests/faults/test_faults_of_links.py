"""The replication link breaks while both nodes take writes; it heals, and so does the ring."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from conftest import is_back
from hosts import Node
from links import BLACK_HOLE, RESET, broken, dropped, ports, unplugged
from load import Load
from waits import HELD_SECONDS, NOTICED_SECONDS, SLAVE_NET_TIMEOUT, within

pytestmark = pytest.mark.faults

SHORT_TIMEOUT = 10

Figure = Callable[[str, float], None]


def gap(load: Load, nodes: list[Node]) -> bool:
    """Whether each node took writes that the other one does not have."""
    counts = [
        {
            row["node"]: row["n"]
            for row in node.rows(f"SELECT node, COUNT(*) AS n FROM {load.table} GROUP BY node")
        }
        for node in nodes
    ]
    first, second = (node.name for node in nodes)
    return counts[0][first] > counts[1][first] + 5 and counts[1][second] > counts[0][second] + 5


def test_a_black_hole_shows_in_the_heartbeat_while_the_threads_say_yes(
    nodes: list[Node], load: Load, figure: Figure
) -> None:
    vpc = ports(nodes[0])[1].vpc_id
    with broken(nodes[0].names, vpc, BLACK_HOLE):
        begun = time.monotonic()
        # Both at the same look: the threads say Yes for 11 s only.
        within(
            NOTICED_SECONDS,
            "the heartbeats show what the threads hide",
            lambda: [(node.heartbeat_age(), node.threads()) for node in nodes],
            lambda seen: all(age > 4000 and threads == ("Yes", "Yes") for age, threads in seen),
        )
        figure("noticed after", time.monotonic() - begun)
        for node in nodes:
            within(
                30, f"{node.name} gives the link up", node.threads, lambda seen: seen[0] != "Yes"
            )
            figure(f"given up on {node.name} after", time.monotonic() - begun)
        load.advance()
        time.sleep(max(0.0, SLAVE_NET_TIMEOUT + 5 - (time.monotonic() - begun)))
        assert gap(load, nodes)
        assert dropped(nodes[0].names, vpc) > 0
    figure("ring whole after", is_back(nodes))
    assert load.reckon() > 0


@contextmanager
def short_timeout(nodes: list[Node]) -> Iterator[None]:
    """A slave_net_timeout that a test outlasts sooner; it counts for connections made from here."""
    for node in nodes:
        assert node.rows("SELECT @@slave_net_timeout AS s") == [{"s": SLAVE_NET_TIMEOUT}]
    try:
        for node in nodes:
            with node.session() as cursor:
                cursor.execute(f"SET GLOBAL slave_net_timeout = {SHORT_TIMEOUT}")
                cursor.execute("STOP SLAVE IO_THREAD")
                cursor.execute("START SLAVE IO_THREAD")
        is_back(nodes)
        yield
    finally:
        for node in nodes:
            with node.session() as cursor:
                cursor.execute(f"SET GLOBAL slave_net_timeout = {SLAVE_NET_TIMEOUT}")


def test_a_refusing_link_is_noticed_at_once_and_heals(
    nodes: list[Node], load: Load, figure: Figure
) -> None:
    vpc = ports(nodes[0])[1].vpc_id
    with short_timeout(nodes):
        with broken(nodes[0].names, vpc, RESET):
            begun = time.monotonic()
            for node in nodes:
                within(
                    NOTICED_SECONDS,
                    f"{node.name} notices",
                    node.threads,
                    lambda seen: seen == ("Connecting", "Yes"),
                )
            figure("noticed after", time.monotonic() - begun)
            for node in nodes:
                within(
                    NOTICED_SECONDS,
                    f"the heartbeat on {node.name} shows it",
                    node.heartbeat_age,
                    lambda age: age > 4000,
                )
            load.advance()
            time.sleep(max(0.0, SHORT_TIMEOUT + 5 - (time.monotonic() - begun)))
            assert gap(load, nodes)
        figure("ring whole after", is_back(nodes))
    assert load.reckon() > 0


def test_an_interface_without_carrier_heals_when_plugged_in_again(
    nodes: list[Node], load: Load, figure: Figure
) -> None:
    port = ports(nodes[1])[1]
    with unplugged(nodes[1].names, port):
        begun = time.monotonic()
        assert nodes[1].run("cat", "/sys/class/net/ens6/operstate").strip() != "up"
        for node in nodes:
            within(
                NOTICED_SECONDS,
                f"the heartbeat on {node.name} shows it",
                node.heartbeat_age,
                lambda age: age > 4000,
            )
        figure("noticed after", time.monotonic() - begun)
        time.sleep(max(0.0, HELD_SECONDS - (time.monotonic() - begun)))
        assert gap(load, nodes)
    figure("ring whole after", is_back(nodes))
    load.advance()
    assert load.reckon() > 0
