"""What AWS is asked before anything is made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pulumi
from pulumi_aws import ec2, get_availability_zones_output, ssm
from pulumi_aws.ebs import get_ebs_volumes

from components.problems import Problem, SettingsError
from components.settings import RingArgs
from components.standing import Standing

# The newest Debian 12 (https://wiki.debian.org/Cloud/AmazonEC2Image/Bookworm); login `admin`.
IMAGE_PARAMETER = "/aws/service/debian/release/12/latest/amd64"
# A volume that is being deleted, or was a moment ago, is told for some time as that.
THERE = ("creating", "available", "in-use", "error")


@dataclass(frozen=True)
class Lookup:
    """The identifier of the hosts' disk image, and the names of the zones that may be chosen."""

    image: pulumi.Output[str]
    zones: pulumi.Output[Sequence[str]]


@dataclass(frozen=True)
class Place:
    """The zone of the ring, and the type of the instances in it, which it has."""

    zone: pulumi.Input[str]
    instance_type: pulumi.Input[str]


def look_up(settings: RingArgs, provider: pulumi.ProviderResource | None) -> Lookup:
    """Ask AWS, by this provider or by the stack's own; where the settings name a zone, for no
    other."""
    opts = pulumi.InvokeOutputOptions(provider=provider)
    image = ssm.get_parameter_output(name=IMAGE_PARAMETER, opts=opts)
    return Lookup(image.apply(lambda parameter: parameter.value), _zones(settings, opts))


def as_aws_has_it(standing: Standing, provider: pulumi.ProviderResource | None) -> Standing:
    """What stands, without the data volumes that are on AWS no more.

    The state has them until a refresh is over, that of `pulumi up --refresh` too: what the program
    is told of it is from before that.
    """
    wanted = [node.data_volume_id for node in standing.nodes if node.data_volume_id]
    if not wanted:
        return standing
    there = get_ebs_volumes(
        filters=[
            {"name": "volume-id", "values": wanted},
            {"name": "status", "values": list(THERE)},
        ],
        opts=pulumi.InvokeOptions(provider=provider),
    ).ids
    return replace(
        standing,
        nodes=tuple(
            node
            if node.data_volume_id in (None, *there)
            else replace(node, data_volume_gib=None, data_volume_id=None)
            for node in standing.nodes
        ),
    )


def _zones(settings: RingArgs, opts: pulumi.InvokeOutputOptions) -> pulumi.Output[Sequence[str]]:
    if settings.availability_zone:
        return pulumi.Output.from_input([settings.availability_zone])
    zones = get_availability_zones_output(
        state="available",
        # Without it an account's local zones are in the list too.
        filters=[{"name": "zone-type", "values": ["availability-zone"]}],
        opts=opts,
    )
    return zones.apply(lambda found: found.names)


def place(
    settings: RingArgs,
    standing: Standing,
    zones: pulumi.Output[Sequence[str]],
    provider: pulumi.ProviderResource | None,
) -> Place:
    """The zone that the settings name, or where the ring stands, or the first that has the type.

    Not every zone has every type, and an account's letters are its own: us-east-1a of one is
    us-east-1e of another (https://docs.aws.amazon.com/ram/latest/userguide/working-with-az-ids.html).
    A type that the zone lacks is refused here, with SettingsError: EC2 refuses it when the networks
    are made, or when it is to start an instance again that was stopped for it. AWS is not asked
    where the instances stand that are wanted.
    """
    kind = settings.instance_type
    # Plain where it can be: a volume must not be made anew because a preview does not know its zone
    # yet. And the list of zones may come in another order: a ring does not move for that.
    zone = settings.availability_zone or standing.zone
    stands = {node.name: node.instance_type for node in standing.nodes}
    if zone == standing.zone and all(stands.get(node.name) == kind for node in settings.nodes):
        return Place(zone or "", kind)
    offering = ec2.get_instance_type_offerings_output(
        location_type="availability-zone",
        filters=pulumi.Output.from_input(kind).apply(_of_type),
        opts=pulumi.InvokeOutputOptions(provider=provider),
    )
    known = pulumi.Output.all(
        kind, offering.apply(lambda found: found.locations), [zone] if zone else zones
    )
    chosen = known.apply(lambda all_of: zone_with(all_of[0], all_of[1], all_of[2]))
    if zone:
        return Place(zone, pulumi.Output.all(kind, chosen).apply(lambda both: both[0]))
    return Place(chosen, kind)


def _of_type(kind: str) -> Sequence[ec2.GetInstanceTypeOfferingsFilterArgsDict]:
    return [{"name": "instance-type", "values": [kind]}]


def zone_with(kind: str, having: Sequence[str], zones: Sequence[str]) -> str:
    """The first of these zones that is among those which have the type."""
    for zone in zones:
        if zone in having:
            return zone
    elsewhere = f"; {', '.join(sorted(having))} have it" if having else ""
    expected = f"a type that {' or '.join(zones)} has{elsewhere}"
    raise SettingsError([Problem("instanceType", repr(kind), expected)], late=True)
