"""Security groups are enforced, on connections, and a change of a rule is felt soon."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from cloud.cli.ask import Ask
from labs import NODES, PEER, Kept, Lab, eventually
from waits import PATIENCE

pytestmark = pytest.mark.lab

MYSQL, COPY, SSH = 3306, 3307, 22
CLIENT, REPLICATION = 0, 1
"""Device index of a node's interfaces."""
OPEN, DROPPED = "open", "TimeoutError"
REFUSED = "ConnectionRefusedError"
FELT_SECONDS = 30
MARK = 3307
"""Nothing listens on it: a knock that a group lets through is refused by the host."""
OPERATORS = "198.51.100.0/24"

# Says "open" when the server greets, which takes as long as it takes. A packet that a group drops
# gets no answer at all, where the kernel answers at once.
KNOCK = """
import socket, sys
host, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
try:
    with socket.create_connection((host, port), seconds) as server:
        server.settimeout(60)
        print("open" if server.recv(1) else "closed")
except OSError as error:
    print(type(error).__name__)
"""
WAIT_SECONDS = 0.8


class Groups:
    """The groups of a node's two interfaces, and knocks at its ports."""

    def __init__(self, lab: Lab, aws: Ask) -> None:
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

    def knock(self, node: str, port: int = MYSQL) -> str:
        """From the operator's network at a node's public address."""
        (seen,) = self._knocks("world", self.nodes[node]["publicAddress"], port)
        return seen

    def in_force(self) -> None:
        """Wait until all changes of rules so far are felt: one that is made now is."""
        with self.rule(*ingress(self.of["node-1", CLIENT], MARK, "--cidr", OPERATORS)):
            felt(lambda: self.knock("node-1", MARK), REFUSED)

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
        return [knock.communicate(timeout=90 * PATIENCE)[0].strip() for knock in running]

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
    """By a knock that comes soon after the command that changed a rule."""
    eventually(read, lambda seen: seen == expected, f"a knock that is {expected}", FELT_SECONDS)


@contextmanager
def groups_of(lab: Lab) -> Iterator[Groups]:
    aws = lab.aws
    yield Groups(lab, aws)


@pytest.fixture(scope="module")
def known() -> Iterator[Kept[Groups]]:
    with Kept(groups_of) as kept:
        yield kept


@pytest.fixture
def groups(ring: Lab, known: Kept[Groups]) -> Groups:
    return known.of(ring)


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
        groups.in_force()
        assert groups.knock("node-1") == DROPPED


def test_a_rule_for_a_group_opens_to_its_members_when_theirs_lets_them_out(
    groups: Groups,
) -> None:
    one, two = groups.of["node-1", REPLICATION], groups.of["node-2", REPLICATION]
    with groups.rule(*ingress(one, SSH, "--source-group", two)):
        groups.in_force()
        assert groups.knock_at_peer("node-2", SSH) == [DROPPED]
        with groups.rule(*egress(two, SSH, one)):
            felt(lambda: groups.knock_at_peer("node-2", SSH), [OPEN])
            assert groups.knock_at_peer("node-1", SSH) == [DROPPED]
        felt(lambda: groups.knock_at_peer("node-2", SSH), [DROPPED])


@pytest.mark.parametrize("node", NODES)
def test_on_the_replication_network_only_mysql_and_the_copy_are_open_and_to_the_peer_alone(
    groups: Groups, node: str
) -> None:
    assert groups.knock_at_peer(node, MYSQL, SSH) == [OPEN, DROPPED]
    rules = groups.aws(
        "ec2", "describe-security-groups", "--group-ids", groups.of[node, REPLICATION]
    )["SecurityGroups"][0]["IpPermissions"]
    peer = groups.nodes[PEER[node]]["replicationAddress"]
    found = sorted(
        (rule["FromPort"], rule["ToPort"], each["CidrIp"])
        for rule in rules
        for each in rule["IpRanges"]
    )
    assert found == [(port, port, f"{peer}/32") for port in (MYSQL, COPY)]
