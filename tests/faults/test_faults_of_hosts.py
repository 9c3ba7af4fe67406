"""Servers and hosts fail while both nodes take writes; the ring comes back by itself."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from archive import SERVICES, TIMERS
from conftest import is_back
from hosts import Node
from labs import Lab
from load import Load
from pymysql.err import MySQLError
from waits import (
    BOOT_SECONDS,
    HEALED_SECONDS,
    HELD_SECONDS,
    NOTICED_SECONDS,
    PATIENCE,
    within,
)

pytestmark = pytest.mark.faults

Figure = Callable[[str, float], None]


def test_a_killed_server_starts_again_and_loses_nothing(
    nodes: list[Node], load: Load, figure: Figure
) -> None:
    victim, other = nodes
    old = victim.kill_server()
    within(NOTICED_SECONDS, "the writer is cut off", lambda: load.writers[0].failures)
    within(NOTICED_SECONDS, "the slave notices", lambda: other.threads()[0], lambda io: io != "Yes")
    figure("server answers after", victim.wait_for_server())
    assert victim.mysqld() != old
    figure("ring whole after", is_back(nodes))
    load.advance()
    assert load.reckon() > 0


LOGS = "/var/log/mysql"
CONFIG = "/etc/mysql/conf.d/mysqld.cnf"


@contextmanager
def no_new_log(node: Node) -> Iterator[None]:
    """The server can write the logs that it has open, and open no other one. None is begun for the
    archive meanwhile."""
    node.run("systemctl", "stop", *TIMERS.split(), *SERVICES.split())
    node.run("chmod", "500", LOGS)
    try:
        yield
    finally:
        node.run("chmod", "750", LOGS)
        node.run("systemctl", "start", *TIMERS.split())


def test_with_mysqls_default_a_log_that_cannot_be_opened_leaves_writes_on_one_node_only(
    nodes: list[Node],
) -> None:
    victim, other = nodes
    table = f"app.unlogged_{time.time_ns()}"
    with victim.session() as cursor:
        cursor.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY)")
        cursor.execute("SET GLOBAL binlog_error_action = IGNORE_ERROR")
    within(NOTICED_SECONDS, "the table is there", lambda: not other.rows(f"SELECT * FROM {table}"))
    with no_new_log(victim):
        with victim.session() as cursor, suppress(MySQLError):
            cursor.execute("FLUSH BINARY LOGS")
        assert victim.rows("SHOW MASTER STATUS") == [], "it writes no log any more"
        with victim.session() as cursor:
            assert cursor.execute(f"INSERT INTO {table} VALUES (1)") == 1
    victim.run("systemctl", "restart", "mysql", seconds=BOOT_SECONDS)
    victim.wait_for_server()
    with other.session() as cursor:
        cursor.execute("START SLAVE")
    is_back(nodes)
    with victim.session() as cursor:
        cursor.execute(f"INSERT INTO {table} VALUES (2)")

    def rows(node: Node) -> list[int]:
        return [row["id"] for row in node.rows(f"SELECT id FROM {table} ORDER BY id")]

    within(NOTICED_SECONDS, "a later row on the other node", lambda: 2 in rows(other))
    assert (rows(victim), rows(other)) == ([1, 2], [2]), "is the fault gone?"
    assert victim.rows("SELECT @@binlog_error_action AS a") == [{"a": "ABORT_SERVER"}]
    with victim.session() as cursor:
        cursor.execute(f"DROP TABLE {table}")


def test_a_server_that_cannot_open_a_log_ends_and_nothing_acknowledged_is_lost(
    nodes: list[Node], load: Load, figure: Figure
) -> None:
    victim, _ = nodes
    old = victim.mysqld()
    with no_new_log(victim):
        with pytest.raises(MySQLError):
            victim.rows("FLUSH BINARY LOGS")
        within(NOTICED_SECONDS, "the server ends", lambda: old not in victim.processes("mysqld"))
        within(NOTICED_SECONDS, "the writer is cut off", lambda: load.writers[0].failures)
    figure("server answers after", victim.wait_for_server())
    figure("ring whole after", is_back(nodes))
    load.advance()
    assert load.reckon() > 0


CRASHED = 145


def torn_by_a_kill(victim: Node, table: str) -> None:
    """Kill the server in the middle of an INSERT into a MyISAM table, and wait for the next one."""
    with victim.session() as gate:
        gate.execute("SELECT GET_LOCK('gate', 0)")
        insert = (
            f"INSERT INTO {table} (text) SELECT IF(help_topic_id = 300, GET_LOCK('gate', 3600),"
            " name) FROM mysql.help_topic ORDER BY help_topic_id"
        )
        writing = threading.Thread(target=lambda: suppressed(victim, insert), daemon=True)
        writing.start()
        at_gate = "SELECT id FROM information_schema.processlist WHERE state = 'User lock'"
        within(NOTICED_SECONDS, "the INSERT is at its gate", lambda: victim.rows(at_gate))
        victim.kill_server()
        writing.join(timeout=30 * PATIENCE)
    victim.wait_for_server()


def suppressed(node: Node, statement: str) -> None:
    with suppress(MySQLError), node.session() as cursor:
        cursor.execute(statement)


def test_a_myisam_table_that_a_kill_has_torn_stops_the_slave_unless_the_server_repairs_it(
    nodes: list[Node],
) -> None:
    victim, other = nodes
    table = f"app.torn_{time.time_ns()}"
    with other.session() as cursor:
        cursor.execute(
            f"CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(200),"
            " KEY (text)) ENGINE=MyISAM"
        )
    within(NOTICED_SECONDS, "the table is there", lambda: not victim.rows(f"SELECT * FROM {table}"))
    write = f"INSERT INTO {table} (text) VALUES ('from the peer')"
    setting = "myisam_recover_options"
    victim.run("sed", "-i", f"s/^{setting} = .*/{setting} = OFF/", CONFIG)
    try:
        victim.run("systemctl", "restart", "mysql", seconds=BOOT_SECONDS)
        is_back(nodes)
        torn_by_a_kill(victim, table)
        with pytest.raises(MySQLError) as caught:
            victim.rows(f"SELECT COUNT(*) FROM {table}")
        assert caught.value.args[0] == CRASHED
        suppressed(other, write)
        within(NOTICED_SECONDS, "the slave stops", victim.threads, lambda seen: seen[1] == "No")
    finally:
        victim.run("sed", "-i", f"s/^{setting} = .*/{setting} = BACKUP,FORCE/", CONFIG)
        victim.run("systemctl", "restart", "mysql", seconds=BOOT_SECONDS)
        victim.wait_for_server()
    is_back(nodes)
    from_the_peer = f"SELECT id FROM {table} WHERE text = 'from the peer'"
    within(NOTICED_SECONDS, "the peer's row", lambda: victim.rows(from_the_peer))

    torn_by_a_kill(victim, table)
    suppressed(other, write)
    within(NOTICED_SECONDS, "the next one", lambda: len(victim.rows(from_the_peer)) == 2)
    is_back(nodes)
    with other.session() as cursor:
        cursor.execute(f"DROP TABLE {table}")


STOP_TIMEOUT = 30
"""rpl_stop_slave_timeout in my.cnf."""
MYSQLS_STOP_TIMEOUT = 31536000
SHORT_STOP_TIMEOUT = 4
INCOMPLETE = 1875


@contextmanager
def slave_behind_a_lock(victim: Node, other: Node, timeout: int) -> Iterator[None]:
    """The SQL thread waits for the table of a client's open transaction. Runs again afterwards."""
    table = f"app.held_{time.time_ns()}"
    with other.session() as cursor:
        cursor.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY)")
    within(NOTICED_SECONDS, "the table is there", lambda: not victim.rows(f"SELECT * FROM {table}"))
    with victim.session() as holder:
        holder.execute(f"SET GLOBAL rpl_stop_slave_timeout = {timeout}")
        holder.execute("BEGIN")
        holder.execute(f"SELECT * FROM {table}")
        with other.session() as cursor:
            cursor.execute(f"DROP TABLE {table}")
        within(
            NOTICED_SECONDS,
            "the slave waits",
            lambda: victim.rows("SHOW SLAVE STATUS")[0]["Slave_SQL_Running_State"],
            lambda state: state == "Waiting for table metadata lock",
        )
        yield
    within(NOTICED_SECONDS, "the SQL thread stops", victim.threads, lambda seen: seen[1] == "No")
    with victim.session() as cursor:
        cursor.execute(f"SET GLOBAL rpl_stop_slave_timeout = {STOP_TIMEOUT}")
        cursor.execute("START SLAVE")


