"""Two servers are one ring: what only two real servers can show."""

import json
import shlex
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pytest
from cloud.cli.surroundings import argv_in_world
from cloud.lab import Lab as Folder
from labs import NODES, PEER, Lab, eventually, hostname
from waits import PATIENCE

pytestmark = pytest.mark.lab

ACCESS_DENIED = 1045
BEATS = 6
# Logs in with TLS and without: each time the error's number, or the account.
LOGINS = """
import json, ssl, sys
import pymysql
asked = json.load(sys.stdin)
context = ssl.create_default_context(cadata=asked["ca"])
context.minimum_version = ssl.TLSVersion.TLSv1
context.options |= 0x4
context.set_ciphers("AES256-SHA:@SECLEVEL=0")
answers = []
for tls in (True, False):
    try:
        with pymysql.connect(
            host=asked["host"], user=asked["user"], password=asked["password"],
            ssl=context if tls else None, ssl_disabled=not tls, connect_timeout=5,
        ) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER()")
            answers.append(cursor.fetchone()[0])
    except pymysql.err.MySQLError as error:
        answers.append(error.args[0])
print(json.dumps(answers))
"""


@pytest.mark.parametrize("node", NODES)
def test_both_threads_run_over_tls_towards_the_peers_replication_address(
    ring: Lab, node: str
) -> None:
    status = ring.slave_status(node)
    peer = ring.outputs()["nodes"][PEER[node]]
    assert status["Slave_IO_Running"] == "Yes"
    assert status["Slave_SQL_Running"] == "Yes"
    assert status["Master_Host"] == peer["replicationAddress"]
    assert status["Master_Server_Id"] == str(peer["serverId"])
    assert status["Master_SSL_Allowed"] == "Yes"
    assert status["Master_SSL_CA_File"] == "/etc/mysql/ssl/CA.pem"


@pytest.mark.parametrize("node", NODES)
def test_the_server_offers_tls_and_runs_with_the_articles_settings(ring: Lab, node: str) -> None:
    rows = ring.sql(node, "SHOW GLOBAL VARIABLES")
    found = dict(rows)
    expected = {
        "have_ssl": "YES",
        "server_id": node[-1],
        "auto_increment_increment": "2",
        "auto_increment_offset": node[-1],
        "binlog_format": "ROW",
        "log_slave_updates": "ON",
        "log_bin_basename": "/var/log/mysql/bin",
        "slave_exec_mode": "IDEMPOTENT",
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
    )


def test_rows_inserted_on_both_sides_at_once_do_not_clash(ring: Lab, table: str) -> None:
    rows_each = 500
    insert = f"INSERT INTO {table} (node) VALUES ('%s');\n"
    writers = [ring.popen_sql(node) for node in NODES]
    for writer, node in zip(writers, NODES, strict=True):
        assert writer.stdin is not None
        writer.stdin.write(insert % node * rows_each)
        writer.stdin.close()
    for writer in writers:
        assert writer.stdout is not None
        assert writer.wait(timeout=120 * PATIENCE) == 0, writer.stdout.read()

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
    def received() -> tuple[int, int]:
        """Bytes on the client interface and on the replication interface."""
        paths = (f"/sys/class/net/{name}/statistics/rx_bytes" for name in ("ens5", "ens6"))
        clients, replication = ring.ssh("node-2", "cat", *paths).split()
        return int(clients), int(replication)

    before = received()
    ring.sql("node-1", f"INSERT INTO {table} (note) VALUES (REPEAT('x', 60000))")
    ring.sql("node-1", f"INSERT INTO {table} (note) SELECT note FROM {table};" * 7)
    eventually(
        lambda: ring.value("node-2", f"SELECT COUNT(*) FROM {table}"),
        lambda count: count == "128",
        "the rows on node-2",
    )
    clients, replication = (now - then for now, then in zip(received(), before, strict=True))
    written = 128 * 60000
    assert replication > written
    assert clients < written / 10

    for node in NODES:
        established = ring.ssh(
            node, "ss -Htn state established '( sport = :3306 or dport = :3306 )'"
        )
        addresses = [line.split()[-2:] for line in established.splitlines()]
        assert len(addresses) >= 2, established
        assert all(a.startswith("10.10.1.") for pair in addresses for a in pair), established


