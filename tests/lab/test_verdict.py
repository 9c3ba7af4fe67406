"""What `ring-node status` says of a node, and ends with, while something is wrong with it.

Only here can be seen that the verdict is right when the server does not answer. Each fault bites:
what the verdict is to say is seen to be so, past the tool.
"""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hosts import Node
from labs import NODES, Lab, eventually, wait_until_whole
from steps import session

pytestmark = pytest.mark.lab

SICK, PEER = "node-2", "node-1"
STATUS = "sudo /opt/mysql-ring/current/ring-node status"
HEALTHY, UNHEALTHY = 0, 9
ANSWER_SECONDS = 60
VOLUME = "/srv/mysql-ring"
FILL = f"{VOLUME}/filled-by-a-test"
SPARE = 100 << 20  # for the file system's own records of it
# What is counted begins with the error log, and where it was read to is kept in /run.
FORGET = "sudo sh -c ': > /var/log/mysql/error.log; rm --force /run/mysql-ring/conflicts.json'"
BLACK_HOLE = """\
table inet mysql_ring_test {{
  chain in {{
    type filter hook input priority -300; policy accept;
    ip saddr {peer} counter drop
  }}
}}
"""
LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
# The clock that is set wrong is the wall clock alone, as it is on a host.
CLOCK = f"""\
[Service]
Environment=LD_PRELOAD={LIBRARY}
Environment=FAKETIME={{shift}}
Environment=FAKETIME_DONT_FAKE_MONOTONIC=1
"""


def verdict(lab: Lab, node: str) -> tuple[list[str], dict[str, Any]]:
    """The cases of its problems, and all that it said. The exit code says the same."""
    done = lab.run("ssh", node, STATUS, expect=None, timeout=ANSWER_SECONDS)
    assert done.returncode in (HEALTHY, UNHEALTHY), done.stderr
    said = json.loads(done.stdout)
    assert said["healthy"] == (done.returncode == HEALTHY) == (not said["problems"])
    assert all(each["text"] and each["next_step"] for each in said["problems"])
    return [each["case"] for each in said["problems"]], said


def says(lab: Lab, node: str, *cases: str, seconds: float = 30) -> dict[str, Any]:
    """Wait until the verdict has just these problems; what it said."""
    found = eventually(
        lambda: verdict(lab, node),
        lambda now: now[0] == list(cases),
        f"the verdict {cases} of {node}",
        seconds,
    )
    return found[1]


def text(said: dict[str, Any], case: str) -> str:
    return next(each["text"] for each in said["problems"] if each["case"] == case)


@pytest.fixture
def sound(ring: Lab) -> Iterator[Lab]:
    """A ring in which nothing is wrong, and nothing is remembered of other tests."""
    for node in NODES:
        ring.ssh(node, FORGET)
        says(ring, node)
    yield ring
    for node in NODES:
        ring.ssh(node, FORGET)
    wait_until_whole(ring)


@pytest.mark.parametrize("node", NODES)
def test_a_node_of_a_ring_that_is_well_has_no_problem(sound: Lab, node: str) -> None:
    said = says(sound, node)
    assert abs(said["clock_difference_s"]) < 1
    assert said["gate"] == "open"
    assert said["unapplied_bytes"] >= 0
    assert said["conflicts"] == {"count": 0, "by_error_and_table": {}, "last": None}
    assert {each["path"] for each in said["disks"]} == {"/", VOLUME}


def test_a_server_that_is_down_is_said_on_both_nodes(sound: Lab) -> None:
    sound.ssh(SICK, "sudo systemctl stop mysql")
    try:
        said = says(sound, SICK, "server down")
        assert said["unknown"]
        said = says(sound, PEER, "IO thread", "peer silent")
        assert "Connecting" in text(said, "IO thread")
    finally:
        sound.ssh(SICK, "sudo systemctl start mysql")
    for node in NODES:
        says(sound, node, seconds=60)


def test_a_server_that_is_stopped_by_a_signal_does_not_hang_the_verdict(sound: Lab) -> None:
    node = Node(sound, SICK)
    pid = node.mysqld()
    node.run("kill", "-STOP", node.run("pidof", "mysqld").strip())
    try:
        with open(f"/proc/{pid}/stat") as stat:
            assert stat.read().split(")")[1].split()[0] == "T", "it is stopped"
        said = says(sound, SICK, "server silent")
        assert "timed out" in text(said, "server silent")
        says(sound, PEER, "peer silent")
    finally:
        node.run("kill", "-CONT", node.run("pidof", "mysqld").strip())
    for each in NODES:
        says(sound, each, seconds=60)


