"""Security groups are enforced, on connections, and a change of a rule is felt within a second."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from cloud.cli.ask import Asking
from cloud.lab import Lab as Folder
from labs import NODES, PEER, Lab

pytestmark = pytest.mark.lab

MYSQL, SSH = 3306, 22
CLIENT, REPLICATION = 0, 1
"""Device index of a node's interfaces."""
OPEN, DROPPED = "open", "TimeoutError"
FELT_SECONDS = 1.0
OPERATORS = "198.51.100.0/24"

# Says "open" when the server greets. A packet that a group drops gets no answer at all.
KNOCK = """
import socket, sys
host, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
try:
    with socket.create_connection((host, port), seconds) as server:
        print("open" if server.recv(1) else "closed")
except OSError as error:
    print(type(error).__name__)
"""
WAIT_SECONDS = 0.8


class Groups:
    """The groups of a node's two interfaces, and knocks at its ports."""

    def __init__(self, lab: Lab, aws: Asking) -> None:
        self.aws = aws
        self.nodes = lab.outputs()["nodes"]
        self.prefix = f"/run/netns/mr{lab.id()}-"
        ids = {node: self.nodes[node]["instanceId"] for node in NODES}
        described = aws("ec2", "describe-instances", "--instance-ids", *ids.values())
        found = {
            (instance["InstanceId"], interface["Attachment"]["DeviceIndex"]): interface["Groups"]
            for reservation in described["Reservations"]
            for instance in reservation["Instances"]
            for interface in instance["NetworkInterfaces"]
        }
        self.of = {
            (node, index): found[ids[node], index][0]["GroupId"]
            for node in NODES
            for index in (CLIENT, REPLICATION)
        }

    def knock(self, node: str) -> str:
        """From the operator's network at MySQL on a node's public address."""
        (seen,) = self._knocks("world", self.nodes[node]["publicAddress"], MYSQL)
        return seen

    def knock_at_peer(self, node: str, *ports: int) -> list[str]:
        """From a node at its peer's address of the replication network."""
        address = self.nodes[PEER[node]]["replicationAddress"]
        return self._knocks(self.nodes[node]["instanceId"][-8:], address, *ports)

    def _knocks(self, place: str, address: str, *ports: int) -> list[str]:
        """From the network namespace of the world or of a host, at several ports at once."""
        there = ["nsenter", f"--net={self.prefix}{place}", "python3", "-c", KNOCK, address]
        running = [
            subprocess.Popen(
                [*there, str(port), str(WAIT_SECONDS)], stdout=subprocess.PIPE, text=True
            )
            for port in ports
        ]
        return [knock.communicate(timeout=30)[0].strip() for knock in running]

    @contextmanager
    def rule(self, direction: str, *permission: str) -> Iterator[None]:
        """A rule of TCP, ingress or egress, that is there for the length of a block."""
        self.aws("ec2", f"authorize-security-group-{direction}", *permission)
        try:
            yield
        finally:
            self.aws("ec2", f"revoke-security-group-{direction}", *permission)


def ingress(group: str, port: int, *source: str) -> tuple[str, ...]:
    return ("ingress", "--group-id", group, "--protocol", "tcp", "--port", str(port), *source)


def egress(group: str, port: int, to_group: str) -> tuple[str, ...]:
    permission = (
        f"IpProtocol=tcp,FromPort={port},ToPort={port},UserIdGroupPairs=[{{GroupId={to_group}}}]"
    )
    return ("egress", "--group-id", group, "--ip-permissions", permission)


def felt(read: Callable[[], object], expected: object) -> None:
    """By a knock that starts within a second of the command that changed a rule, or the first."""
    deadline = time.monotonic() + FELT_SECONDS
    while True:
        started = time.monotonic()
        seen = read()
        if seen == expected:
            return
        assert started < deadline, f"{seen} after {FELT_SECONDS} s, expected {expected}"


@pytest.fixture(scope="module")
def groups(lab: Lab, first_up: str) -> Iterator[Groups]:
    assert first_up
    with Asking(Folder(lab.folder, Folder.from_environment().cache)) as aws:
        yield Groups(lab, aws)


def test_a_rule_opens_mysql_to_the_world_and_its_end_closes_it(groups: Groups) -> None:
    """The answers pass with no rule of their own: the group lets only HTTP and HTTPS out."""
    group = groups.of["node-1", CLIENT]
    assert groups.knock("node-1") == DROPPED
    with groups.rule(*ingress(group, MYSQL, "--cidr", OPERATORS)):
        felt(lambda: groups.knock("node-1"), OPEN)
        assert groups.knock("node-2") == OPEN, "both nodes' client interfaces are in the group"
    felt(lambda: groups.knock("node-1"), DROPPED)


def test_a_rule_for_another_network_opens_nothing(groups: Groups) -> None:
    group = groups.of["node-1", CLIENT]
    with groups.rule(*ingress(group, MYSQL, "--cidr", "198.51.101.0/24")):
        time.sleep(FELT_SECONDS)
        assert groups.knock("node-1") == DROPPED


def test_a_rule_for_a_group_opens_to_its_members_when_theirs_lets_them_out(
    groups: Groups,
) -> None:
    one, two = groups.of["node-1", REPLICATION], groups.of["node-2", REPLICATION]
    with groups.rule(*ingress(one, SSH, "--source-group", two)):
        time.sleep(FELT_SECONDS)
        assert groups.knock_at_peer("node-2", SSH) == [DROPPED]
        with groups.rule(*egress(two, SSH, one)):
            felt(lambda: groups.knock_at_peer("node-2", SSH), [OPEN])
            assert groups.knock_at_peer("node-1", SSH) == [DROPPED]
        felt(lambda: groups.knock_at_peer("node-2", SSH), [DROPPED])


@pytest.mark.parametrize("node", NODES)
def test_on_the_replication_network_only_mysql_is_open_and_to_the_peer_alone(
    groups: Groups, node: str
) -> None:
    assert groups.knock_at_peer(node, MYSQL, SSH) == [OPEN, DROPPED]
    rules = groups.aws(
        "ec2", "describe-security-groups", "--group-ids", groups.of[node, REPLICATION]
    )["SecurityGroups"][0]["IpPermissions"]
    peer = groups.nodes[PEER[node]]["replicationAddress"]
    sources = [each["CidrIp"] for rule in rules for each in rule["IpRanges"]]
    assert ([(rule["FromPort"], rule["ToPort"]) for rule in rules], sources) == (
        [(MYSQL, MYSQL)],
        [f"{peer}/32"],
    )
