"""Two servers are one ring: what only two real servers can show."""

import subprocess
import time

import pytest
from labs import NODES, PEER, Lab, eventually

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("node", NODES)
def test_both_threads_run_over_tls_towards_the_peers_replication_address(
    ring: Lab, node: str
) -> None:
    status = ring.slave_status(node)
    peer = ring.outputs()["nodes"][PEER[node]]
    assert status["Slave_IO_Running"] == "Yes"
    assert status["Slave_SQL_Running"] == "Yes"
    assert status["Master_Host"] == peer["replication_address"]
    assert status["Master_Server_Id"] == str(peer["server_id"])
    assert status["Master_SSL_Allowed"] == "Yes"
    assert status["Master_SSL_CA_File"] == "/etc/mysql/ssl/CA.pem"


@pytest.mark.parametrize("node", NODES)
def test_the_server_offers_tls(ring: Lab, node: str) -> None:
    assert ring.value(node, "SELECT @@have_ssl") == "YES"


@pytest.mark.parametrize("node", NODES)
def test_the_server_runs_with_the_articles_settings(ring: Lab, node: str) -> None:
    rows = ring.sql(node, "SHOW GLOBAL VARIABLES")
    found = dict(rows)
    expected = {
        "server_id": node[-1],
        "auto_increment_increment": "2",
        "auto_increment_offset": node[-1],
        "binlog_format": "ROW",
        "log_slave_updates": "ON",
        "log_bin_basename": "/var/log/mysql/bin",
        "slave_exec_mode": "IDEMPOTENT",
        "replicate_same_server_id": "OFF",
        "sync_binlog": "1",
        "innodb_flush_log_at_trx_commit": "1",
        "innodb_flush_method": "O_DIRECT",
        "innodb_buffer_pool_size": str(128 * 1024**2),
        "max_allowed_packet": str(52 * 1024**2),
        "query_cache_size": str(80 * 1024**2),
        "query_cache_limit": str(512 * 1024),
        "tmp_table_size": str(32 * 1024**2),
        "character_set_server": "utf8",
        "collation_server": "utf8_unicode_ci",
    }
    found.setdefault("replicate_same_server_id", "OFF")
    assert {name: found.get(name) for name in expected} == expected


def test_a_value_of_almost_the_largest_packet_reaches_the_other_node(ring: Lab, table: str) -> None:
    ring.sql("node-1", f"ALTER TABLE {table} ADD value LONGBLOB")
    ring.sql("node-1", f"INSERT INTO {table} (value) VALUES (REPEAT('x', 51 * 1024 * 1024))")
    read = f"SELECT LENGTH(value), MD5(value) FROM {table}"
    written = ring.sql("node-1", read)
    assert written[0][0] == str(51 * 1024**2)
    eventually(lambda: ring.sql("node-2", read), lambda rows: rows == written, "the value")


@pytest.mark.parametrize("node", NODES)
def test_a_row_written_on_one_node_is_read_on_the_other(ring: Lab, table: str, node: str) -> None:
    ring.sql(node, f"INSERT INTO {table} (node, note) VALUES ('{node}', 'hello')")
    eventually(
        lambda: ring.sql(PEER[node], f"SELECT note FROM {table} WHERE node = '{node}'"),
        lambda rows: rows == [["hello"]],
        f"the row of {node} on {PEER[node]}",
        seconds=10,
    )


def test_rows_inserted_on_both_sides_at_once_do_not_clash(ring: Lab, table: str) -> None:
    rows_each = 500
    insert = f"INSERT INTO {table} (node) VALUES ('%s');\n"
    writers = [ring.popen("mysql", node) for node in NODES]
    for writer, node in zip(writers, NODES, strict=True):
        assert writer.stdin is not None
        writer.stdin.write(insert % node * rows_each)
        writer.stdin.close()
    for writer in writers:
        assert writer.stdout is not None
        assert writer.wait(timeout=120) == 0, writer.stdout.read()

    for node in NODES:
        eventually(
            lambda node=node: ring.value(node, f"SELECT COUNT(*) FROM {table}"),
            lambda count: count == str(2 * rows_each),
            f"all rows on {node}",
        )
    parity = ring.sql("node-1", f"SELECT DISTINCT node, id % 2 FROM {table} ORDER BY node")
    assert parity == [["node-1", "1"], ["node-2", "0"]]
    first, second = (ring.sql(node, f"CHECKSUM TABLE {table}") for node in NODES)
    assert first == second


