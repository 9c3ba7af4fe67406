"""What only a host shows of its boots: the routes it takes, and that one which dies in its first
boot is there all the same.

For cloud-init knows the instance before it has configured the network, and a second boot would not
do that again.
"""

import contextlib
import re
from collections.abc import Iterator

import pytest
import yaml
from cloud import groups
from cloud.hosts import image
from cloud.names import Names
from gates import IN_FIRST_BOOT
from hosts import Node
from hosts_of_their_own import launched, with_tool
from labs import NODES, Lab, eventually, wait_until_whole
from waits import BOOT_SECONDS, within

from components.first_boot import user_data

pytestmark = pytest.mark.lab

TRIES = 5
"""The moment lasts some hundredths of a second: a cut may come too late."""


def test_a_host_that_dies_before_its_network_is_configured_boots_all_the_same(ring: Lab) -> None:
    for _ in range(TRIES):
        with launched(ring) as instance:
            upper = ring.folder / "cloud/hosts" / instance / "upper"
            known = upper / "var/lib/cloud/data/instance-id"
            within(BOOT_SECONDS, "cloud-init knows the instance", known.exists, pause=0.001)
            groups.end(f"{Names.of(ring.folder).control_group}/{instance}")
            if not list(upper.glob("etc/systemd/network/*.network")):
                with_tool(ring, instance)
                return
    raise AssertionError(f"{TRIES} hosts had their network before they died")


CLIENT, REPLICATION = "ens5", "ens6"


def test_no_node_ever_has_a_default_route_into_the_replication_network(ring: Lab) -> None:
    before = {name: recorded(ring, Node(ring, name).id) for name in NODES}
    for name, boots in before.items():
        assert default_routes(boots[0], CLIENT), f"{name}: its first boot was recorded"
        assert f" dev {REPLICATION} " in boots[0], name
    for name in NODES:
        node = Node(ring, name)
        ring.aws("ec2", "reboot-instances", "--instance-ids", node.id)
        within(
            BOOT_SECONDS,
            f"the reboot of {name}",
            lambda node=node: recorded(ring, node.id),
            lambda boots, name=name: (
                len(boots) > len(before[name]) and f" dev {REPLICATION} " in boots[-1]
            ),
        )
        wait_until_whole(ring)
    for name in NODES:
        boots = recorded(ring, Node(ring, name).id)
        assert default_routes(boots[-1], CLIENT), f"{name}: its reboot was recorded"
        assert [default_routes(boot, REPLICATION) for boot in boots] == [[]] * len(boots), name


def test_an_interface_that_comes_in_the_middle_of_a_first_boot_takes_a_default_route(
    ring: Lab,
) -> None:
    """The fault that the node's order of things averts: here the same record shows it."""
    with interface(ring) as (eni, mac, address), ring.gates.first_boot() as gate:
        document = yaml.safe_load(user_data("", "", mac, address))
        del document["ssh_keys"]
        document["bootcmd"] = [["sh", "-c", IN_FIRST_BOOT]]
        with launched(ring, f"#cloud-config\n{yaml.safe_dump(document)}") as instance:
            gate.wait()
            (boot,) = recorded(ring, instance)
            assert default_routes(boot, CLIENT)
            assert not default_routes(boot, REPLICATION)
            ring.aws(
                "ec2", "attach-network-interface", "--network-interface-id", eni,
                "--instance-id", instance, "--device-index", "1",
            )  # fmt: skip
            within(
                BOOT_SECONDS,
                "a default route into the replication network",
                lambda: default_routes(recorded(ring, instance)[0], REPLICATION),
            )
            gate.lift()
            host = with_tool(ring, instance)
            assert REPLICATION not in host.root("ip route show default"), "user data ends it"
            assert f" {address} " in host.root(f"ip -oneline address show {REPLICATION}")


@contextlib.contextmanager
def interface(ring: Lab) -> Iterator[tuple[str, str, str]]:
    """A network interface in the replication network: its identifier, MAC and address with its
    prefix."""
    subnet = ring.outputs()["network"]["replicationSubnetId"]
    group = ring.outputs()["nodes"]["node-1"]["replicationSecurityGroupId"]
    made = ring.aws(
        "ec2", "create-network-interface", "--subnet-id", subnet, "--groups", group
    )["NetworkInterface"]  # fmt: skip
    eni = made["NetworkInterfaceId"]
    try:
        yield eni, made["MacAddress"], f"{made['PrivateIpAddress']}/24"
    finally:
        eventually(lambda: _status(ring, eni), lambda status: status == "available", f"{eni} free")
        ring.aws("ec2", "delete-network-interface", "--network-interface-id", eni)


def _status(ring: Lab, eni: str) -> str:
    words = ("ec2", "describe-network-interfaces", "--network-interface-ids", eni)
    return ring.aws(*words)["NetworkInterfaces"][0]["Status"]


def recorded(ring: Lab, instance: str) -> list[str]:
    """What the host has noted of its routes in each of its boots."""
    text = (ring.folder / "cloud/hosts" / instance / "upper" / image.ROUTES).read_text()
    return text.split("boot\n")[1:]


def default_routes(boot: str, name: str) -> list[str]:
    """Those through an interface that the kernel has been given or has lost."""
    return re.findall(rf"^.* default .* dev {name} .*$", boot, re.MULTILINE)
