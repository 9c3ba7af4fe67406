"""A host on the client network, and an application's programs on it."""

import json
import shlex
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pymysql
from hosts_of_their_own import Host
from labs import Lab, eventually
from waits import PATIENCE

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
    ssl=context if asked["tls"] else None, ssl_disabled=not asked["tls"],
    connect_timeout=asked["seconds"],
)
with connection.cursor() as cursor:
    cursor.execute(asked["sql"])
    print(json.dumps(cursor.fetchall()))
connection.commit()
"""
# One connection after the other, until standard input ends; what each got, on a line of its own.
LOOP = """
import json, select, ssl, sys, time
import pymysql
asked = json.loads(sys.stdin.readline())
context = ssl.create_default_context(cadata=asked["ca"])
context.check_hostname = False
context.minimum_version = ssl.TLSVersion.TLSv1
context.options |= 0x4
context.set_ciphers("AES256-SHA:@SECLEVEL=0")
while not select.select([sys.stdin], [], [], 0.02)[0]:
    try:
        with pymysql.connect(
            host=asked["host"], user=asked["user"], password=asked["password"], ssl=context,
            connect_timeout=10, read_timeout=600, autocommit=True,
        ) as connection, connection.cursor() as cursor:
            changed = cursor.execute(asked["sql"])
            got = {"rows": cursor.fetchall(), "changed": changed}
    except (pymysql.err.MySQLError, OSError) as error:
        got = {"error": str(error.args)}
    print(json.dumps(got), flush=True)
"""


class ClientHost(Host):
    """A third instance, on the client network, as an application would run on."""

    def __init__(self, lab: Lab, public_address: str) -> None:
        super().__init__(lab, public_address)
        self.outputs = lab.outputs()
        self.nodes = self.outputs["nodes"]

    def query(
        self, host: str, sql: str, tls: bool = True, user: str = "app", seconds: int = 30
    ) -> subprocess.CompletedProcess[str]:
        asked = {
            "host": host,
            "user": user,
            "password": self.outputs["passwords"][user],
            "ca": self.outputs["caCertificate"],
            "sql": sql,
            "tls": tls,
            "seconds": seconds,
        }
        return self.run("python3 -W ignore -c " + shlex.quote(CONNECT), json.dumps(asked))

    def loop(self, node: str, sql: str) -> "Loop":
        """The application asks the same of a node again and again."""
        asked = {
            "host": self.nodes[node]["clientAddress"],
            "user": "app",
            "password": self.outputs["passwords"]["app"],
            "ca": self.outputs["caCertificate"],
            "sql": sql,
        }
        return Loop(self, json.dumps(asked))


class Loop:
    """A program that goes on until it is told to end; used as a context."""

    def __init__(self, host: ClientHost, asked: str) -> None:
        self._process = host.popen("python3 -W ignore -c " + shlex.quote(LOOP))
        assert self._process.stdin is not None
        self._process.stdin.write(asked + "\n")
        self._process.stdin.flush()
        self._got: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Loop":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60 * PATIENCE)
        self._reader.join(timeout=60 * PATIENCE)

    @property
    def got(self) -> list[dict[str, Any]]:
        """All that it got so far."""
        return list(self._got)

    @property
    def answers(self) -> list[Any]:
        """The first value of the first row, each time that it got one."""
        return [each["rows"][0][0] for each in self.got if each.get("rows")]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._got.append(json.loads(line))


@contextmanager
def client_host(lab: Lab) -> Iterator[ClientHost]:
    one = lab.outputs()["nodes"]["node-1"]["instanceId"]
    aws = lab.aws
    with ExitStack() as stack:
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
