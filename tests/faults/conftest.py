"""Three tiers: `updates`, where an update or a step of it is cut short; `losses`, where an archive,
a backup or a restore is; and `faults`, where a server, a host or a link fails under a running ring.

Only they can prove that the ring comes back. Each test shows first that its fault bites, and
afterwards that nothing acknowledged is missing. One lab serves a tier's whole session; each test
brings it to what it starts from.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hosts import Node
from labs import NODES, Lab
from labs import bare as bare
from labs import lab as lab
from labs import ring as ring
from load import Load
from rebuild import Rebuild
from waits import HEALED_SECONDS, within

FRESH_MS = 3000

_figures: list[tuple[str, str, float]] = []


@pytest.fixture
def nodes(ring: Lab) -> list[Node]:
    return [Node(ring, name) for name in NODES]


@pytest.fixture
def load(nodes: list[Node], tmp_path: Path) -> Iterator[Load]:
    """Both nodes take writes from here on."""
    with Load(nodes, tmp_path) as load:
        yield load


@pytest.fixture
def rebuild(ring: Lab, nodes: list[Node]) -> Rebuild:
    """The second node is made anew from the first."""
    return Rebuild(ring, *nodes)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """Keep a duration for the table at the end of the session."""

    def keep(what: str, seconds: float) -> None:
        _figures.append((request.node.name, what, seconds))
        request.node.user_properties.append((what, round(seconds, 1)))

    return keep


def is_back(nodes: list[Node], seconds: float = HEALED_SECONDS) -> float:
    """Wait until the ring is whole: both threads on both nodes, fresh heartbeats. How long."""

    def state() -> list[tuple[tuple[str, str], float]]:
        return [(node.threads(), node.heartbeat_age()) for node in nodes]

    _, took = within(
        seconds,
        "both threads run and the heartbeats are fresh on both nodes",
        state,
        lambda found: all(
            threads == ("Yes", "Yes") and age is not None and age < FRESH_MS
            for threads, age in found
        ),
    )
    return took


def nothing_is_lost(ring: Lab, load: Load, table: str) -> None:
    """After a node was made anew: the ring is whole, every acknowledged row of the load is on both
    nodes, and so is a table that was filled before. That table is dropped."""
    nodes = [Node(ring, name) for name in NODES]
    is_back(nodes)
    load.nodes = nodes
    assert load.reckon() > 0
    sums = [node.rows(f"CHECKSUM TABLE {table}")[0]["Checksum"] for node in nodes]
    assert sums[0] == sums[1] is not None
    with nodes[0].session() as cursor:
        cursor.execute(f"DROP TABLE {table}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("faults: seconds")
        for name, what, seconds in _figures:
            terminalreporter.write_line(f"{seconds:7.1f}  {what:28} {name}")
