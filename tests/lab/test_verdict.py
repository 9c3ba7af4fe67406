"""What `ring-node status` says of a node, and ends with, while something is wrong with it.

Only here can be seen that the verdict is right when the server does not answer. Each fault bites:
what the verdict is to say is seen to be so, past the tool.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from clocks import Tool, wrong_clock
from hosts import Node
from labs import NODES, SETTLE, Lab, eventually, wait_until_whole
from steps import session
from waits import PATIENCE

pytestmark = pytest.mark.data

SICK, PEER = "node-2", "node-1"
STATUS = "sudo /opt/mysql-ring/current/ring-node status"
HEALTHY, UNHEALTHY = 0, 9
ANSWER_SECONDS = 60
VOLUME = "/srv/mysql-ring"
FILL = f"{VOLUME}/filled-by-a-test"
SPARE = 100 << 20  # for the file system's own records of it
# What is counted begins with the error log, and where it was read to is kept in /run.
FORGET = """sudo sh -c '
cd /var/log/mysql && mkdir -p mended && mv --backup=numbered -t mended error.log*
mysql --defaults-file=/root/.my.cnf -e "FLUSH ERROR LOGS"
rm --force /run/mysql-ring/conflicts.json'
"""
BLACK_HOLE = """\
table inet mysql_ring_test {{
  chain in {{
    type filter hook input priority -300; policy accept;
    ip saddr {peer} counter drop
  }}
}}
"""
KEEPALIVE = "net.ipv4.tcp_keepalive_time"
LONG_SECONDS = 3600
RING_NODE = "/opt/mysql-ring/current/ring-node"


def verdict(lab: Lab, node: str) -> tuple[list[str], dict[str, Any]]:
    """The cases of its problems, and all that it said. The exit code says the same."""
    done = lab.run_on(node, STATUS, expect=None, timeout=ANSWER_SECONDS)
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


class Taker:
    """Sessions of an account, as many as it can get."""

    USER, WORD, FULL = "taker", "a-word", 1040

    def __init__(self, node: Node) -> None:
        self._socket = f"/proc/{node.mysqld()}/root/run/mysqld/mysqld.sock"
        self._held = contextlib.ExitStack()

    def __enter__(self) -> "Taker":
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def take_all(self) -> None:
        while True:
            try:
                session = pymysql.connect(
                    unix_socket=self._socket,
                    user=self.USER,
                    password=self.WORD,
                    ssl_disabled=True,
                )
            except pymysql.err.OperationalError as error:
                if error.args[0] != self.FULL:
                    raise
                return
            self._held.callback(session.close)

    def give_back(self) -> None:
        self._held.close()


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
        # The kernel stops its threads one by one, each when that runs next.
        stat = Path(f"/proc/{pid}/stat")
        eventually(
            lambda: stat.read_text().split(")")[1].split()[0], lambda state: state == "T", "stopped"
        )
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
        stopping = sound.popen_sql(SICK, "STOP SLAVE")
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
    stopping.communicate(timeout=60 * PATIENCE)
    sound.sql(SICK, "START SLAVE")
    says(sound, SICK)


def test_a_slave_that_was_stopped_or_gave_up_without_an_error_is_said(sound: Lab) -> None:
    sound.sql(SICK, "STOP SLAVE IO_THREAD")
    assert sound.slave_status(SICK)["Last_IO_Errno"] == "0"
    said = says(sound, SICK, "IO thread", "peer silent")
    assert "without an error" in text(said, "IO thread")
    sound.sql(SICK, "START SLAVE IO_THREAD")
    says(sound, SICK)


def test_a_slave_that_stopped_at_a_statement_in_another_character_set_is_said(sound: Lab) -> None:
    """The server quotes the statement as its client sent it."""
    table, unlogged = "app.in_latin1", "SET sql_log_bin = 0"
    create: Any = f"CREATE TABLE {table} (id INT COMMENT 'h\xe9ld')".encode("latin1")
    sound.sql(SICK, f"{unlogged}; CREATE TABLE {table} (id INT)")
    try:
        with Node(sound, PEER).session() as cursor:
            cursor.execute("SET NAMES latin1")
            cursor.execute(create)
        assert "h\ufffdld" in text(says(sound, SICK, "SQL thread", "peer silent"), "SQL thread")
        with pytest.raises(UnicodeDecodeError), Node(sound, SICK).session() as cursor:
            cursor.execute("SHOW SLAVE STATUS")
    finally:
        sound.sql(SICK, f"{unlogged}; DROP TABLE {table}")
        sound.sql(SICK, "START SLAVE")
        sound.sql(PEER, f"DROP TABLE {table}")


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
    sound.ssh(SICK, f"sudo {SETTLE}")
    free = int(sound.ssh(SICK, f"stat --file-system --format=%a {VOLUME}"))
    block = int(sound.ssh(SICK, f"stat --file-system --format=%S {VOLUME}"))
    waiting = None
    try:
        # Most of it by reserving: what is written costs the machine as much.
        sound.ssh(SICK, f"sudo fallocate --length {free * block - SPARE} {FILL}")
        sound.ssh(SICK, f"sudo dd if=/dev/zero of={FILL}.more bs=64K 2>&1 || true")
        waiting = sound.popen_sql(SICK, ";".join([big] * 50))
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
    waiting.communicate(timeout=100 * PATIENCE)  # 5.6 looks once a minute whether there is room
    for node in NODES:
        says(sound, node, seconds=100)


def test_a_link_that_swallows_packets_is_seen_while_the_threads_say_yes(sound: Lab) -> None:
    sick, peer = Node(sound, SICK), Node(sound, PEER)
    with contextlib.ExitStack() as undone:
        for node in (sick, peer):  # or the kernel would tell the threads
            before = node.run("sysctl", "--values", KEEPALIVE).strip()
            undone.callback(node.run, "sysctl", f"{KEEPALIVE}={before}")
            node.run("sysctl", f"{KEEPALIVE}={LONG_SECONDS}")
        sick.run("nft", "-f", "-", stdin=BLACK_HOLE.format(peer=peer.replication_address))
        undone.callback(sick.run, "nft", "delete", "table", "inet", "mysql_ring_test")
        for node in (sick, peer):
            said = eventually(
                lambda node=node: verdict(sound, node.name),
                lambda now: now[0] == ["peer silent"] and "asked" in text(now[1], "peer silent"),
                f"the verdict of {node.name}: silent, and why",
                60,
            )[1]
            assert "its server cannot be asked: " in text(said, "peer silent")
            assert (said["slave"]["io"], said["slave"]["sql"]) == ("Yes", "Yes")
            assert node.threads() == ("Yes", "Yes")
        assert "packets 0" not in sick.run("nft", "list", "table", "inet", "mysql_ring_test")
    for each in NODES:
        says(sound, each, seconds=100)


@pytest.fixture
def taker(sound: Lab) -> Iterator[Taker]:
    """Takes the connections that an account without SUPER can have, all of them."""
    node = Node(sound, SICK)
    before = sound.value(SICK, "SELECT @@GLOBAL.max_connections")
    account = f"{Taker.USER}@localhost"
    unlogged = "SET sql_log_bin = 0"
    sound.sql(SICK, f"{unlogged}; CREATE USER {account} IDENTIFIED BY '{Taker.WORD}'")
    with Taker(node) as taker:
        try:
            sound.sql(SICK, "SET GLOBAL max_connections = 12")
            yield taker
        finally:
            taker.give_back()
            sound.sql(SICK, f"SET GLOBAL max_connections = {before}")
            sound.sql(SICK, f"{unlogged}; DROP USER {account}")


def test_connections_that_are_all_taken_but_the_spare_one_are_said_with_their_number(
    sound: Lab, taker: Taker
) -> None:
    def look() -> tuple[list[str], dict[str, Any]]:
        taker.take_all()
        return verdict(sound, SICK)

    said = eventually(look, lambda now: now[0][:1] == ["connections taken"], "taken")[1]
    found = text(said, "connections taken")
    assert "and the server takes 12: " in found
    assert "the peer's slave and the agent are turned away" in found
    taker.give_back()
    says(sound, SICK, seconds=60)


def test_connections_that_are_all_taken_with_the_spare_one_are_said_without_asking_the_server(
    sound: Lab, taker: Taker
) -> None:
    with contextlib.ExitStack() as held:

        def look() -> tuple[list[str], dict[str, Any]]:
            taker.take_all()
            with contextlib.suppress(pymysql.err.OperationalError):
                held.enter_context(Node(sound, SICK).session())  # of root, who has SUPER
            return verdict(sound, SICK)

        said = eventually(
            look, lambda now: "spare one too" in text(now[1], "connections taken"), "all taken"
        )[1]
        assert said["problems"][0]["case"] == "connections taken"
        assert "every connection of the server is taken" in text(said, "connections taken")
    taker.give_back()
    says(sound, SICK, seconds=60)


def is_wrong(lab: Lab, shift: str, tool: Tool) -> None:
    """The server's clock, the agent's and the tool's."""
    before = time.time()
    by_server = float(lab.value(SICK, "SELECT UNIX_TIMESTAMP(SYSDATE(6))"))
    by_tool = float(str(tool.run(SICK, "python3 -c 'import time; print(time.time())'")))
    after = time.time()
    for wrong in (by_server, by_tool):
        assert before - 1 < wrong - int(shift) < after + 1
    pid = lab.ssh(SICK, "systemctl show --value --property=MainPID mysql-ring-agent").strip()
    assert f"FAKETIME={shift}" in lab.ssh(SICK, f"sudo cat /proc/{pid}/environ").split("\0")