def test_a_stop_of_the_slave_behind_a_lock_is_given_up_and_hides_no_status(
    nodes: list[Node],
) -> None:
    victim, other = nodes
    assert victim.rows("SELECT @@rpl_stop_slave_timeout AS s") == [{"s": STOP_TIMEOUT}]
    with slave_behind_a_lock(victim, other, MYSQLS_STOP_TIMEOUT):
        for statement in ("STOP SLAVE", "SHOW SLAVE STATUS"):
            with pytest.raises(MySQLError, match="timed out"):
                victim.rows(statement)
    is_back(nodes)
    with slave_behind_a_lock(victim, other, SHORT_STOP_TIMEOUT):
        with pytest.raises(MySQLError) as caught:
            victim.rows("STOP SLAVE")
        assert caught.value.args[0] == INCOMPLETE
        assert victim.threads()[1] == "Yes"
    is_back(nodes)


def test_a_rebooted_host_joins_again_by_itself(
    ring: Lab, nodes: list[Node], load: Load, figure: Figure
) -> None:
    victim = nodes[1]
    old = victim.mysqld()
    begun = time.monotonic()
    ring.aws("ec2", "reboot-instances", "--instance-ids", victim.id)
    within(BOOT_SECONDS, "the server is gone", lambda: old not in victim.processes("mysqld"))
    assert load.writers[1].failures or within(5, "cut off", lambda: load.writers[1].failures)
    is_back(nodes, 2 * BOOT_SECONDS)
    figure("ring whole after", time.monotonic() - begun)
    load.advance()
    assert load.reckon() > 0


