"""What AWS refuses about security groups."""

from __future__ import annotations

from typing import Any

from cloud.refusals import lookup
from cloud.refusals.guard import Call, refuse, refuses


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