@pytest.mark.parametrize("shift", ["+3600", "-3600", "-10"])
def test_a_clock_that_is_wrong_is_said_and_makes_no_dead_peer_alive(sound: Lab, shift: str) -> None:
    with wrong_clock(sound, SICK, shift) as tool:
        is_wrong(sound, shift, tool)
        for node, difference in ((PEER, int(shift)), (SICK, -int(shift))):
            # The only problem: the peer is alive, the gate of either is open.
            said = eventually(
                lambda node=node: says(sound, node, "clocks differ", seconds=60),
                lambda now, difference=difference: abs(now["clock_difference_s"] - difference) < 2,
                f"a difference of {difference} s on {node}",
            )
            assert said["gate"] == "open"

        node = Node(sound, SICK)
        node.run("kill", "-STOP", node.run("pidof", "mysqld").strip())
        try:
            says(sound, PEER, "peer silent", "clocks differ")
        finally:
            node.run("kill", "-CONT", node.run("pidof", "mysqld").strip())
    for each in NODES:
        says(sound, each, seconds=60)


@pytest.mark.parametrize("shift", ["+3600", "-3600"])
def test_a_copy_to_and_from_a_host_whose_clock_is_wrong_is_taken(
    sound: Lab, table: str, shift: str
) -> None:
    with wrong_clock(sound, SICK, shift) as tool:
        is_wrong(sound, shift, tool)
        for receiver, sender in ((SICK, PEER), (PEER, SICK)):
            sound.sql(sender, f"INSERT INTO {table} (note) VALUES ('of {sender}')")
            report = tool.run(receiver, f"{RING_NODE} rejoin --discard {receiver}")
            assert any(done.startswith("copied ") for done in report["done"]), report
            tool.run(sender, f"{RING_NODE} rejoin")
            for each in NODES:
                assert says(sound, each, "clocks differ", seconds=60)["gate"] == "open"
        for node in NODES:
            sound.sql(node, f"INSERT INTO {table} (note) VALUES ('at last')")
        for node in NODES:
            eventually(
                lambda node=node: sound.value(node, f"SELECT COUNT(*) FROM {table}"),
                lambda count: count == "4",
                f"all rows on {node}",
            )
    for each in NODES:
        says(sound, each, seconds=60)


def test_an_agent_that_does_not_run_is_said_and_the_rows_are_watched_without_it(
    sound: Lab,
) -> None:
    sound.ssh(SICK, "sudo systemctl stop mysql-ring-agent")
    try:
        # What it has told last counts for ten seconds; then the rows are watched.
        said = eventually(
            lambda: says(sound, SICK, "agent down", "no heartbeat"),
            lambda found: "was not seen in 4 s" in text(found, "no heartbeat"),
            "the rows watched",
            seconds=60,
        )
        assert abs(said["clock_difference_s"]) < 1
        says(sound, PEER, "peer silent")
    finally:
        sound.ssh(SICK, "sudo systemctl start mysql-ring-agent")
    for node in NODES:
        says(sound, node)
