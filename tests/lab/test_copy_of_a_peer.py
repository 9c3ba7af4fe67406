"""A node that lost its data gets its peer's: in the right order, whatever happens meanwhile.

Only real servers can show what a relay log still holds, who may write meanwhile and what a disk
that is full does to a copy.
"""

import json
import re
import time
from collections.abc import Iterator

import pytest
from archive import SERVICES, TIMERS
from labs import NODES, SETTLE, Lab, eventually, hostname
from steps import (
    HOST,
    KILLED_STATUS,
    REFUSED,
    Steps,
    parts,
    peers_heartbeat_is_fresh,
    session,
)

pytestmark = pytest.mark.data

SURVIVOR, LOST = "node-1", "node-2"
READ_ONLY = "1290"  # ER_OPTION_PREVENTS_STATEMENT, naming --read-only
VOLUME = "/srv/mysql-ring"
AGENT = "mysql-ring-agent"
COPYING = "SELECT state FROM mysql_ring.origin"
ORIGIN = "SELECT log_file, log_pos FROM mysql_ring.origin"
DO = "mysql.sql.Session.do"
LOOK_SECONDS = 2
SSH_LOST = 255  # the far end died by a signal
PLACE = ("bin.000002", "120")  # the beginning of a log's second file


@pytest.fixture
def whole(steps: Steps) -> Iterator[None]:
    """Whatever the test leaves: the ring stands again afterwards."""
    yield
    if not all(peers_heartbeat_is_fresh(steps.lab, node) for node in NODES):
        for node in NODES:
            steps.lab.ssh(node, "sudo pkill -KILL -f '[r]ing-node (seed|replicate)'", expect=None)
        make_whole(steps)


def make_whole(steps: Steps) -> None:
    for verb in ("seed", "replicate"):
        for running in [steps.begin(node, verb) for node in NODES]:
            running.end()
    steps.wait_until_whole()


def lose_data(steps: Steps) -> None:
    """The node as it is with a new volume: a server without data, closed, not in any ring."""
    steps.lab.ssh(
        LOST, f"sudo sh -c 'systemctl stop mysql; rm -r {VOLUME}/current {VOLUME}/incarnations/*'"
    )
    steps.run(LOST, "server")
    steps.run(LOST, "accounts")


def wait_until_received(lab: Lab) -> None:
    """The survivor's slave has read all that the lost node has logged so far."""
    (log,) = lab.sql(LOST, "SHOW MASTER STATUS")

    def read() -> tuple[str, int]:
        status = lab.slave_status(SURVIVOR)
        return status["Master_Log_File"], int(status["Read_Master_Log_Pos"])

    eventually(read, lambda place: place >= (log[0], int(log[1])), "the row in the relay log")


def tables(lab: Lab, node: str, name: str) -> str:
    query = "SELECT COUNT(*) FROM information_schema.tables WHERE CONCAT(table_schema, '.', "
    return lab.value(node, f"{query}table_name) = '{name}'")


@pytest.mark.usefixtures("whole")
def test_a_row_that_only_the_survivors_relay_log_holds_is_on_both_nodes_after_the_copy(
    ring: Lab, steps: Steps, table: str
) -> None:
    ring.sql(SURVIVOR, "STOP SLAVE SQL_THREAD")
    ring.sql(LOST, f"INSERT INTO {table} (note) VALUES ('sent')")
    wait_until_received(ring)
    lose_data(steps)
    assert ring.value(SURVIVOR, f"SELECT COUNT(*) FROM {table}") == "0", "not applied yet"
    # Another password for the slave must not drop the row: nobody is left to send it again.
    accounts = json.loads(steps.document(SURVIVOR, "accounts"))
    accounts["replication"]["password"] = "another-word"  # noqa: S105
    error = steps.run(SURVIVOR, "accounts", json.dumps(accounts), expect=REFUSED)
    assert "its SQL thread is stopped" in error["found"]
    steps.run(SURVIVOR, "accounts")

    copy = steps.begin(LOST, "seed")
    eventually(
        lambda: ring.sql(LOST, COPYING), lambda rows: rows == [["copying"]], "the copy's begin"
    )
    # Nothing is applied: neither forgets the survivor its master, nor is it copied.
    steps.killed(SURVIVOR, "seed", DO, "STOP SLAVE IO_THREAD")
    with session(ring, SURVIVOR, f"LOCK TABLES {table} READ"):
        drain = steps.begin_to_be_killed(SURVIVOR, "seed", DO, "STOP SLAVE")
        time.sleep(LOOK_SECONDS)
        assert drain.at_work
        assert copy.at_work
        assert tables(ring, LOST, table) == "0"
    drain.end(expect=KILLED_STATUS)
    assert ring.value(SURVIVOR, f"SELECT note FROM {table}") == "sent"
    assert ring.slave_status(SURVIVOR)["Slave_SQL_Running"] == "No"
    steps.killed(SURVIVOR, "seed", DO, "RESET SLAVE ALL")
    assert ring.slave_status(SURVIVOR) == {}
    steps.run(SURVIVOR, "seed")
    copy.end()
    make_whole(steps)
    for node in NODES:
        assert ring.value(node, f"SELECT GROUP_CONCAT(note) FROM {table}") == "sent"


