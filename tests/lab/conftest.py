"""The lab tier: the real program, by the commands a person types, against real servers.

Only this tier can prove that the Pulumi program, the tool on the hosts and MySQL agree. One lab is
stood up for the whole session and left as a verified ring by every test; a test that takes it down
or changes it says so by the fixture it asks for.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from labs import ROOT, Lab, eventually


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that rebuild the ring run after those that only use it: it saves rebuilds.

    Each of them still works alone.
    """
    items.sort(key=lambda item: "lab_to_break" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    folder = Path(os.environ.get("MYSQL_RING_LAB", ROOT / ".lab-test"))
    lab = Lab(folder)
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


@pytest.fixture
def lab_to_break(lab: Lab, first_up: str) -> Iterator[Lab]:
    """A verified ring that the test may take apart; it is stood up again afterwards."""
    assert first_up
    yield lab
    lab.up()


@pytest.fixture
def table(ring: Lab) -> Iterator[str]:
    """The name of a table of the test's own, on both nodes, dropped afterwards."""
    name = f"app.t{time.time_ns()}"
    ring.sql(
        "node-1",
        f"CREATE TABLE {name} (id INT AUTO_INCREMENT PRIMARY KEY, node CHAR(6), note TEXT)"
        " ENGINE=InnoDB",
    )
    eventually(
        lambda: ring.value(
            "node-2",
            "SELECT COUNT(*) FROM information_schema.tables"
            f" WHERE CONCAT(table_schema, '.', table_name) = '{name}'",
        ),
        lambda count: count == "1",
        f"{name} on node-2",
    )
    yield name
    ring.sql("node-1", f"DROP TABLE {name}")
