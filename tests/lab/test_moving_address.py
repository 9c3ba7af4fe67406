"""A private address of a running host: it is reached when it is assigned, and nobody sends from it
any more once it has moved to another host."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from cloud.api.later import FILE
from cloud.cli.ask import Ask
from cloud.names import Names, cable_end, guest_interface
from cloud.network import namespaces
from labs import NODES, Lab, eventually

pytestmark = pytest.mark.lab

ADDRESS = "192.168.100.77"
PORT = 7001
ASSIGN = "AssignPrivateIpAddresses"

SPEAK = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as server:
    print("ready", flush=True)
    connection, _ = server.accept()
    for line in sys.stdin:
        connection.sendall(line.encode())
"""
HEAR = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as connection:
    connection.settimeout(None)
    print("ready", flush=True)
    for line in connection.makefile():
        print(line, end="", flush=True)
"""
READ_METADATA = """
import sys, urllib.request
base = "http://169.254.169.254/latest/"
header = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
ask = urllib.request.Request(base + "api/token", method="PUT", headers=header)
token = urllib.request.urlopen(ask, timeout=30).read().decode()
path = f"meta-data/network/interfaces/macs/{sys.argv[1]}/local-ipv4s"
ask = urllib.request.Request(base + path, headers={"X-aws-ec2-metadata-token": token})
print(urllib.request.urlopen(ask, timeout=30).read().decode())
"""


TABLE = "mysql_ring_watch"
WATCH = f"""
table ip {TABLE} {{
  chain came {{
    type filter hook forward priority -30; policy accept;
    iifname "%(end)s" ip saddr %(address)s counter
  }}
  chain passed {{
    type filter hook forward priority 10; policy accept;
    iifname "%(end)s" ip saddr %(address)s counter
  }}
}}
"""
"""The lab's own chains, which drop, are between the two."""


