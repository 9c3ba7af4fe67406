"""What AWS is asked before anything is made."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import get_availability_zones_output, ssm

from components.settings import RingArgs

# The newest Debian 12 (https://wiki.debian.org/Cloud/AmazonEC2Image/Bookworm); login `admin`.
IMAGE_PARAMETER = "/aws/service/debian/release/12/latest/amd64"


@dataclass(frozen=True)
class Lookup:
    """The identifier of the hosts' disk image, and the name of the zone for new subnets."""

    image: pulumi.Output[str]
    zone: pulumi.Output[str]


def look_up(settings: RingArgs, provider: pulumi.ProviderResource | None) -> Lookup:
    """Ask AWS, by this provider or by the stack's own; a zone that the settings name is not asked
    for."""
    opts = pulumi.InvokeOutputOptions(provider=provider)
    image = ssm.get_parameter_output(name=IMAGE_PARAMETER, opts=opts)
    return Lookup(image.apply(lambda parameter: parameter.value), _zone(settings, opts))


def _zone(settings: RingArgs, opts: pulumi.InvokeOutputOptions) -> pulumi.Output[str]:
    if settings.availability_zone:
        return pulumi.Output.from_input(settings.availability_zone)
    zones = get_availability_zones_output(
        state="available",
        # Without it an account's local zones are in the list too.
        filters=[{"name": "zone-type", "values": ["availability-zone"]}],
        opts=opts,
    )
    return zones.apply(lambda found: found.names[0])
