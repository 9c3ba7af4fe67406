"""What AWS refuses about instances after their launch: their attributes and their end."""

from __future__ import annotations

from cloud.api import lookup
from cloud.refusals.call import Call
from cloud.refusals.guard import refuses
from cloud.refusals.security_group import foreign

STOPPED_ONLY = ("EbsOptimized", "InstanceType", "Kernel", "Ramdisk", "UserData")
"""Attributes that a running instance keeps: AWSEC2 API Reference, ModifyInstanceAttribute."""


def several_interfaces(call: Call) -> str | None:
    """What AWS says when what belongs to an interface is asked of an instance with several."""
    instance = call.backend.get_instance(call.get("InstanceId"))
    if len(instance.nics) > 1:
        return (
            f"There are multiple interfaces attached to instance '{instance.id}'. Please specify"
            " an interface ID for the operation instead."
        )
    return None


@refuses("ec2", "TerminateInstances", code="OperationNotPermitted")
def instance_is_protected(call: Call) -> str | None:
    """The instance has termination protection (DisableApiTermination).

    Source: AWSEC2 API Reference, errors-overview (OperationNotPermitted) and
    TerminateInstances; text of EC2 User Guide, troubleshooting terminate.
    """
    ids = call.get("InstanceIds", [])
    for instance in call.backend.get_multi_instances_by_id(ids):
        protected = lookup.is_true(instance.disable_api_termination)
        if protected and instance.state not in lookup.GONE:
            return (
                f"The instance '{instance.id}' may not be terminated. Modify its"
                " 'disableApiTermination' instance attribute and try again."
            )
    return None


@refuses("ec2", "ModifyInstanceAttribute", code="IncorrectInstanceState")
def instance_is_not_stopped(call: Call) -> str | None:
    """The type, the user data or the EBS optimisation of an instance that is not stopped is to
    change.

    Source: AWSEC2 API Reference, ModifyInstanceAttribute ("To modify some attributes, the
    instance must be stopped") and errors-overview (IncorrectInstanceState); text as users of
    ModifyInstanceAttribute quote it.
    """
    named = call.get("Attribute") or ""
    wanted = [
        name
        for name in STOPPED_ONLY
        if call.get(f"{name}.Value") is not None or named.lower() == name.lower()
    ]
    instance = call.backend.get_instance(call.get("InstanceId"))
    if wanted and instance.state != "stopped":
        return (
            f"The instance '{instance.id}' is not in the 'stopped' state."
            f" ({', '.join(wanted)} of an instance that is {instance.state})"
        )
    return None


@refuses("ec2", "ModifyInstanceAttribute", code="InvalidInstanceAttributeValue")
def attribute_value_is_not_one(call: Call) -> str | None:
    """The instance type is not one, or the instance has no device of this name.

    Source: errors-overview (InvalidInstanceAttributeValue: "most commonly encountered when trying
    to set the InstanceType ... attribute to an unrecognized value"), the text is ours; code and
    text for a device are those of Eucalyptus, which follows EC2.
    """
    kind = call.get("InstanceType.Value")
    if kind and not lookup.is_instance_type(call.backend, kind):
        return f"Invalid value '{kind}' for InstanceType."
    instance = call.backend.get_instance(call.get("InstanceId"))
    for mapping in call.get("BlockDeviceMappings", []):
        if mapping.get("DeviceName") not in instance.block_device_mapping:
            return f"No device is currently mapped at {mapping.get('DeviceName')}"
    return None


@refuses("ec2", "ModifyInstanceAttribute", code="InvalidInstanceID")
def attribute_belongs_to_one_of_several_interfaces(call: Call) -> str | None:
    """The groups or the source/destination check of an instance with more than one interface are
    to change: they are the interfaces'.

    Source: terraform-provider-aws, internal/service/ec2/ec2_instance.go, which quotes the answer of
    ModifyInstanceAttribute; the code is that of AssociateAddress, with the same text.
    """
    if not call.get("Groups") and call.get("SourceDestCheck.Value") is None:
        return None
    return several_interfaces(call)


@refuses("ec2", "ModifyInstanceAttribute", code="InvalidGroup.NotFound")
def group_of_another_vpc_on_an_instance(call: Call) -> str | None:
    """A group is not of the instance's VPC.

    Source: errors-overview (InvalidGroup.NotFound: "You can't specify a security group that is
    in a different AWS Region or VPC than the request").
    """
    groups = call.get("Groups", [])
    if groups:
        instance = call.backend.get_instance(call.get("InstanceId"))
        return foreign(call.backend, groups, instance.vpc_id)
    return None