class Client:
    """A node's client interface."""

    def __init__(self, names: Names, described: dict[str, Any]) -> None:
        self.namespace = names.host(described["InstanceId"])
        self.id, self.mac = described["NetworkInterfaceId"], described["MacAddress"]
        self.group = described["Groups"][0]["GroupId"]
        self.router = names.vpc(described["VpcId"])

    def popen(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            namespaces.inside(self.namespace, ["python3", "-u", "-c", script, *arguments]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def configure(self, what: str) -> None:
        namespaces.link(
            self.namespace, [f"address {what} {ADDRESS}/24 dev {guest_interface(0)} noprefixroute"]
        )

    def told(self) -> bool:
        """Whether the host's metadata says that the interface has the address."""
        words = ["python3", "-c", READ_METADATA, self.mac]
        return ADDRESS in namespaces.run_inside(self.namespace, words).split()

    def is_routed_to(self) -> bool:
        found = namespaces.run(["ip", "-n", self.router, "route", "get", ADDRESS])
        return f" dev {cable_end(self.id)} " in found


class Watch:
    """Counts a node's packets from the address in its router: those that reach the source check
    and those that pass it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __enter__(self) -> "Watch":
        self._nft("-f", "-", text=WATCH % {"end": cable_end(self.client.id), "address": ADDRESS})
        return self

    def __exit__(self, *_: object) -> None:
        self._nft("delete", "table", "ip", TABLE)

    def _nft(self, *words: str, text: str | None = None) -> str:
        return namespaces.run_inside(self.client.router, ["nft", *words], text=text)

    def came_and_passed(self) -> tuple[int, int]:
        listed = self._nft("list", "table", "ip", TABLE)
        came, passed = (int(count) for count in re.findall(r"packets (\d+)", listed))
        return came, passed


class Line:
    """An open connection: what a program at an address of one host says to one on another host."""

    def __init__(self, speaker: Client, address: str, port: int, hearer: Client) -> None:
        self.heard: list[str] = []
        self.speaker = speaker.popen(SPEAK, address, str(port))
        self._ready(self.speaker)
        self.hearer = hearer.popen(HEAR, address, str(port))
        self._ready(self.hearer)
        threading.Thread(target=self._listen, daemon=True).start()

    def _ready(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

    def _listen(self) -> None:
        assert self.hearer.stdout
        self.heard += iter(self.hearer.stdout)

    def say(self, word: str) -> None:
        assert self.speaker.stdin
        self.speaker.stdin.write(f"{word}\n")
        self.speaker.stdin.flush()

    def has_heard(self, word: str) -> None:
        eventually(lambda: list(self.heard), lambda heard: f"{word}\n" in heard, word)

    def close(self) -> None:
        for process in (self.hearer, self.speaker):
            process.kill()
            process.wait(10)


class Two:
    """The client interfaces of both nodes, whose group lets the test's ports pass."""

    def __init__(self, lab: Lab, aws: Ask) -> None:
        self.aws, self.order = aws, lab.folder / "cloud" / FILE
        names = Names.of(lab.folder)
        nodes = lab.outputs()["nodes"]
        self.one, self.two = (
            Client(names, self._client(nodes[node]["instanceId"])) for node in NODES
        )

    def _client(self, instance_id: str) -> dict[str, Any]:
        described = self.aws("ec2", "describe-instances", "--instance-ids", instance_id)
        (instance,) = described["Reservations"][0]["Instances"]
        (found,) = (
            each for each in instance["NetworkInterfaces"] if each["Attachment"]["DeviceIndex"] == 0
        )
        return {**found, "InstanceId": instance_id}

    def rules(self, what: str) -> None:
        permission = (
            f"IpProtocol=tcp,FromPort={PORT},ToPort={PORT},"
            f"UserIdGroupPairs=[{{GroupId={self.one.group}}}]"
        )
        for direction in ("ingress", "egress"):
            self.aws(
                "ec2", f"{what}-security-group-{direction}", "--group-id", self.one.group,
                "--ip-permissions", permission,
            )  # fmt: skip

    def assign(self, client: Client, *more: str) -> None:
        self.aws(
            "ec2", "assign-private-ip-addresses", "--network-interface-id", client.id,
            "--private-ip-addresses", ADDRESS, *more,
        )  # fmt: skip

    def holder(self) -> Client | None:
        found = self.aws("ec2", "describe-network-interfaces")["NetworkInterfaces"]
        holders = [
            each["NetworkInterfaceId"]
            for each in found
            if ADDRESS in [entry["PrivateIpAddress"] for entry in each["PrivateIpAddresses"]]
        ]
        assert len(holders) <= 1, holders
        return next((each for each in (self.one, self.two) if [each.id] == holders), None)

    def unassign(self) -> None:
        holder = self.holder()
        if holder is not None:
            self.aws(
                "ec2", "unassign-private-ip-addresses", "--network-interface-id", holder.id,
                "--private-ip-addresses", ADDRESS,
            )  # fmt: skip

    def hold(self) -> None:
        """Until the order is gone an address that is to move stays where it is."""
        self.order.write_text(json.dumps({ASSIGN: 3600}))

    def let_go(self, to: Client) -> None:
        self.order.unlink()
        eventually(to.is_routed_to, bool, "the router leads the address to the new holder")


@pytest.fixture
def clients(ring: Lab) -> Iterator[Two]:
    with ExitStack() as undo:
        clients = Two(ring, ring.aws)
        clients.rules("authorize")
        undo.callback(clients.rules, "revoke")
        undo.callback(clients.unassign)
        undo.callback(clients.order.unlink, missing_ok=True)
        yield clients


@pytest.fixture
def lines() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_an_address_is_reached_at_its_holder_and_sent_from_by_its_holder_alone(
    clients: Two, lines: ExitStack
) -> None:
    one, two = clients.one, clients.two
    clients.assign(one)
    assert (one.told(), two.told()) == (True, False)
    one.configure("add")
    lines.callback(one.configure, "del")
    eventually(one.is_routed_to, bool, "the router leads the address to node-1")

    line = Line(one, ADDRESS, PORT, two)
    lines.callback(line.close)
    clients.hold()
    clients.assign(two, "--allow-reassignment")
    with Watch(one) as watch:
        line.say("held")
        line.has_heard("held")
        assert watch.came_and_passed()[1] > 0
    assert (one.told(), two.told()) == (True, False)

    clients.let_go(two)
    assert (one.told(), two.told()) == (False, True)
    assert clients.holder() is two
    with Watch(one) as watch:
        line.say("moved")
        # What is dropped is sent again: when the second packet has come the first one has had
        # its time to pass.
        _, passed = eventually(
            watch.came_and_passed, lambda seen: seen[0] > 1 or seen[1] > 0, "packets from node-1"
        )
        assert passed == 0, "the former holder still sends from the address"

    clients.assign(one, "--allow-reassignment")
    line.has_heard("moved")
    eventually(one.is_routed_to, bool, "the router leads the address to node-1 again")


def test_an_address_that_has_moved_is_reached_at_its_new_holder(
    clients: Two, lines: ExitStack
) -> None:
    one, two = clients.one, clients.two
    clients.assign(one)
    clients.assign(two, "--allow-reassignment")
    eventually(two.is_routed_to, bool, "the router leads the address to node-2")
    two.configure("add")
    lines.callback(two.configure, "del")
    line = Line(two, ADDRESS, PORT, one)
    lines.callback(line.close)
    line.say("from node-2")
    line.has_heard("from node-2")
