"""Four tiers: `lab`, the real program by the commands a person types, against real servers;
`data`, a node's volume, copies of it, and the gate in front of it; `backups`, what is kept in the
bucket; and `restores`, what is put back from there.

Only they can prove that the Pulumi program, the tool on the hosts and MySQL agree. One lab serves a
tier's whole session; each test starts from a verified ring, whatever the one before left.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from archive import SERVICES, TIMERS
from clients import ClientHost, client_host
from labs import NODES, Kept, Lab, eventually
from labs import lab as lab
from labs import ring as ring
from steps import Steps, schedule

ARCHIVED_SECONDS = 10  # the shortest interval of the archive


@pytest.fixture
def steps(ring: Lab) -> Steps:
    """The verbs of a ring that is whole."""
    found = Steps(ring)
    found.wait_until_whole()
    return found


@pytest.fixture
def by_hand(steps: Steps) -> Iterator[Steps]:
    """No timer runs; a log is due after seconds, and may go at once."""
    changes = {"archive_interval": ARCHIVED_SECONDS, "keep_binlog_hours": 0}
    for node in NODES:
        steps.run(node, "schedule", schedule(steps, node, **changes))
        steps.lab.ssh(node, f"sudo systemctl stop {TIMERS} {SERVICES}")
    yield steps
    with ThreadPoolExecutor(len(NODES)) as pool:
        for done in [pool.submit(steps.run, node, "schedule") for node in NODES]:
            done.result()


@pytest.fixture(scope="module")
def clients() -> Iterator[Kept[ClientHost]]:
    with Kept(client_host) as kept:
        yield kept


@pytest.fixture
def client(ring: Lab, clients: Kept[ClientHost]) -> ClientHost:
    """A host on the client network."""
    return clients.of(ring)


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
