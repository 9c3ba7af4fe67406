"""What stands between the settings and the ring: every mistake, before anything is touched."""

from collections.abc import Mapping
from dataclasses import replace

import pulumi
from pulumi_aws import config, get_region

from components.changes import changes
from components.checks import problems_of, ring_name, zone
from components.inputs import plain_fields
from components.machine import key_maker, ssh_agent
from components.problems import Problem, SettingsError
from components.settings import RingArgs
from components.standing import Standing, read_standing

AWS = "aws"


def mistakes(ring: str, args: RingArgs, region: str | None) -> list[Problem]:
    """Every mistake of the ring of that name: of the settings themselves, and of what they would
    do to what stands of it in the stack that is updated."""
    return with_losses(flaws(ring, args, region), read_standing(ring), args, region)


def flaws(ring: str, args: RingArgs, region: str | None) -> list[Problem]:
    """The mistakes that the settings show by themselves, and the machine that this runs on.

    Raises SettingsError at once for an output where a plain value is needed.
    """
    if outputs := list(plain_fields(args)):
        raise SettingsError(outputs)
    return [*ring_name(ring, args), *problems_of(args), *zone(args, region), *ssh_agent()]


def with_losses(
    found: list[Problem], standing: Standing, args: RingArgs, region: str | None
) -> list[Problem]:
    """The flaws that were found, and every change that what stands cannot take."""
    # A bucket may outlast a destroy, and has no keys in it.
    if replace(standing, bucket=None) == Standing():
        found = [*found, *key_maker()]
    wrong = {problem.setting for problem in found}
    late = changes(standing, args, region)
    return [*found, *(each for each in late if each.setting not in wrong)]


def aws_provider(opts: pulumi.ResourceOptions | None) -> pulumi.ProviderResource | None:
    """The provider for AWS that the options name, or the parent's. None is the stack's own."""
    if opts is None:
        return None
    several = opts.providers or []
    listed = several.values() if isinstance(several, Mapping) else several
    for each in (*([opts.provider] if opts.provider else []), *listed):
        if each.package == AWS:
            return each
    return opts.parent.get_provider(f"{AWS}:index/x:X") if opts.parent else None


def region_of(opts: pulumi.ResourceOptions | None) -> str | None:
    """The region that the ring is to be in; None when the configuration does not say it.

    A provider of the program's own is asked, as the stack's configuration is not about it.
    """
    provider = aws_provider(opts)
    if provider is None:
        return config.region
    return get_region(opts=pulumi.InvokeOptions(provider=provider)).region
