"""Broken networks: rules of the tests' own in the routers of the lab, removed afterwards."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cloud.names import Names, cable_end
from cloud.network import namespaces
from hosts import Node

TABLE = "mysql_ring_fault"
BLACK_HOLE = "drop"
RESET = "meta l4proto tcp reject with tcp reset"


@dataclass(frozen=True)
class Port:
    """An interface of a node: its identifier, its network and its address."""

    interface_id: str
    vpc_id: str
    address: str


def ports(node: Node) -> dict[int, Port]:
    """A node's interfaces by device index: 0 for clients and SSH, 1 for replication."""
    described = node.lab.aws("ec2", "describe-instances", "--instance-ids", node.id)
    (instance,) = described["Reservations"][0]["Instances"]
    return {
        each["Attachment"]["DeviceIndex"]: Port(
            each["NetworkInterfaceId"], each["VpcId"], each["PrivateIpAddress"]
        )
        for each in instance["NetworkInterfaces"]
    }


@contextmanager
def broken(names: Names, vpc_id: str, how: str, which: str = "") -> Iterator[None]:
    """Do `how` to the packets that pass a VPC's router and match `which`; all without it."""
    namespace = names.vpc(vpc_id)
    rules = [line for line in which.splitlines() if line.strip()] or [""]
    text = "\n".join(
        [
            f"table ip {TABLE} {{",
            "  chain forward {",
            "    type filter hook forward priority -100; policy accept;",
            *(f"    {rule} counter {how}" for rule in rules),
            "  }",
            "}",
            "",
        ]
    )
    namespaces.run_inside(namespace, ["nft", "-f", "-"], text=text)
    try:
        yield
    finally:
        namespaces.run_inside(namespace, ["nft", "delete", "table", "ip", TABLE])


@contextmanager
def unplugged(names: Names, port: Port) -> Iterator[None]:
    """Take the carrier from an interface: the router's end of its cable goes down."""
    namespace, cable = names.vpc(port.vpc_id), cable_end(port.interface_id)
    namespaces.link(namespace, [f"link set {cable} down"])
    try:
        yield
    finally:
        # The kernel drops the routes of an interface that goes down.
        namespaces.link(
            namespace, [f"link set {cable} up", f"route replace {port.address}/32 dev {cable}"]
        )


def dropped(names: Names, vpc_id: str) -> int:
    """How many packets the rules of `broken` have caught so far."""
    listed = subprocess.run(
        namespaces.inside(names.vpc(vpc_id), ["nft", "list", "table", "ip", TABLE]),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return sum(int(listed[i + 1]) for i, word in enumerate(listed) if word == "packets")
