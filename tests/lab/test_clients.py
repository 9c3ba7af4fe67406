"""An application on the client network reaches the ring; nobody else does."""

import json
import shlex
import subprocess
from collections.abc import Iterator

import pytest
from labs import NODES, Lab, eventually

pytestmark = pytest.mark.lab

CLIENT_ADDRESS = "192.168.100.50"
SSH_OPTIONS = [
    "-oBatchMode=yes",
    "-oConnectTimeout=3",
    "-oStrictHostKeyChecking=no",
    "-oUserKnownHostsFile=/dev/null",
]

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
    host=asked["host"], user=asked["user"], password=asked["password"], database="app",
    ssl=context if asked["tls"] else None, connect_timeout=5,
)
with connection.cursor() as cursor:
    cursor.execute(asked["sql"])
    print(json.dumps(cursor.fetchall()))
connection.commit()
"""


class ClientHost:
    """A third instance, on the client network, as an application would run on."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.made: list[tuple[str, ...]] = []
        one = lab.outputs()["nodes"]["node-1"]["instance_id"]
        described = lab.aws("ec2", "describe-instances", "--instance-ids", one)
        node = described["Reservations"][0]["Instances"][0]
        group = lab.aws(
            "ec2", "create-security-group", "--group-name", "application", "--description",
            "an application", "--vpc-id", node["VpcId"],
        )["GroupId"]  # fmt: skip
        self.made.append(("ec2", "delete-security-group", "--group-id", group))
        lab.aws(
            "ec2", "authorize-security-group-ingress", "--group-id", group,
            "--protocol", "tcp", "--port", "22", "--cidr", "198.51.100.0/24",
        )  # fmt: skip
        self.instance = lab.aws(
            "ec2", "run-instances", "--image-id", node["ImageId"], "--key-name", node["KeyName"],
            "--instance-type", node["InstanceType"], "--subnet-id", node["SubnetId"],
            "--security-group-ids", group, "--private-ip-address", CLIENT_ADDRESS,
        )["Instances"][0]["InstanceId"]  # fmt: skip
        self.made.append(("ec2", "terminate-instances", "--instance-ids", self.instance))
        address = lab.aws("ec2", "allocate-address", "--domain", "vpc")
        self.made.append(("ec2", "release-address", "--allocation-id", address["AllocationId"]))
        lab.aws(
            "ec2", "associate-address", "--allocation-id", address["AllocationId"],
            "--instance-id", self.instance,
        )  # fmt: skip
        self.login = f"admin@{address['PublicIp']}"
        key = lab.folder / "client-host-key"
        key.touch(mode=0o600)
        key.write_text(lab.outputs()["ssh_private_key"])
        self.key = key
        eventually(lambda: self.ssh("true").returncode, lambda code: code == 0, "ssh", 90)
        installed = self.ssh("sudo apt-get -q update && sudo apt-get -q -y install python3-pymysql")
        assert installed.returncode == 0, installed.stderr + installed.stdout

    def ssh(self, command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        world = f"--net=/run/netns/mr{self.lab.id()}-world"
        return subprocess.run(
            ["nsenter", world, "ssh", *SSH_OPTIONS, "-i", str(self.key), self.login, command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def query(self, host: str, sql: str, tls: bool = True) -> subprocess.CompletedProcess[str]:
        outputs = self.lab.outputs()
        asked = {
            "host": host,
            "user": "app",
            "password": outputs["passwords"]["app"],
            "ca": outputs["ca_certificate"],
            "sql": sql,
            "tls": tls,
        }
        return self.ssh("python3 -c " + shlex.quote(CONNECT), stdin=json.dumps(asked))

    def remove(self) -> None:
        for command in reversed(self.made):
            if "delete-security-group" in command:
                wait = ("ec2", "wait", "instance-terminated", "--instance-ids", self.instance)
                self.lab.run("aws", *wait)
            if "release-address" in command:
                allocation = command[-1]
                found = self.lab.aws("ec2", "describe-addresses", "--allocation-ids", allocation)
                association = found["Addresses"][0]["AssociationId"]
                self.lab.aws("ec2", "disassociate-address", "--association-id", association)
            self.lab.aws(*command)
        self.key.unlink()


@pytest.fixture(scope="module")
def client(lab: Lab, first_up: str) -> Iterator[ClientHost]:
    assert first_up
    host = ClientHost(lab)
    yield host
    host.remove()


@pytest.mark.parametrize("node", NODES)
def test_a_client_on_the_client_network_writes_with_the_applications_account(
    client: ClientHost, table: str, node: str
) -> None:
    address = client.lab.outputs()["nodes"][node]["client_address"]
    wrote = client.query(address, f"INSERT INTO {table} (note) VALUES ('from the application')")
    assert wrote.returncode == 0, wrote.stderr
    read = client.query(address, f"SELECT note, @@hostname FROM {table}")
    assert json.loads(read.stdout)[0][0] == "from the application"


def test_the_application_reads_on_one_node_what_it_wrote_on_the_other(
    client: ClientHost, table: str
) -> None:
    nodes = client.lab.outputs()["nodes"]
    wrote = client.query(nodes["node-1"]["client_address"], f"INSERT INTO {table} () VALUES ()")
    assert wrote.returncode == 0, wrote.stderr
    eventually(
        lambda: client.query(
            nodes["node-2"]["client_address"], f"SELECT COUNT(*) FROM {table}"
        ).stdout.strip(),
        lambda count: count == "[[1]]",
        "the row on node-2",
    )


def test_the_applications_account_is_refused_without_tls(client: ClientHost) -> None:
    address = client.lab.outputs()["nodes"]["node-1"]["client_address"]
    refused = client.query(address, "SELECT 1", tls=False)
    assert refused.returncode != 0
    assert "1045" in refused.stderr


def test_the_applications_account_may_not_touch_the_rings_own_schema(client: ClientHost) -> None:
    address = client.lab.outputs()["nodes"]["node-1"]["client_address"]
    refused = client.query(address, "UPDATE mysql_ring.heartbeat SET server_id = 9")
    assert refused.returncode != 0
    assert "denied" in refused.stderr


def test_the_replication_network_cannot_be_reached_from_the_client_network(
    client: ClientHost,
) -> None:
    address = client.lab.outputs()["nodes"]["node-1"]["replication_address"]
    refused = client.query(address, "SELECT 1")
    assert refused.returncode != 0
