"""What stands already: the ring as the stack's last state has it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.first_boot import address_in
from components.mysql.configuration import values_of
from components.settings import RestoreSettings
from components.tags import RING

# A function of Pulumi's engine itself: the resources of a stack's last state and their outputs.
STATE = "pulumi:pulumi:readStackResourceOutputs"
VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
INTERFACE = "aws:ec2/networkInterface:NetworkInterface"
INSTANCE = "aws:ec2/instance:Instance"
VOLUME = "aws:ebs/volume:Volume"
BUCKET = "aws:s3/bucket:Bucket"
STEP = "command:remote:Command"
# The types of components: one of them is in the URN of each resource of a ring.
OF_A_RING = "mysql-ring:"
# The same of the program's first version, which named most resources otherwise.
OF_AN_OLD_RING = "mysql-ring:ring:Ring"
CLIENT_INTERFACE = "-client-interface"
INSTANCE_NAME = "-instance"
VOLUME_NAME = "-data-volume"


@dataclass(frozen=True)
class StandingNode:
    """One node. What is None is not there, or was not reached by the update that was to make it.

    `seeded`: its step `seed` was done, on this instance or an earlier one. Until then a node takes
    no writes. `young_volume`: its volume is another one than its peer was told of when that was
    seeded last, and nothing that the ring had is on it. `replication_interface` is what the host
    was told at its first boot, such as 10.10.1.10/24.
    """

    name: str
    instance: bool = False
    seeded: bool = False
    young_volume: bool = False
    instance_type: str | None = None
    client_address: str | None = None
    replication_interface: str | None = None
    root_volume_gib: int | None = None
    data_volume_gib: int | None = None
    data_volume_id: str | None = None
    my_cnf: str | None = None

    @property
    def holds_data(self) -> bool:
        """Whether there may be data on its volume: one without an instance is what a destroy has
        left, and no step says of what."""
        has_volume = self.data_volume_gib is not None and not self.young_volume
        return has_volume and (self.seeded or not self.instance)

    @property
    def server_id(self) -> int | None:
        return _whole(values_of(self.my_cnf or "").get("server_id"))

    @property
    def auto_increment_offset(self) -> int | None:
        return _whole(values_of(self.my_cnf or "").get("auto_increment_offset"))


@dataclass(frozen=True)
class Standing:
    """The networks, the nodes and the bucket that the ring made, and what it was restored from. The
    empty one is a stack without resources."""

    client_cidr: str | None = None
    zone: str | None = None
    nodes: tuple[StandingNode, ...] = ()
    bucket: str | None = None
    birth: RestoreSettings | None = None

    @property
    def holds_data(self) -> bool:
        return any(node.holds_data for node in self.nodes)

    @property
    def lost(self) -> bool:
        """Whether there may have been data, and no volume is left that has it."""
        return any(node.seeded for node in self.nodes) and all(
            node.data_volume_gib is None or node.young_volume for node in self.nodes
        )


def read_standing(ring: str) -> Standing:
    """Ask the engine what stands of the ring of that name in the stack that is being updated.

    Raises RunError when it cannot be known, and for a ring of an old version of this program.
    A program's test with mocks answers this call with {"outputs": {}}.
    """
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    try:
        state = pulumi.runtime.invoke(STATE, {"stackName": stack}).value
    except Exception as error:
        raise pulumi.RunError(
            f"found no way to read the state of {stack}: {error}; expected it, to see whether "
            "these settings would replace what holds data; try `pulumi stack export`"
        ) from error
    if "outputs" not in state:
        raise pulumi.RunError(
            f"found no outputs in what {STATE} answers for {stack}; expected the stack's resources "
            'there, {"outputs": {}} if it has none; in a test, let the mock of `call` answer that'
        )
    refuse_old(stack, state["outputs"])
    return standing(ring, state["outputs"])


def refuse_old(stack: str, state: Mapping[str, object]) -> None:
    """Nothing of the oldest has the name that it would have now, and the data of later ones is on
    their instances: it would be lost, or not be found."""
    steps = [
        urn.rpartition("::")[2] for urn in state if _of_a_ring(urn) and _types(urn).endswith(STEP)
    ]
    with_data = any(name.endswith("-seed") for name in steps)
    without_volumes = with_data and not any(name.endswith("-mysql-volume") for name in steps)
    if without_volumes or any(OF_AN_OLD_RING in _types(urn) for urn in state):
        how = "its data is on no volume" if without_volumes else OF_AN_OLD_RING
        raise pulumi.RunError(
            f"found a ring of an older version of this program in {stack} ({how}); "
            "expected none: this version would not keep the data that is on both instances; "
            "dump the data and `pulumi destroy` with that version, then `pulumi up` with this one "
            "and load it (docs/operations.md)"
        )


def standing(ring: str, state: Mapping[str, Mapping[str, Any]]) -> Standing:
    """The same from the engine's answer: type and outputs of each resource, by its URN."""
    by_name: dict[tuple[str, str], Mapping[str, Any]] = {
        (resource["type"], urn.rpartition("::")[2]): resource["outputs"]
        for urn, resource in state.items()
        if _of_a_ring(urn)
    }

    def outputs(kind: str, name: str) -> Mapping[str, Any]:
        return by_name.get((kind, name), {})

    def mine(name: str, found: Mapping[str, Any]) -> bool:
        """Another ring's name may begin with this one's: the tag tells them apart. Where somebody
        has removed it on AWS the node may be this ring's, and counts."""
        return name.startswith(f"{ring}-") and (found.get("tags") or {}).get(RING, ring) == ring

    names = {
        name.removeprefix(f"{ring}-").removesuffix(suffix)
        for (kind, name), found in by_name.items()
        for wanted, suffix in (
            (INTERFACE, CLIENT_INTERFACE),
            (INSTANCE, INSTANCE_NAME),
            (VOLUME, VOLUME_NAME),
        )
        if kind == wanted and name.endswith(suffix) and mine(name, found)
    }
    told = dict(
        _peer_told(outputs(STEP, f"{ring}-replication-{name}-seed").get("stdin") or "{}")
        for name in sorted(names)
    )
    nodes = []
    for name in sorted(names):
        instance = outputs(INSTANCE, f"{ring}-{name}{INSTANCE_NAME}")
        volume = outputs(VOLUME, f"{ring}-{name}{VOLUME_NAME}")
        nodes.append(
            StandingNode(
                name=name,
                instance=bool(instance),
                seeded=(STEP, f"{ring}-replication-{name}-seed") in by_name,
                young_volume=_volume_id(volume) not in (None, told.get(name, _volume_id(volume))),
                instance_type=instance.get("instanceType"),
                client_address=instance.get("privateIp"),
                replication_interface=address_in(instance.get("userData") or ""),
                root_volume_gib=_whole((instance.get("rootBlockDevice") or {}).get("volumeSize")),
                data_volume_gib=_whole(volume.get("size")),
                data_volume_id=_volume_id(volume),
                my_cnf=outputs(STEP, f"{ring}-{name}-mysql-config").get("stdin"),
            )
        )
    # A volume stays where it is, also without its subnet.
    placed = [
        *(outputs(VOLUME, f"{ring}-{name}{VOLUME_NAME}") for name in sorted(names)),
        outputs(SUBNET, f"{ring}-network-client-subnet"),
    ]
    return Standing(
        client_cidr=outputs(VPC, f"{ring}-network-client-vpc").get("cidrBlock"),
        zone=next(
            (each["availabilityZone"] for each in placed if "availabilityZone" in each), None
        ),
        nodes=tuple(nodes),
        bucket=outputs(BUCKET, f"{ring}-bucket-store").get("bucket"),
        birth=next(
            (
                RestoreSettings(**json.loads(found["stdin"])["restore"])
                for name in sorted(names)
                if (found := outputs(STEP, f"{ring}-birth-{name}-restore-new"))
            ),
            None,
        ),
    )


def _volume_id(volume: Mapping[str, Any]) -> str | None:
    """arn:aws:ec2:REGION:ACCOUNT:volume/vol-..."""
    return volume["arn"].rpartition("/")[2] if "arn" in volume else None


def _peer_told(document: str) -> tuple[str, str]:
    """Of the document of a step `seed`: the name of the peer, and the id of its volume."""
    peer = json.loads(document).get("peer") or {}
    return peer.get("name", ""), peer.get("volume_id", "")


def _types(urn: str) -> str:
    """urn:pulumi:STACK::PROJECT::TYPES::NAME, in which the types are those of all parents too."""
    return urn.split("::")[2]


def _of_a_ring(urn: str) -> bool:
    return any(each.startswith(OF_A_RING) for each in _types(urn).split("$"))


def _whole(value: object) -> int | None:
    return None if value is None else int(float(str(value)))