def test_stop_slave_that_hangs_behind_a_lock_does_not_hang_the_verdict(
    sound: Lab, table: str
) -> None:
    with session(sound, SICK, f"START TRANSACTION; SELECT COUNT(*) FROM {table}"):
        sound.sql(PEER, f"ALTER TABLE {table} ADD COLUMN more INT")
        said = says(sound, SICK, "slave held up", "peer silent")
        assert "Waiting for table metadata lock" in text(said, "slave held up")
        assert "an open transaction of root@localhost" in text(said, "slave held up")
        stopping = sound.popen("mysql", SICK, "-e", "STOP SLAVE")
        said = eventually(
            lambda: verdict(sound, SICK),
            lambda now: (
                now[0] == ["statement hangs", "peer silent"]
                and "`STOP SLAVE`" in text(now[1], "statement hangs")
            ),
            "a verdict that names the STOP SLAVE",
        )[1]
        assert "an open transaction of root@localhost" in text(said, "statement hangs")
        assert stopping.poll() is None, "it still hangs"
    stopping.communicate(timeout=60)
    sound.sql(SICK, "START SLAVE")
    says(sound, SICK)


def test_a_slave_that_was_stopped_or_gave_up_without_an_error_is_said(sound: Lab) -> None:
    sound.sql(SICK, "STOP SLAVE IO_THREAD")
    assert sound.slave_status(SICK)["Last_IO_Errno"] == "0"
    said = says(sound, SICK, "IO thread", "peer silent")
    assert "without an error" in text(said, "IO thread")
    sound.sql(SICK, "START SLAVE IO_THREAD")
    says(sound, SICK)


def test_rows_that_the_slave_passed_over_are_counted(sound: Lab) -> None:
    """What IDEMPOTENT swallows: the nodes differ, and both threads say Yes."""
    for statement in (
        "CREATE TABLE app.ca (id INT PRIMARY KEY, v INT, u INT UNIQUE) ENGINE=InnoDB",
        "CREATE TABLE app.cp (id INT PRIMARY KEY) ENGINE=InnoDB",
        "CREATE TABLE app.cc (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES app.cp(id))"
        " ENGINE=InnoDB",
        "INSERT INTO app.ca VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3)",
        "INSERT INTO app.cp VALUES (1), (2)",
    ):
        sound.sql(PEER, statement)
    eventually(
        lambda: sound.sql(SICK, "SELECT id FROM app.cp"), lambda rows: len(rows) == 2, "the rows"
    )
    try:
        sound.sql(
            SICK,
            "SET sql_log_bin = 0; DELETE FROM app.ca WHERE id IN (1, 2);"
            " INSERT INTO app.ca VALUES (50, 0, 500); DELETE FROM app.cp WHERE id = 2",
        )
        for statement in (
            "UPDATE app.ca SET v = 10 WHERE id = 1",  # 1032
            "DELETE FROM app.ca WHERE id = 2",  # 1032
            "UPDATE app.ca SET u = 500 WHERE id = 3",  # 1062
            "INSERT INTO app.cc VALUES (1, 2)",  # 1452
        ):
            sound.sql(PEER, statement)
        counts = {"1032 app.ca": 2, "1062 app.ca": 1, "1452 app.cc": 1}
        said = eventually(
            lambda: verdict(sound, SICK)[1],
            lambda now: now["conflicts"]["by_error_and_table"] == counts,
            f"conflicts {counts}",
        )
        assert [each["case"] for each in said["problems"]] == ["conflicts"]
        assert said["conflicts"]["count"] == 4
        assert said["conflicts"]["last"]["code"] == 1452
        assert (said["slave"]["io"], said["slave"]["sql"]) == ("Yes", "Yes")
        assert said["slave"]["errors"] is None
        says(sound, PEER)
    finally:
        sound.sql(PEER, "DROP TABLE app.cc, app.cp, app.ca")


def test_tables_that_replicate_badly_are_notes_and_no_problem(sound: Lab) -> None:
    sound.sql(PEER, "CREATE TABLE app.vm (id INT PRIMARY KEY) ENGINE=MEMORY")
    sound.sql(PEER, "CREATE TABLE app.vi (v INT) ENGINE=MyISAM")
    try:
        said = eventually(
            lambda: says(sound, SICK),
            lambda now: len(now.get("notes", [])) >= 3,
            "three notes",
        )
        notes = "\n".join(said["notes"])
        assert "app.vm" in notes
        assert "MyISAM" in notes
        assert "without a primary key" in notes
    finally:
        sound.sql(PEER, "DROP TABLE app.vm, app.vi")


