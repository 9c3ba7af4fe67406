"""What AWS refuses about security groups."""

from __future__ import annotations

from typing import Any

from cloud.api import lookup
from cloud.refusals.call import Call
from cloud.refusals.guard import refuses

LAST_PORT = 65535


def unknown(backend: Any, group_ids: list[str]) -> str | None:
    """What AWS says if one of these groups does not exist."""
    for group_id in group_ids:
        if lookup.group(backend, group_id) is None:
            return f"The security group '{group_id}' does not exist"
    return None


def foreign(backend: Any, group_ids: list[str], vpc_id: str) -> str | None:
    """What AWS says if one of these groups is not one of this VPC."""
    for group_id in group_ids:
        group = lookup.group(backend, group_id)
        if group is not None and group.vpc_id != vpc_id:
            return (
                "You have specified two resources that belong to different networks."
                f" ({group_id} is not a group of {vpc_id})"
            )
    return unknown(backend, group_ids)


@refuses("ec2", "CreateSecurityGroup", code="InvalidVpcID.NotFound")
def vpc_of_a_group_does_not_exist(call: Call) -> str | None:
    """The VPC does not exist.

    Source: errors-overview (InvalidVpcID.NotFound).
    """
    if call.get("VpcId"):
        call.backend.get_vpc(call.get("VpcId"))
    return None


@refuses(
    "ec2",
    "AuthorizeSecurityGroupIngress",
    "AuthorizeSecurityGroupEgress",
    code="InvalidParameterValue",
)
def ports_are_not_a_range(call: Call) -> str | None:
    """A rule for TCP or UDP does not name both ports, one that is no port, or the larger first.

    Source: AWSEC2 API Reference, IpPermission; code and text for missing ports as observed by
    users of the AWS SDK for .NET; the other texts are those of Eucalyptus, which follows EC2.
    """
    for permission in call.get("IpPermissions", []):
        if str(permission.get("IpProtocol")).lower() not in ("tcp", "udp", "6", "17"):
            continue
        first, last = permission.get("FromPort"), permission.get("ToPort")
        if first is None or last is None:
            return "Invalid value for portRange. Must specify both from and to ports with TCP/UDP."
        for port in (int(first), int(last)):
            if not 0 <= port <= LAST_PORT:
                return f"TCP/UDP port ({port}) out of range"
        if int(first) > int(last):
            return f"Invalid TCP/UDP port range ({first}:{last})"
    return None


@refuses("ec2", "DescribeSecurityGroupRules", code="InvalidParameterValue")
def filter_is_not_one(call: Call) -> str | None:
    """A filter is none of group-id, security-group-rule-id and tag:KEY.

    Source: AWSEC2 API Reference, DescribeSecurityGroupRules; text as users of the Describe calls
    quote it.
    """
    for each in call.get("Filters", []):
        name = each.get("Name", "")
        if name not in ("group-id", "security-group-rule-id") and not name.startswith("tag:"):
            return f"The filter '{name}' is invalid"
    return None


@refuses("ec2", "ModifySecurityGroupRules", code="MissingParameter")
def new_rule_is_missing(call: Call) -> str | None:
    """A rule is named without what it is to become.

    Source: AWSEC2 API Reference, ModifySecurityGroupRules and errors-overview (MissingParameter);
    the text is ours.
    """
    for update in call.get("SecurityGroupRules", []):
        if not update.get("SecurityGroupRule"):
            return "The request must contain the parameter SecurityGroupRule"
    return None


@refuses("ec2", "DeleteSecurityGroup", code="CannotDelete")
def group_is_the_default_one(call: Call) -> str | None:
    """The group is the VPC's default group.

    Source: VPC User Guide, default-security-group (code and text); errors-overview.
    """
    group = lookup.group(call.backend, call.get("GroupId", ""))
    if group is not None and group.is_default:
        return f'the specified group: "{group.id}" name: "{group.name}" cannot be deleted by a user'
    return None


@refuses("ec2", "DeleteSecurityGroup", code="DependencyViolation")
def group_is_in_use(call: Call) -> str | None:
    """An interface carries the group, or a rule of another group names it.

    Source: AWSEC2 API Reference, DeleteSecurityGroup and errors-overview; text as observed in
    hashicorp/terraform#31658. For a rule that names the group errors-overview has both
    DependencyViolation (in a VPC) and InvalidGroup.InUse.
    """
    group = lookup.group(call.backend, call.get("GroupId", ""))
    if group is None:
        return None
    used = any(
        group.id in lookup.groups_of(eni)
        for eni in lookup.interfaces(call.backend)
        if eni.instance is None or lookup.holder(eni)
    )
    if used or any(True for _ in lookup.referring_groups(call.backend, group.id)):
        return f"resource {group.id} has a dependent object"
    return None