def test_what_is_replicated_cannot_be_read_on_the_wire(ring: Lab, table: str) -> None:
    marker = f"marker{time.time_ns()}"
    instance = ring.outputs()["nodes"]["node-1"]["instanceId"]
    namespace = f"mr{ring.id()}-{instance[-8:]}"
    tcpdump = ["tcpdump", "--immediate-mode", "-i", "ens6", "-U", "-w", "-", "tcp port 3306"]
    capture = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{namespace}", "timeout", "120", *tcpdump],
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
    packets, _ = capture.communicate(timeout=60 * PATIENCE)
    assert len(packets) > len(marker) + 200, "the capture saw no replication traffic"
    assert marker.encode() not in packets


@pytest.mark.parametrize("node", NODES)
def test_the_replication_account_is_refused_without_tls(ring: Lab, node: str) -> None:
    """Tried where it is let in with TLS: on the node's peer."""
    outputs = ring.outputs()
    asked = {
        "host": outputs["nodes"][node]["replicationAddress"],
        "user": outputs["users"]["replication"],
        "password": outputs["passwords"][outputs["users"]["replication"]],
        "ca": outputs["caCertificate"],
    }
    words = shlex.join(["python3", "-W", "ignore", "-c", LOGINS])
    answers = json.loads(ring.ssh(PEER[node], words, stdin=json.dumps(asked)))
    address = outputs["nodes"][PEER[node]]["replicationAddress"]
    assert answers == [f"{asked['user']}@{address}", ACCESS_DENIED]


@pytest.mark.parametrize("node", NODES)
def test_only_named_accounts_exist_and_each_has_a_password(ring: Lab, node: str) -> None:
    rows = ring.sql(
        node, "SELECT user, host FROM mysql.user WHERE user IN ('', 'root') OR password = ''"
    )
    assert rows == [["root", "localhost"]]


@pytest.mark.parametrize("node", NODES)
def test_the_heartbeat_of_the_peer_arrives_every_second(ring: Lab, node: str) -> None:
    """By the clock and the count of the node that beats: it waits a second, and is never late by
    another one for long."""
    peer = ring.outputs()["nodes"][PEER[node]]["serverId"]
    look = f"SELECT beat, generation FROM mysql_ring.heartbeat WHERE server_id = {peer}"

    def beats() -> list[tuple[datetime, int]]:
        (found,) = ring.sql(node, look)
        seen.append((datetime.fromisoformat(found[0]), int(found[1])))
        return seen

    seen: list[tuple[datetime, int]] = []
    eventually(beats, lambda now: now[-1][1] >= now[0][1] + BEATS, f"{BEATS} beats on {node}")
    assert seen == sorted(seen)
    passed = (seen[-1][0] - seen[0][0]).total_seconds()
    between = passed / (seen[-1][1] - seen[0][1])
    assert 0.8 < between < 2 * PATIENCE, seen


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


@pytest.mark.parametrize("node", NODES)
def test_the_lines_in_the_outputs_are_enough_to_log_in(
    ring: Lab, tmp_path: Path, node: str
) -> None:
    """And a host with another host key is not trusted."""
    outputs = ring.outputs()
    key, known_hosts = tmp_path / "ring.key", tmp_path / "ring.known_hosts"
    key.touch(mode=0o600)
    key.write_text(outputs["sshPrivateKey"])
    folder = Folder(ring.folder, Folder.from_environment().cache)

    def log_in(line: str) -> subprocess.CompletedProcess[str]:
        known_hosts.write_text(line + "\n")
        words = [*shlex.split(outputs["nodes"][node]["ssh"]), "hostname"]
        return subprocess.run(
            argv_in_world(folder, words),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60 * PATIENCE,
            check=False,
        )

    done = log_in(outputs["nodes"][node]["knownHosts"])
    assert done.stdout.strip() == hostname(ring, node), done.stderr
    own, other = (outputs["nodes"][name] for name in (node, PEER[node]))
    refused = log_in(f"{own['publicAddress']} {other['sshHostKey']}")
    assert refused.returncode != 0
    assert "Host key verification failed" in refused.stderr
