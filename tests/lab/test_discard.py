"""A node gives up what it holds only for a peer that has all of it, or for one that is named.

Only real servers can show it: both threads say Yes, and the rows that are missing never come back.
"""

from collections.abc import Iterator

import pytest
from labs import Lab, eventually, hostname, wait_until_whole
from steps import REFUSED, Steps

pytestmark = pytest.mark.data

OLD, SOUND = "node-2", "node-1"
KEPT = "/srv/mysql-ring/kept-by-a-test"
CONFIG = "/etc/mysql/conf.d/mysqld.cnf"
DISCARD = f"rejoin --discard {SOUND}"
GENERATION = "SELECT generation FROM mysql_ring.heartbeat WHERE server_id = 1"
LATER = "UPDATE mysql_ring.heartbeat SET generation = generation + (3 << 32) WHERE server_id = 1"
SERVICES = "mysql mysql-ring-agent"
# The links stay: the same incarnation, as of then.
TAKE = f"""\
set -e
systemctl stop {SERVICES}
cp -a --reflink=always "$(readlink -f /srv/mysql-ring/current)" {KEPT}.then
systemctl start {SERVICES}
"""
SET_BACK = f"""\
set -e
place=$(readlink -f /srv/mysql-ring/current)
systemctl stop {SERVICES}
mv "$place" {KEPT}.now
mv {KEPT}.then "$place"
systemctl start {SERVICES}
"""
MEND = f"""\
set -e
[ -e {KEPT}.now ] || exit 0
place=$(readlink -f /srv/mysql-ring/current)
systemctl stop {SERVICES}
rm -r "$place"
mv {KEPT}.now "$place"
systemctl start {SERVICES}
"""


@pytest.fixture
def set_back(steps: Steps, table: str) -> Iterator[Lab]:
    """The old node lacks a row that the other one has of it."""
    ring = steps.lab
    ring.ssh(OLD, "sudo bash", stdin=TAKE)
    wait_until_whole(ring)
    eventually(lambda: ring.status(OLD)["gate"], lambda gate: gate == "open", "an open gate", 60)
    ring.sql(OLD, f"INSERT INTO {table} (node) VALUES ('{OLD}')")
    eventually(
        lambda: ring.value(SOUND, f"SELECT COUNT(*) FROM {table}"),
        lambda count: count == "1",
        "the row on the other node",
    )
    ring.ssh(OLD, "sudo bash", stdin=SET_BACK)
    yield ring
    ring.ssh(OLD, "sudo bash", stdin=MEND)
    ring.sql(SOUND, "START SLAVE")  # it stopped where the log of the old node ended
    wait_until_whole(ring)
    eventually(lambda: ring.status(OLD)["gate"], lambda gate: gate == "open", "an open gate", 60)


def test_a_node_gives_up_nothing_for_a_peer_that_was_set_back(
    set_back: Lab, steps: Steps, table: str
) -> None:
    for what in ("start", "stop"):  # a stopped server is started: it knows what it has seen
        set_back.ssh(SOUND, f"sudo systemctl {what} mysql")
        error = steps.run(SOUND, DISCARD, "", expect=REFUSED)
        assert f"{OLD} was set back in time" in error["found"]
        assert f"on {OLD}: `sudo ring-node rejoin --discard {OLD}`" in error["next_step"]
        assert f"--discard {SOUND} --though-behind {OLD}" in error["next_step"]
        assert runs(set_back) == (what == "start")
    set_back.ssh(SOUND, "sudo systemctl start mysql")
    assert set_back.value(SOUND, f"SELECT COUNT(*) FROM {table}") == "1"


def test_a_node_whose_server_cannot_be_asked_gives_up_nothing_for_a_peer_that_is_not_named(
    set_back: Lab, steps: Steps, table: str
) -> None:
    set_back.ssh(SOUND, f"sudo systemctl stop mysql && sudo mv {CONFIG} {CONFIG}.away")
    try:
        error = steps.run(SOUND, DISCARD, "", expect=REFUSED)
    finally:
        set_back.ssh(SOUND, f"sudo mv {CONFIG}.away {CONFIG} && sudo systemctl start mysql")
    assert f"{SOUND}'s server cannot be asked" in error["found"]
    assert f"--discard {SOUND} --though-behind {OLD}" in error["next_step"]
    assert set_back.value(SOUND, f"SELECT COUNT(*) FROM {table}") == "1"


def test_a_server_that_is_started_to_be_asked_serves_no_client(ring: Lab, steps: Steps) -> None:
    ring.ssh(SOUND, "sudo systemctl stop mysql")
    asked = ring.gates.verb("rejoin", "run systemctl stop mysql", host=hostname(ring, SOUND))
    with asked as gate:
        rejoin = steps.begin(SOUND, DISCARD, "")
        gate.wait()
        assert runs(ring)
        eventually(
            lambda: ring.status(SOUND),
            lambda said: "asking the server" in str(said["gate_why"]),
            "the agent kept from opening the gate",
            60,
        )
        assert ring.status(SOUND)["gate"] == "closed"
    rejoin.end()
    steps.run(OLD, "rejoin", "")
    steps.wait_until_whole()


def runs(ring: Lab) -> bool:
    return ring.ssh(SOUND, "systemctl is-active mysql || true").strip() == "active"


def test_older_data_is_copied_when_the_node_that_holds_it_is_named(
    set_back: Lab, steps: Steps, table: str
) -> None:
    # As where the node had copied its peer since then: that knows nothing of its later life.
    set_back.sql(OLD, "STOP SLAVE IO_THREAD")
    set_back.sql(SOUND, f"SET sql_log_bin = 0; {LATER}")
    before = int(set_back.value(SOUND, GENERATION))
    steps.run(SOUND, f"{DISCARD} --though-behind {OLD}", "")
    steps.run(OLD, "rejoin", "")
    steps.wait_until_whole()
    for node in (OLD, SOUND):
        assert set_back.value(node, f"SELECT COUNT(*) FROM {table}") == "0"
        assert int(set_back.value(node, GENERATION)) > before, "or it would pass for the later one"
    set_back.ssh(OLD, f"sudo rm -r {KEPT}.now")
