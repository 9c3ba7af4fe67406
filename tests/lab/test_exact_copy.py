"""A database with every hard thing at once is the same on a node that copied its peer.

Only real servers can show what becomes of a FLOAT, of a name, of an event's time zone or of an
account when one is made from the other, and whether its clients go on meanwhile.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hard_data
import pytest
import sameness
from hosts import Node
from labs import NODES, Lab, eventually, wait_until_whole
from load import Load
from steps import RING_NODE, STEP_SECONDS

pytestmark = pytest.mark.data

DONOR, COPY = NODES
STATEMENT_SECONDS = 120
EVENTS = "SELECT db, name, originator, status FROM mysql.event ORDER BY db, name"


@pytest.fixture
def hard(ring: Lab) -> Iterator[dict[str, Any]]:
    """The database is made on one node. The other one applies what reaches it of it."""
    donor, copy = (Node(ring, name) for name in NODES)
    accounts = own_accounts(donor)
    with donor.session(STATEMENT_SECONDS) as cursor:
        hard_data.make(cursor.connection)
    try:
        catch_up(donor, copy)
        yield {"own": accounts}
    finally:
        for node in (donor, copy):
            with node.session(STATEMENT_SECONDS) as cursor:
                cursor.execute("SET sql_log_bin = 0")
                hard_data.remove(cursor.connection)


def own_accounts(node: Node) -> set[str]:
    """Names of the accounts that the ring made: they name the node's own addresses."""
    return {row["User"] for row in node.rows("SELECT User FROM mysql.user")}


def catch_up(source: Node, slave: Node) -> None:
    (end,) = source.rows("SHOW MASTER STATUS")

    def place() -> tuple[str, int, str]:
        (row,) = slave.rows("SHOW SLAVE STATUS")
        return row["Relay_Master_Log_File"], row["Exec_Master_Log_Pos"], row["Last_SQL_Error"]

    eventually(
        place,
        lambda found: found[:2] >= (end["File"], end["Position"]),
        f"{slave.name} has applied all of {source.name}",
        STATEMENT_SECONDS,
    )


def all_of(node: Node, own: set[str]) -> dict[str, Any]:
    with node.session(STATEMENT_SECONDS) as cursor:
        return sameness.everything(cursor.connection, without=hard_data.VOLATILE, accounts=own)