@pytest.mark.usefixtures("whole")
def test_a_node_takes_no_writes_before_it_holds_what_its_peer_holds(
    ring: Lab, steps: Steps, table: str
) -> None:
    def refused() -> bool:
        return READ_ONLY in steps.application(LOST, f"INSERT INTO {table} (note) VALUES ('early')")

    write = f"INSERT INTO {table} (note) VALUES ('%s')"
    assert steps.application(LOST, write % "first") == ""
    lose_data(steps)
    assert READ_ONLY in steps.application(LOST, "CREATE TABLE app.early (id INT)")
    steps.run(SURVIVOR, "seed")

    # Killed while the survivor waits for the lock on its tables.
    with session(ring, SURVIVOR, f"LOCK TABLES {table} WRITE"):
        copy = steps.begin(LOST, "seed")
        eventually(
            lambda: ring.ssh(SURVIVOR, f"sudo ls {VOLUME}/snapshots"), bool, "a snapshot is begun"
        )
        assert refused()
        ring.ssh(LOST, "sudo pkill -KILL -f '[r]ing-node seed'")
        copy.end(expect=SSH_LOST)
        eventually(lambda: sending(ring), lambda found: not found, "it gives up")
        # The journal may have its last word a moment after it ended.
        ended = f"found: {LOST} has ended the connection"
        eventually(lambda: last_said(ring), lambda said: ended in said, "why it gave up")
    assert refused()

    # Killed with the whole copy in place, before the server has started on it.
    steps.killed(LOST, "seed", "mysql.incarnations.take_place")
    ring.ssh(LOST, "sudo systemctl start mysql")
    assert ring.value(LOST, f"SELECT note FROM {table}") == "first"
    assert refused()
    ring.ssh(LOST, "sudo systemctl restart mysql")
    assert refused()
    steps.run(LOST, "seed")
    assert refused()

    # The survivor goes on, and the copy has to catch up before it takes writes.
    with session(ring, LOST, f"LOCK TABLES {table} READ"):
        ring.sql(SURVIVOR, write % "meanwhile")
        join = steps.begin(LOST, "replicate")
        time.sleep(LOOK_SECONDS)
        assert join.at_work
        assert READ_ONLY in steps.application(LOST, "CREATE TABLE app.early (id INT)")
    join.end()
    assert steps.application(LOST, write % "last") == ""
    make_whole(steps)
    for node in NODES:
        notes = f"SELECT GROUP_CONCAT(note ORDER BY id) FROM {table}"
        assert ring.value(node, notes) == "first,meanwhile,last"


@pytest.mark.usefixtures("whole")
def test_a_volume_that_gets_full_while_a_peer_is_copied_is_named_and_the_next_run_copies_anew(
    ring: Lab, steps: Steps, table: str
) -> None:
    ring.sql(SURVIVOR, f"INSERT INTO {table} (note) VALUES (REPEAT('x', 60000))")
    lose_data(steps)
    steps.run(SURVIVOR, "seed")
    try:
        fill(ring, leave_mib=300)
        error = steps.run(LOST, "seed", expect=REFUSED)
        assert re.search(rf"\d+ MiB free in {VOLUME}, and {SURVIVOR} holds \d+ MiB", error["found"])
        assert "dataVolumeGib" in error["next_step"]
        ring.ssh(LOST, f"sudo rm {VOLUME}/filler")
        with ring.gates.verb("seed", "run .*tar --extract", host=hostname(ring, LOST)) as gate:
            copy = steps.begin(LOST, "seed")
            gate.wait()  # there was room when it was asked for
            fill(ring, leave_mib=100)
        error = parts(copy.end(expect=HOST))
        assert f"no room left in {VOLUME}" in error["found"]
        assert "No space left on device" in error["found"]
        assert ring.ssh(LOST, f"sudo ls -A {VOLUME}/arriving").split() == []
        assert tables(ring, LOST, table) == "0", "the server that was there is there"
    finally:
        ring.ssh(LOST, f"sudo rm -f {VOLUME}/filler")
    make_whole(steps)
    first, second = (ring.sql(node, f"CHECKSUM TABLE {table}") for node in NODES)
    assert first == second


@pytest.fixture
def quiet(ring: Lab, table: str) -> Iterator[str]:
    """The table. The lost node logs what the test writes and nothing else, not even beats,
    and begins no log by itself."""
    ring.ssh(LOST, f"sudo systemctl stop {AGENT} {TIMERS} {SERVICES}")
    ring.sql(LOST, "STOP SLAVE")
    yield table
    ring.sql(LOST, "START SLAVE")
    ring.ssh(LOST, f"sudo systemctl start {AGENT} {TIMERS}")