def test_a_volume_without_room_is_said_while_the_server_waits_for_it(
    sound: Lab, table: str
) -> None:
    big = f"INSERT INTO {table} (note) VALUES (REPEAT('x', 1000000))"
    free = int(sound.ssh(SICK, f"stat --file-system --format=%a {VOLUME}"))
    block = int(sound.ssh(SICK, f"stat --file-system --format=%S {VOLUME}"))
    waiting = None
    try:
        # Most of it by reserving: what is written costs the machine as much.
        sound.ssh(SICK, f"sudo fallocate --length {free * block - SPARE} {FILL}")
        sound.ssh(SICK, f"sudo dd if=/dev/zero of={FILL}.more bs=64K 2>&1 || true")
        waiting = sound.popen("mysql", SICK, "-e", ";".join([big] * 50))
        said = eventually(
            lambda: verdict(sound, SICK),
            lambda now: now[0][:1] == ["disk low"] and len(now[0]) > 1,
            "a verdict that names the disk, and what stands still",
            60,
        )[1]
        assert "dataVolumeGib" in said["problems"][0]["next_step"]
        assert waiting.poll() != 0, "what writes waits for room, or is refused"
        eventually(
            lambda: verdict(sound, PEER),
            lambda now: "peer silent" in now[0],
            "a peer that says so too",
        )
    finally:
        sound.ssh(SICK, f"sudo rm --force {FILL} {FILL}.more")
    assert waiting is not None
    waiting.communicate(timeout=100)  # 5.6 looks once a minute whether there is room
    for node in NODES:
        says(sound, node, seconds=100)


def test_a_link_that_swallows_packets_is_seen_while_the_threads_say_yes(sound: Lab) -> None:
    node = Node(sound, SICK)
    peer = Node(sound, PEER).replication_address
    node.run("nft", "-f", "-", stdin=BLACK_HOLE.format(peer=peer))
    try:
        for each in NODES:
            said = eventually(
                lambda each=each: verdict(sound, each),
                lambda now: "peer silent" in now[0],
                f"the verdict of {each}",
            )[1]
            assert "cannot be asked" in text(said, "peer silent") or said["agent"]
        assert "packets 0" not in node.run("nft", "list", "table", "inet", "mysql_ring_test")
    finally:
        node.run("nft", "delete", "table", "inet", "mysql_ring_test")
    for each in NODES:
        says(sound, each, seconds=60)


def test_a_server_whose_connections_are_all_taken_is_said_also_without_a_spare_one(
    sound: Lab,
) -> None:
    sound.sql(SICK, "SET GLOBAL max_connections = 12")
    with contextlib.ExitStack() as held:
        try:
            for _ in range(20):
                try:
                    held.enter_context(session(sound, SICK, "SELECT 1"))
                except AssertionError:
                    break
            else:
                raise AssertionError("the server takes more than it may")
            cases, _ = verdict(sound, SICK)
            assert cases[0] == "connections taken"
        finally:
            held.close()
            sound.sql(SICK, "SET GLOBAL max_connections = 151")
    says(sound, SICK, seconds=60)


@contextlib.contextmanager
def wrong_clock(lab: Lab, node: str, shift: str) -> Iterator[None]:
    """The node's server has a clock that is wrong by so many seconds. The agent keeps the right
    one: under faketime Python 3.11 does not wake up from its sleep."""
    lab.ssh(
        node,
        f"test -e {LIBRARY} || sudo apt-get install --yes --no-install-recommends faketime",
    )
    folder = "/run/systemd/system/mysql.service.d"
    lab.ssh(
        node,
        f"sudo sh -c 'mkdir -p {folder}; cat > {folder}/clock.conf'",
        stdin=CLOCK.format(shift=shift),
    )
    again = "sudo systemctl daemon-reload; sudo systemctl restart mysql"
    lab.ssh(node, again)
    try:
        yield
    finally:
        lab.ssh(node, f"sudo rm -r {folder}; {again}")


@pytest.mark.parametrize("shift", ["+3600", "-3600", "-10"])
def test_a_clock_that_is_wrong_is_said_and_makes_no_dead_peer_alive(sound: Lab, shift: str) -> None:
    with wrong_clock(sound, SICK, shift):
        ahead = "SELECT TIMESTAMPDIFF(SECOND, '{}', UTC_TIMESTAMP())"
        now = sound.value(PEER, "SELECT UTC_TIMESTAMP()")
        assert abs(int(sound.value(SICK, ahead.format(now))) - int(shift)) < 5, "its clock is wrong"
        said = says(sound, PEER, "clocks differ", seconds=60)  # and the peer is alive
        assert abs(said["clock_difference_s"] - int(shift)) < 2
        says(sound, SICK)

        node = Node(sound, SICK)
        node.run("kill", "-STOP", node.run("pidof", "mysqld").strip())
        try:
            says(sound, PEER, "peer silent", "clocks differ")
        finally:
            node.run("kill", "-CONT", node.run("pidof", "mysqld").strip())
    for each in NODES:
        says(sound, each, seconds=60)


def test_an_agent_that_does_not_run_is_said_and_the_rows_are_watched_without_it(
    sound: Lab,
) -> None:
    sound.ssh(SICK, "sudo systemctl stop mysql-ring-agent")
    try:
        said = says(sound, SICK, "agent down", "no heartbeat")
        assert "was not seen in 4 s" in text(said, "no heartbeat")
        assert abs(said["clock_difference_s"]) < 1
        says(sound, PEER, "peer silent")
    finally:
        sound.ssh(SICK, "sudo systemctl start mysql-ring-agent")
    for node in NODES:
        says(sound, node)