def test_replication_uses_only_the_replication_interface(ring: Lab, table: str) -> None:
    def received(interface: str) -> int:
        path = f"/sys/class/net/{interface}/statistics/rx_bytes"
        return int(ring.ssh("node-2", f"cat {path}"))

    before = {name: received(name) for name in ("ens5", "ens6")}
    ring.sql("node-1", f"INSERT INTO {table} (note) VALUES (REPEAT('x', 60000))")
    for _ in range(7):
        ring.sql("node-1", f"INSERT INTO {table} (note) SELECT note FROM {table}")
    eventually(
        lambda: ring.value("node-2", f"SELECT COUNT(*) FROM {table}"),
        lambda count: count == "128",
        "the rows on node-2",
    )
    grown = {name: received(name) - before[name] for name in before}
    written = 128 * 60000
    assert grown["ens6"] > written
    assert grown["ens5"] < written / 10

    for node in NODES:
        established = ring.ssh(
            node, "ss -Htn state established '( sport = :3306 or dport = :3306 )'"
        )
        addresses = [line.split()[-2:] for line in established.splitlines()]
        assert len(addresses) >= 2, established
        assert all(a.startswith("10.10.1.") for pair in addresses for a in pair), established


def test_what_is_replicated_cannot_be_read_on_the_wire(ring: Lab, table: str) -> None:
    marker = f"marker{time.time_ns()}"
    instance = ring.outputs()["nodes"]["node-1"]["instance_id"]
    namespace = f"mr{ring.id()}-{instance[-8:]}"
    tcpdump = ["tcpdump", "--immediate-mode", "-i", "ens6", "-U", "-w", "-", "tcp port 3306"]
    capture = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{namespace}", "timeout", "20", *tcpdump],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert capture.stderr is not None
    assert b"listening on ens6" in capture.stderr.readline() + capture.stderr.readline()
    ring.sql("node-1", f"INSERT INTO {table} (note) VALUES ('{marker}')")
    eventually(
        lambda: ring.value("node-2", f"SELECT COUNT(*) FROM {table} WHERE note = '{marker}'"),
        lambda count: count == "1",
        "the marker on node-2",
    )
    capture.terminate()
    packets, _ = capture.communicate(timeout=10)
    assert len(packets) > len(marker) + 200, "the capture saw no replication traffic"
    assert marker.encode() not in packets


def test_the_replication_account_is_refused_without_tls_and_from_elsewhere(ring: Lab) -> None:
    for node in NODES:
        peer = ring.outputs()["nodes"][PEER[node]]["replication_address"]
        user = ring.outputs()["users"]["replication"]
        rows = ring.sql(
            node, f"SELECT host, ssl_type, Repl_slave_priv FROM mysql.user WHERE user = '{user}'"
        )
        assert rows == [[peer, "ANY", "Y"]]


@pytest.mark.parametrize("node", NODES)
def test_only_named_accounts_exist_and_each_has_a_password(ring: Lab, node: str) -> None:
    rows = ring.sql(node, "SELECT user, host FROM mysql.user WHERE user = '' OR password = ''")
    assert rows == []
    roots = ring.sql(node, "SELECT host FROM mysql.user WHERE user = 'root'")
    assert roots == [["localhost"]]


@pytest.mark.parametrize("node", NODES)
def test_the_heartbeat_of_the_peer_arrives_every_second(ring: Lab, node: str) -> None:
    peer_id = ring.outputs()["nodes"][PEER[node]]["server_id"]
    read = f"SELECT * FROM mysql_ring.heartbeat WHERE server_id = {peer_id}"
    before = ring.sql(node, read)
    assert len(before) == 1
    eventually(lambda: ring.sql(node, read), lambda rows: rows != before, "a newer heartbeat", 5)


def test_a_stopped_slave_thread_shows_in_the_age_of_the_heartbeat(ring: Lab) -> None:
    ring.sql("node-2", "STOP SLAVE SQL_THREAD")
    try:
        eventually(
            lambda: ring.status("node-2")["heartbeat_age_ms"],
            lambda age: age > 4000,
            "a heartbeat age over 4 s",
            seconds=20,
        )
    finally:
        ring.sql("node-2", "START SLAVE SQL_THREAD")
    eventually(
        lambda: ring.status("node-2")["heartbeat_age_ms"],
        lambda age: age < 3000,
        "a fresh heartbeat again",
    )