@pytest.mark.usefixtures("whole")
def test_no_place_in_a_former_log_exists_in_the_log_of_a_copied_node(
    ring: Lab, steps: Steps, quiet: str
) -> None:
    table, notes = quiet, f"SELECT GROUP_CONCAT(note) FROM {quiet}"
    begin_the_log_at_one_again(ring)
    # Where the log of another server begins at one the slave goes on in its middle, in silence.
    ring.sql(LOST, "RESET MASTER")
    write_before_the_place(ring, table, "skipped")
    ring.sql(SURVIVOR, "START SLAVE")
    wait_until_received(ring)
    status = ring.slave_status(SURVIVOR)
    assert (status["Slave_IO_Running"], status["Slave_SQL_Running"]) == ("Yes", "Yes")
    assert ring.value(SURVIVOR, notes) == "NULL", "the fault bites"
    ring.sql(SURVIVOR, "STOP SLAVE")
    assert (status["Master_Log_File"], status["Read_Master_Log_Pos"]) == PLACE

    steps.run(LOST, f"rejoin --discard {LOST}", "")
    (first,) = logs(ring)
    assert first == "bin.001003", "behind the one that the slave knows, and a thousand more"
    assert ring.sql(LOST, ORIGIN) == [[first, "4"]]
    assert ring.ssh(LOST, "sudo sh -c 'cd /var/log/mysql; ls bin.*'").split() == [first]
    write_before_the_place(ring, table, "after")
    ring.sql(SURVIVOR, "START SLAVE")
    eventually(
        lambda: ring.slave_status(SURVIVOR),
        lambda status: status["Last_IO_Errno"] == "1236" and status["Slave_IO_Running"] == "No",
        "an error instead of another place",
    )
    steps.run(SURVIVOR, "rejoin", "")
    steps.wait_until_whole()
    for node in NODES:
        assert ring.value(node, notes) == "after"


def begin_the_log_at_one_again(lab: Lab) -> None:
    """The lost node's, whose slave and agent are stopped. The survivor's slave is stopped at
    PLACE, and lacks nothing."""
    end = lab.sql(LOST, "SHOW MASTER STATUS")[0][:2]

    def executed() -> list[str]:
        status = lab.slave_status(SURVIVOR)
        return [status["Relay_Master_Log_File"], status["Exec_Master_Log_Pos"]]

    eventually(executed, lambda place: place == end, f"{end} applied")
    lab.sql(SURVIVOR, "STOP SLAVE")
    lab.sql(LOST, "RESET MASTER; FLUSH LOGS")
    assert lab.sql(LOST, "SHOW MASTER STATUS")[0][:2] == list(PLACE)
    file, offset = PLACE
    lab.sql(SURVIVOR, f"CHANGE MASTER TO MASTER_LOG_FILE = '{file}', MASTER_LOG_POS = {offset}")


def write_before_the_place(lab: Lab, table: str, note: str) -> None:
    lab.sql(LOST, f"INSERT INTO {table} (note) VALUES ('{note}'); FLUSH LOGS")


def logs(lab: Lab) -> list[str]:
    return [row[0] for row in lab.sql(LOST, "SHOW BINARY LOGS")]


@pytest.mark.usefixtures("whole")
def test_an_interrupted_copy_of_a_ring_that_became_empty_meanwhile_goes_on(
    ring: Lab, steps: Steps, table: str
) -> None:
    lose_data(steps)
    steps.killed(LOST, "seed", "ring.schema.write_origin")
    assert ring.sql(LOST, COPYING) == [["copying"]]
    ring.sql(SURVIVOR, f"DROP TABLE {table}")
    assert ring.status(SURVIVOR)["empty"], "nothing of users is left"
    assert ring.slave_status(SURVIVOR) != {}, "it has not left its former peer yet"
    make_whole(steps)
    ring.sql(LOST, f"CREATE TABLE {table} (note TEXT)")
    eventually(lambda: tables(ring, SURVIVOR, table), lambda count: count == "1", "the table")


def fill(lab: Lab, leave_mib: int) -> None:
    lab.ssh(LOST, f"sudo {SETTLE}")
    free = int(lab.ssh(LOST, f"df --output=avail --block-size=1M {VOLUME} | tail -1"))
    lab.ssh(LOST, f"sudo fallocate --length {free - leave_mib}M {VOLUME}/filler")


def last_said(lab: Lab) -> str:
    """By the last sender, in the survivor's journal."""
    return lab.ssh(SURVIVOR, "sudo journalctl --unit 'mysql-ring-copy@*' --lines 20 --output cat")


def sending(lab: Lab) -> bool:
    return lab.ssh(SURVIVOR, "pgrep -f '[r]ing-node send'", expect=None) != ""