def test_a_stopped_host_catches_up_after_its_start(
    ring: Lab, nodes: list[Node], load: Load, figure: Figure
) -> None:
    victim, other = nodes
    ring.aws("ec2", "stop-instances", "--instance-ids", victim.id)
    within(BOOT_SECONDS, "the host ends", lambda: not victim.processes("systemd"))
    written = load.writers[1].acknowledged
    within(NOTICED_SECONDS, "the heartbeat shows it", other.heartbeat_age, lambda age: age > 4000)
    within(
        NOTICED_SECONDS,
        "the other node takes writes",
        lambda: load.writers[1].acknowledged > written,
    )
    within(
        BOOT_SECONDS,
        "the instance is stopped",
        lambda: ring.aws("ec2", "describe-instances", "--instance-ids", victim.id)["Reservations"][
            0
        ]["Instances"][0]["State"]["Name"],
        lambda state: state == "stopped",
    )
    begun = time.monotonic()
    ring.aws("ec2", "start-instances", "--instance-ids", victim.id)
    is_back(nodes, 2 * BOOT_SECONDS)
    figure("ring whole after start", time.monotonic() - begun)
    load.advance()
    assert load.reckon() > 0


def test_both_hosts_rebooted_at_once_make_the_same_ring_again(
    ring: Lab, nodes: list[Node], load: Load, figure: Figure
) -> None:
    old = [node.mysqld() for node in nodes]
    begun = time.monotonic()
    ring.aws("ec2", "reboot-instances", "--instance-ids", *(node.id for node in nodes))
    for node, pid in zip(nodes, old, strict=True):
        within(
            BOOT_SECONDS,
            f"{node.name}'s server is gone",
            lambda node=node, pid=pid: pid not in node.processes("mysqld"),
        )
    is_back(nodes, 2 * BOOT_SECONDS)
    figure("ring whole after", time.monotonic() - begun)
    load.advance()
    assert load.reckon() > 0


