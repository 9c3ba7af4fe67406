"""What AWS refuses about security groups."""

from __future__ import annotations

from typing import Any

from cloud.api import lookup
from cloud.refusals.guard import Call, refuse, refuses

LAST_PORT = 65535


def refuse_several_interfaces(call: Call) -> None:
    """What belongs to an interface was asked of an instance that has more than one."""
    instance = call.backend.get_instance(call.get("InstanceId"))
    if len(instance.nics) > 1:
        refuse(
            "InvalidInstanceID",
            f"There are multiple interfaces attached to instance '{instance.id}'. Please specify"
            " an interface ID for the operation instead.",
        )


def refuse_unknown(backend: Any, group_ids: list[str]) -> None:
    for group_id in group_ids:
        if lookup.group(backend, group_id) is None:
            refuse("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")


def refuse_foreign(backend: Any, group_ids: list[str], vpc_id: str) -> None:
    """Groups and interface must be of one VPC."""
    refuse_unknown(backend, group_ids)
    for group_id in group_ids:
        if backend.get_security_group_from_id(group_id).vpc_id != vpc_id:
            refuse(
                "InvalidGroup.NotFound",
                "You have specified two resources that belong to different networks."
                f" ({group_id} is not a group of {vpc_id})",
            )


@refuses("ec2", "CreateSecurityGroup", code="InvalidVpcID.NotFound")
def vpc_of_a_group_does_not_exist(call: Call) -> None:
    """The VPC does not exist.

    Source: errors-overview (InvalidVpcID.NotFound).
    """
    if call.get("VpcId"):
        call.backend.get_vpc(call.get("VpcId"))


@refuses(
    "ec2",
    "AuthorizeSecurityGroupIngress",
    "AuthorizeSecurityGroupEgress",
    code="InvalidParameterValue",
)
def ports_are_not_a_range(call: Call) -> None:
    """A rule for TCP or UDP does not name both ports, one that is no port, or the larger first.

    Source: AWSEC2 API Reference, IpPermission; code and text for missing ports as observed by
    users of the AWS SDK for .NET; the other texts are those of Eucalyptus, which follows EC2.
    """
    for permission in call.get("IpPermissions", []):
        if str(permission.get("IpProtocol")).lower() not in ("tcp", "udp", "6", "17"):
            continue
        first, last = permission.get("FromPort"), permission.get("ToPort")
        if first is None or last is None:
            refuse(
                "InvalidParameterValue",
                "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.",
            )
        for port in (int(first), int(last)):
            if not 0 <= port <= LAST_PORT:
                refuse("InvalidParameterValue", f"TCP/UDP port ({port}) out of range")
        if int(first) > int(last):
            refuse("InvalidParameterValue", f"Invalid TCP/UDP port range ({first}:{last})")


@refuses("ec2", "DescribeSecurityGroupRules", code="InvalidParameterValue")
def filter_is_not_one(call: Call) -> None:
    """A filter is none of group-id, security-group-rule-id and tag:KEY.

    Source: AWSEC2 API Reference, DescribeSecurityGroupRules; text as users of the Describe calls
    quote it.
    """
    for each in call.get("Filters", []):
        name = each.get("Name", "")
        if name not in ("group-id", "security-group-rule-id") and not name.startswith("tag:"):
            refuse("InvalidParameterValue", f"The filter '{name}' is invalid")


@refuses("ec2", "ModifySecurityGroupRules", code="MissingParameter")
def new_rule_is_missing(call: Call) -> None:
    """A rule is named without what it is to become.

    Source: AWSEC2 API Reference, ModifySecurityGroupRules and errors-overview (MissingParameter);
    the text is ours.
    """
    for update in call.get("SecurityGroupRules", []):
        if not update.get("SecurityGroupRule"):
            refuse("MissingParameter", "The request must contain the parameter SecurityGroupRule")


@refuses("ec2", "DeleteSecurityGroup", code="CannotDelete")
def group_is_the_default_one(call: Call) -> None:
    """The group is the VPC's default group.

    Source: VPC User Guide, default-security-group (code and text); errors-overview.
    """
    group = lookup.group(call.backend, call.get("GroupId", ""))
    if group is not None and group.is_default:
        refuse(
            "CannotDelete",
            f'the specified group: "{group.id}" name: "{group.name}" cannot be deleted by a user',
        )


@refuses("ec2", "DeleteSecurityGroup", code="DependencyViolation")
def group_is_in_use(call: Call) -> None:
    """An interface carries the group, or a rule of another group names it.

    Source: AWSEC2 API Reference, DeleteSecurityGroup and errors-overview; text as observed in
    hashicorp/terraform#31658. For a rule that names the group errors-overview has both
    DependencyViolation (in a VPC) and InvalidGroup.InUse.
    """
    group = lookup.group(call.backend, call.get("GroupId", ""))
    if group is None:
        return
    used = any(
        group.id in lookup.groups_of(eni)
        for eni in lookup.interfaces(call.backend)
        if eni.instance is None or lookup.holder(eni)
    )
    if used or any(True for _ in lookup.referring_groups(call.backend, group.id)):
        refuse("DependencyViolation", f"resource {group.id} has a dependent object")


@refuses("ec2", "ModifyInstanceAttribute", code="InvalidInstanceID")
def attribute_belongs_to_one_of_several_interfaces(call: Call) -> None:
    """The groups or the source/destination check of an instance with more than one interface are
    to change: they are the interfaces'.

    Source: terraform-provider-aws, internal/service/ec2/ec2_instance.go, which quotes the answer of
    ModifyInstanceAttribute; the code is that of AssociateAddress, with the same text.
    """
    if not call.get("Groups") and call.get("SourceDestCheck.Value") is None:
        return
    refuse_several_interfaces(call)


@refuses("ec2", "ModifyInstanceAttribute", code="InvalidGroup.NotFound")
def group_of_another_vpc_on_an_instance(call: Call) -> None:
    """A group is not of the instance's VPC.

    Source: errors-overview (InvalidGroup.NotFound: "You can't specify a security group that is
    in a different AWS Region or VPC than the request").
    """
    groups = call.get("Groups", [])
    if groups:
        instance = call.backend.get_instance(call.get("InstanceId"))
        refuse_foreign(call.backend, groups, instance.vpc_id)
