"""An application on the client network reaches the ring; nobody else does."""

import ipaddress
import json
from typing import Any

import pytest
from clients import CLIENT_ADDRESS, ClientHost
from hosts import Node
from labs import NODES, Lab, eventually

pytestmark = pytest.mark.lab

AROUND, BESIDE = "192.168.100.32/27", "192.168.100.64/26"
"""Ranges with the client host in it, and without."""


def host_part(cidr: str) -> str:
    return str(ipaddress.IPv4Network(cidr).with_netmask)


@pytest.mark.parametrize("node", NODES)
def test_a_client_on_the_client_network_writes_with_the_applications_account(
    client: ClientHost, table: str, node: str
) -> None:
    address = client.nodes[node]["clientAddress"]
    wrote = client.query(address, f"INSERT INTO {table} (note) VALUES ('from the application')")
    assert wrote.returncode == 0, wrote.stderr
    read = client.query(address, f"SELECT note, @@hostname FROM {table}")
    assert json.loads(read.stdout)[0][0] == "from the application"


def test_the_application_reads_on_one_node_what_it_wrote_on_the_other(
    client: ClientHost, table: str
) -> None:
    nodes = client.nodes
    wrote = client.query(nodes["node-1"]["clientAddress"], f"INSERT INTO {table} () VALUES ()")
    assert wrote.returncode == 0, wrote.stderr
    eventually(
        lambda: client.query(
            nodes["node-2"]["clientAddress"], f"SELECT COUNT(*) FROM {table}"
        ).stdout.strip(),
        lambda count: count == "[[1]]",
        "the row on node-2",
    )


def test_the_applications_account_is_refused_without_tls(client: ClientHost) -> None:
    address = client.nodes["node-1"]["clientAddress"]
    refused = client.query(address, "SELECT 1", tls=False)
    assert refused.returncode != 0
    assert "1045" in refused.stderr


@pytest.mark.parametrize("node", NODES)
def test_the_replication_account_is_refused_on_the_client_network(
    client: ClientHost, node: str
) -> None:
    address, user = client.nodes[node]["clientAddress"], client.outputs["users"]["replication"]
    assert client.query(address, "SELECT 1").stdout.strip() == "[[1]]"
    refused = client.query(address, "SELECT 1", user=user)
    assert refused.returncode != 0
    assert f"(1045, \"Access denied for user '{user}'@'{CLIENT_ADDRESS}'" in refused.stderr


def test_the_applications_account_may_not_touch_the_rings_own_schema(client: ClientHost) -> None:
    address = client.nodes["node-1"]["clientAddress"]
    refused = client.query(address, "UPDATE mysql_ring.heartbeat SET server_id = 9")
    assert refused.returncode != 0
    assert "denied" in refused.stderr


def test_the_replication_network_cannot_be_reached_from_the_client_network(
    client: ClientHost,
) -> None:
    address = client.nodes["node-1"]["replicationAddress"]
    refused = client.query(address, "SELECT 1")
    assert refused.returncode != 0
    assert "(2003," in refused.stderr, "it is no server that refuses"


def update(ring: Lab, **settings: Any) -> None:
    changed = ring.settings_with(**settings)
    words = ("up", "--yes", "--skip-preview", "--non-interactive", "--config-file", str(changed))
    ring.pulumi(*words)


def test_a_client_reaches_mysql_only_while_its_range_is_listed(
    ring: Lab, client: ClientHost
) -> None:
    servers = {node: Node(ring, node).mysqld() for node in NODES}
    addresses = [client.nodes[node]["clientAddress"] for node in NODES]
    for address in addresses:
        assert client.query(address, "SELECT 1").returncode == 0
    whole = client.outputs["network"]["clientCidr"]
    try:
        update(ring, clientRanges=[BESIDE])
        for address in addresses:
            eventually(
                lambda address=address: client.query(address, "SELECT 1", seconds=5).stderr,
                lambda said: "(2003," in said,
                f"{address} closed to {CLIENT_ADDRESS}",
            )

        update(ring, clientRanges=[AROUND], requireClientTls=False)
        for address in addresses:
            eventually(
                lambda address=address: client.query(address, "SELECT 1", tls=False).returncode,
                lambda code: code == 0,
                f"{address} open to {CLIENT_ADDRESS}",
            )
        for node in NODES:
            found = ring.sql(node, "SELECT Host, ssl_type FROM mysql.user WHERE User = 'app'")
            assert sorted(found) == sorted(
                [
                    [host_part(AROUND), ""],
                    [host_part(whole), ""],  # the client's as well, so it is held alike
                    [host_part(BESIDE), "ANY"],
                ]
            )
    finally:
        ring.up()
        for node in NODES:
            for cidr in (AROUND, BESIDE):
                drop = f"SET sql_log_bin = 0; DROP USER 'app'@'{host_part(cidr)}'"
                ring.run_sql(node, drop, expect=None)
    assert client.query(addresses[0], "SELECT 1", tls=False).returncode != 0
    assert {node: Node(ring, node).mysqld() for node in NODES} == servers