def test_a_copy_made_beside_a_writer_holds_the_same_bits_definitions_and_accounts(
    ring: Lab, hard: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    donor, copy = (Node(ring, name) for name in NODES)
    own = hard["own"]
    # What was replicated is not yet the same: MySQL replicates no CREATE SERVER, for one.
    catch_up(donor, copy)
    assert sameness.differences(all_of(donor, own), all_of(copy, own))

    with Load([donor], tmp_path) as load:
        begun = time.monotonic()
        done = ring.run_on(COPY, f"{RING_NODE} rejoin --discard {COPY}", timeout=2 * STEP_SECONDS)
        report = json.loads(done.stdout.splitlines()[-1])
        ring.ssh(DONOR, f"{RING_NODE} rejoin", timeout=STEP_SECONDS)
        wait_until_whole(ring)
        took = time.monotonic() - begun
        load.advance()
        assert load.writers[0].failures == 0, "a writer was cut off while its server was copied"
        assert load.reckon() > 0

    catch_up(donor, copy)
    found = sameness.differences(all_of(donor, own), all_of(copy, own))
    assert not found, found
    events_fire_on_one_node_only(donor, copy)
    assert_hard_things_are_there(copy)
    what = report["copy"]
    with capsys.disabled():
        print(
            f"\nexact copy: {what['bytes'] >> 20} MiB in {what['seconds']} s"
            f" ({what['bytes'] / 2**20 / max(what['seconds'], 0.1):.0f} MiB/s),"
            f" locked {what['locked_s']} s, ring whole after {took:.1f} s"
        )


def test_what_sessions_hold_on_the_donor_is_in_the_way_of_no_copy(ring: Lab) -> None:
    """A temporary table of InnoDB, and an XA transaction that is prepared: it ends there later."""
    donor, copy = (Node(ring, name) for name in NODES)
    with donor.session(STEP_SECONDS) as cursor:
        cursor.execute("CREATE DATABASE sessions")
        cursor.execute("CREATE TABLE sessions.t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB")
        cursor.execute("INSERT INTO sessions.t VALUES (1, 0)")
        cursor.execute("CREATE TEMPORARY TABLE sessions.own (id INT PRIMARY KEY) ENGINE=InnoDB")
        cursor.execute("XA START X'00FF', X'C3', 7")
        cursor.execute("UPDATE sessions.t SET v = 1")
        cursor.execute("XA END X'00FF', X'C3', 7")
        cursor.execute("XA PREPARE X'00FF', X'C3', 7")
        try:
            ring.run_on(COPY, f"{RING_NODE} rejoin --discard {COPY}", timeout=2 * STEP_SECONDS)
            ring.ssh(DONOR, f"{RING_NODE} rejoin", timeout=STEP_SECONDS)
            assert copy.rows("SELECT v FROM sessions.t") == [{"v": 0}]
        finally:
            cursor.execute("XA COMMIT X'00FF', X'C3', 7")
            committed = donor.rows("SELECT v FROM sessions.t")
            wait_until_whole(ring)
            catch_up(donor, copy)
            applied = copy.rows("SELECT v FROM sessions.t")
            cursor.execute("DROP TEMPORARY TABLE sessions.own")
            cursor.execute("DROP DATABASE sessions")
    assert committed == applied == [{"v": 1}]


def events_fire_on_one_node_only(donor: Node, copy: Node) -> None:
    fired = {DONOR: 0, COPY: 0}
    for there, here in zip(donor.rows(EVENTS), copy.rows(EVENTS), strict=True):
        statuses = (there["status"], here["status"])
        if there["status"] == "DISABLED":
            assert statuses == ("DISABLED", "DISABLED"), there
            continue
        assert statuses.count("ENABLED") <= 1, (there, here)
        fired[DONOR] += there["status"] == "ENABLED"
        fired[COPY] += here["status"] == "ENABLED"
    assert fired[DONOR] > 0, "is the test's own event gone?"
    assert fired[COPY] == 0, "all of them were made on the donor"


def assert_hard_things_are_there(copy: Node) -> None:
    """Both nodes hold them, and not both nothing."""
    formats = copy.rows(
        "SELECT row_format AS f FROM information_schema.tables WHERE table_schema = 'hard' AND"
        " table_name LIKE 'rows\\_%'"
    )
    assert {row["f"] for row in formats} == {"Compact", "Redundant", "Dynamic", "Compressed"}
    (big,) = copy.rows("SELECT LENGTH(a) AS a, LENGTH(b) AS b FROM hard.big")
    assert big == {"a": hard_data.BIG_BYTES, "b": hard_data.BIG_BYTES}
    (sha,) = copy.rows("SELECT plugin, authentication_string AS a FROM mysql.user"
                       " WHERE User = 'by_sha'")  # fmt: skip
    assert sha["plugin"] == "sha256_password"
    assert sha["a"]
    assert copy.rows("SELECT hard.`in ansi`('a', 'b') AS x") == [{"x": "abx"}]
    assert copy.rows("SELECT x FROM hard.over_view") == [{"x": 1}]
    assert copy.rows("SELECT COUNT(*) AS n FROM hard.in_latin1 WHERE c = 'programmée'") == [
        {"n": 1}
    ]
    zones = "SELECT time_zone AS z FROM mysql.event WHERE name = 'of_app'"
    assert copy.rows(zones) == [{"z": "+05:00"}]
    assert copy.rows("SELECT Host FROM mysql.servers") == [{"Host": "10.0.0.9"}]
