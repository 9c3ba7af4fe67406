"""The replication link breaks while both nodes take writes; it heals, and so does the ring."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from cloud.network import namespaces
from conftest import is_back
from hosts import Node
from labs import Lab
from links import BLACK_HOLE, RESET, broken, dropped, ports, unplugged
from load import Load
from verbs import Verbs
from waits import HEALED_SECONDS, HELD_SECONDS, NOTICED_SECONDS, SLAVE_NET_TIMEOUT, within

pytestmark = pytest.mark.faults

SHORT_TIMEOUT = 10
# A slave has logged in by then and asks about its master; the first event has not come.
LOGIN_BYTES = 1500
LOST = "Lost connection to MySQL server during query"
BREAKS = 5

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


def heartbeat_shows_what_threads_hide(node: Node) -> None:
    within(
        NOTICED_SECONDS,
        f"the heartbeat on {node.name} shows what the threads hide",
        lambda: (node.heartbeat_age(), node.threads()),
        lambda seen: seen[0] > 4000 and seen[1] == ("Yes", "Yes"),
    )


def test_a_black_hole_shows_in_the_heartbeat_while_the_threads_say_yes(
    nodes: list[Node], load: Load, figure: Figure
) -> None:
    vpc = ports(nodes[0])[1].vpc_id
    with broken(nodes[0].names, vpc, BLACK_HOLE):
        begun = time.monotonic()
        # The threads say Yes for 11 s only: both nodes are looked at at once.
        with ThreadPoolExecutor() as pool:
            list(pool.map(heartbeat_shows_what_threads_hide, nodes))
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


@contextmanager
def flapping(nodes: list[Node]) -> Iterator[None]:
    """The link of both slaves breaks, and then each time that they have logged in again."""
    vpc = ports(nodes[0])[1].vpc_id
    count = "net.netfilter.nf_conntrack_acct"
    namespaces.run_inside(nodes[0].names.vpc(vpc), ["sysctl", "--quiet", "--write", f"{count}=1"])
    which = f"tcp dport 3306 ct original bytes > {LOGIN_BYTES}"
    with broken(nodes[0].names, vpc, RESET, which):
        for node in nodes:  # a connection that is older than the count is never past it
            with node.session() as cursor:
                cursor.execute(
                    "SELECT id FROM information_schema.processlist WHERE command = 'Binlog Dump'"
                )
                for row in cursor.fetchall():
                    cursor.execute(f"KILL {row['id']}")
        yield


def breaks(node: Node) -> int:
    """How often its slave has lost a connection after the log-in."""
    return int(node.run("sh", "-c", f"grep -c '{LOST}' /var/log/mysql/error.log || true"))


def test_a_link_that_flaps_ends_a_slave_that_was_told_to_try_for_ever_by_0_and_no_other(
    ring: Lab, nodes: list[Node], load: Load, figure: Figure
) -> None:
    former, other = nodes
    with former.session() as cursor:  # as an earlier release left it
        for statement in ("STOP SLAVE", "CHANGE MASTER TO MASTER_RETRY_COUNT = 0", "START SLAVE"):
            cursor.execute(statement)
    is_back(nodes)
    others = breaks(other)
    with flapping(nodes):
        within(HEALED_SECONDS, "it ends", former.threads, lambda seen: seen == ("No", "Yes"))
        (status,) = former.rows("SHOW SLAVE STATUS")
        assert (status["Master_Retry_Count"], status["Last_IO_Errno"]) == (0, 0)
        within(HEALED_SECONDS, "more breaks", lambda: breaks(other), lambda n: n >= others + BREAKS)
    within(HEALED_SECONDS, "the other one is back", other.threads, lambda seen: seen[0] == "Yes")
    assert former.threads() == ("No", "Yes"), "nothing starts it"
    load.advance()
    assert "Retry_count" in str(Verbs(ring).run(former.name, "replicate")["done"])
    is_back(nodes)

    begun = [breaks(node) for node in nodes]
    with flapping(nodes):
        for node, before in zip(nodes, begun, strict=True):
            within(
                HEALED_SECONDS,
                f"{BREAKS} breaks on {node.name}",
                lambda node=node: breaks(node),
                lambda n, before=before: n >= before + BREAKS,
            )
            assert node.threads()[0] != "No"
        load.advance()
    figure("ring whole after", is_back(nodes))
    assert load.reckon() > 0