def test_a_frozen_host_shows_in_the_heartbeat_alone_and_goes_on_when_thawed(
    nodes: list[Node], load: Load, figure: Figure
) -> None:
    victim, other = nodes[1], nodes[0]
    victim.freeze()
    try:
        begun = time.monotonic()
        _, noticed = within(
            NOTICED_SECONDS, "the heartbeat shows it", other.heartbeat_age, lambda age: age > 4000
        )
        figure("noticed after", noticed)
        assert other.threads() == ("Yes", "Yes")
        time.sleep(max(0.0, HELD_SECONDS - (time.monotonic() - begun)))
        assert other.threads()[1] == "Yes"
        assert other.heartbeat_age() > 1000 * (HELD_SECONDS - 2)
    finally:
        victim.thaw()
    figure("ring whole after", is_back(nodes))
    load.advance()
    assert load.reckon() > 0


VOLUME = "/srv/mysql-ring"
UNHEALTHY = "/opt/mysql-ring/current/ring-node status; [ $? = 9 ]"
STATUS_SECONDS = 20
"""It asks its host, its server and its peer, each with a deadline of its own."""


def problems(node: Node) -> dict[str, dict[str, str]]:
    """What `status` says of a node that is not healthy, by case."""
    said = json.loads(node.run("sh", "-c", UNHEALTHY, seconds=STATUS_SECONDS * PATIENCE))
    return {each["case"]: each for each in said["problems"]}


def volume_is(ring: Lab, volume: str, state: str) -> None:
    within(
        HEALED_SECONDS,
        f"{volume} {state}",
        lambda: ring.aws("ec2", "describe-volumes", "--volume-ids", volume)["Volumes"][0]["State"],
        lambda found: found == state,
    )


def test_a_volume_detached_under_its_server_ends_it_and_loses_nothing(
    ring: Lab, nodes: list[Node], load: Load, figure: Figure
) -> None:
    other, victim = nodes
    volume = ring.outputs()["nodes"][victim.name]["dataVolumeId"]
    (server,) = victim.rows("SELECT @@server_uuid AS uuid")
    old = victim.mysqld()
    load.advance()
    begun = time.monotonic()
    ring.aws("ec2", "detach-volume", "--volume-id", volume, "--force")
    volume_is(ring, volume, "available")
    with pytest.raises(RuntimeError, match="Input/output error"):
        victim.run("ls", VOLUME)
    within(NOTICED_SECONDS, "the server ends", lambda: old not in victim.processes("mysqld"))
    within(NOTICED_SECONDS, "the writer is cut off", lambda: load.writers[1].failures > 1)
    figure("noticed after", time.monotonic() - begun)

    found = within(
        NOTICED_SECONDS,
        "the verdict",
        lambda: problems(victim),
        lambda cases: {"volume broken", "server down"} <= cases.keys(),
    )[0]
    assert next(iter(found)) == "volume broken", "the cause first"
    assert "Input/output error" in found["volume broken"]["text"]
    assert "attach it to this instance again" in found["volume broken"]["next_step"]
    assert "reboot this host" in found["volume broken"]["next_step"]
    within(NOTICED_SECONDS, "the peer's verdict", lambda: "peer silent" in problems(other))

    acknowledged = [writer.acknowledged for writer in load.writers]
    refused = load.writers[1].failures
    within(NOTICED_SECONDS, "it tries on", lambda: load.writers[1].failures > refused + 1)
    within(NOTICED_SECONDS, "more", lambda: load.writers[0].acknowledged > acknowledged[0])
    assert load.writers[1].acknowledged == acknowledged[1]

    begun = time.monotonic()
    ring.aws(
        "ec2", "attach-volume", "--volume-id", volume, "--instance-id", victim.id,
        "--device", "/dev/sdf",
    )  # fmt: skip
    volume_is(ring, volume, "in-use")
    ring.aws("ec2", "reboot-instances", "--instance-ids", victim.id)
    victim.wait_for_server(2 * BOOT_SECONDS)
    is_back(nodes, 2 * BOOT_SECONDS)
    figure("ring whole after", time.monotonic() - begun)
    assert victim.rows("SELECT @@server_uuid AS uuid") == [server]
    for node in nodes:
        within(HEALED_SECONDS, "no problem", lambda node=node: node.status()["healthy"])
    load.advance()
    assert load.writers[0].failures == 0, "the other node served all the time"
    assert load.reckon() > 0
