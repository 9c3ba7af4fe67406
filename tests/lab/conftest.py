"""The lab tier: the real program, by the commands a person types, against real servers.

Only this tier can prove that the Pulumi program, the tool on the hosts and MySQL agree. One lab is
stood up for the whole session and left as a verified ring by every test; a test that takes it down
or changes it says so by the fixture it asks for.
"""

import time
from collections.abc import Generator, Iterator

import pytest
from labs import Lab, eventually
from labs import first_up as first_up
from labs import lab as lab
from labs import ring as ring
from steps import Steps

PASSED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that rebuild the ring run after those that only use it: it saves rebuilds.

    Each of them still works alone.
    """
    items.sort(key=lambda item: "ring_to_mend" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
def ring_to_mend(ring: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A verified ring that the test may take apart, and has to stand up again itself."""
    yield ring
    if not request.node.stash.get(PASSED, False):
        ring.up()


@pytest.fixture
def steps(ring: Lab) -> Steps:
    """The verbs of a ring that is whole."""
    found = Steps(ring)
    found.wait_until_whole()
    return found


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
