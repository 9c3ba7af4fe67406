"""An application on the client network reaches the ring; nobody else does."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pymysql
import pytest
from cloud.cli.ask import Asking
from cloud.lab import Lab as Folder
from hosts_of_their_own import Host
from labs import NODES, Kept, Lab, eventually

pytestmark = pytest.mark.lab

CLIENT_ADDRESS = "192.168.100.50"
# A client of OpenSSL 3 needs these to speak to the lab's 5.6.24, whose TLS is of 2015.
CONNECT = """
import json, ssl, sys
import pymysql
asked = json.load(sys.stdin)
context = ssl.create_default_context(cadata=asked["ca"])
context.check_hostname = False
context.minimum_version = ssl.TLSVersion.TLSv1
context.options |= 0x4
context.set_ciphers("AES256-SHA:@SECLEVEL=0")
connection = pymysql.connect(
    host=asked["host"], user=asked["user"], password=asked["password"],
    ssl=context if asked["tls"] else None, ssl_disabled=not asked["tls"], connect_timeout=5,
)
with connection.cursor() as cursor:
    cursor.execute(asked["sql"])
    print(json.dumps(cursor.fetchall()))
connection.commit()
"""


class ClientHost(Host):
    """A third instance, on the client network, as an application would run on."""

    def __init__(self, lab: Lab, public_address: str) -> None:
        super().__init__(lab, public_address)
        self.outputs = lab.outputs()
        self.nodes = self.outputs["nodes"]

    def query(
        self, host: str, sql: str, tls: bool = True, user: str = "app"
    ) -> subprocess.CompletedProcess[str]:
        asked = {
            "host": host,
            "user": user,
            "password": self.outputs["passwords"][user],
            "ca": self.outputs["caCertificate"],
            "sql": sql,
            "tls": tls,
        }
        return self.run("python3 -W ignore -c " + shlex.quote(CONNECT), json.dumps(asked))


@contextmanager
def client_host(lab: Lab) -> Iterator[ClientHost]:
    one = lab.outputs()["nodes"]["node-1"]["instanceId"]
    with Asking(Folder(lab.folder, Folder.from_environment().cache)) as aws, ExitStack() as stack:
        described = aws("ec2", "describe-instances", "--instance-ids", one)
        node = described["Reservations"][0]["Instances"][0]
        group = aws(
            "ec2", "create-security-group", "--group-name", "application", "--description",
            "an application", "--vpc-id", node["VpcId"],
        )["GroupId"]  # fmt: skip
        stack.callback(aws, "ec2", "delete-security-group", "--group-id", group)
        aws(
            "ec2", "authorize-security-group-ingress", "--group-id", group,
            "--protocol", "tcp", "--port", "22", "--cidr", "198.51.100.0/24",
        )  # fmt: skip
        instance = aws(
            "ec2", "run-instances", "--image-id", node["ImageId"], "--key-name", node["KeyName"],
            "--instance-type", node["InstanceType"], "--subnet-id", node["SubnetId"],
            "--security-group-ids", group, "--private-ip-address", CLIENT_ADDRESS,
        )["Instances"][0]["InstanceId"]  # fmt: skip
        state = ("--query", "Reservations[].Instances[].State.Name")
        ask = partial(aws, "ec2", "describe-instances", "--instance-ids", instance, *state)
        stack.callback(eventually, ask, lambda found: found == ["terminated"], "its end", 60)
        stack.callback(aws, "ec2", "terminate-instances", "--instance-ids", instance)
        address = aws("ec2", "allocate-address", "--domain", "vpc")
        allocation = ("--allocation-id", address["AllocationId"])
        stack.callback(aws, "ec2", "release-address", *allocation)
        associated = aws("ec2", "associate-address", *allocation, "--instance-id", instance)
        association = ("--association-id", associated["AssociationId"])
        stack.callback(aws, "ec2", "disassociate-address", *association)

        host = ClientHost(lab, address["PublicIp"])
        eventually(lambda: host.run("true").returncode, lambda code: code == 0, "ssh", 90)
        host.unpack("pymysql", Path(pymysql.__file__).parent)
        yield host


@pytest.fixture(scope="module")
def clients() -> Iterator[Kept[ClientHost]]:
    with Kept(client_host) as kept:
        yield kept


@pytest.fixture
def client(ring: Lab, clients: Kept[ClientHost]) -> ClientHost:
    return clients.of(ring)


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
