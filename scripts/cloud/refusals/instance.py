"""What AWS refuses about instances: how they are launched, and their end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloud.api import lookup
from cloud.refusals.guard import Call, answers_again, refuse, refuses, surrounds
from cloud.refusals.network_interface import refuse_address, wanted_addresses
from cloud.refusals.security_group import refuse_unknown

INSTANCE_LEVEL = {
    "SubnetId": "subnet ID",
    "SecurityGroupIds": "security groups",
    "SecurityGroups": "security groups",
    "PrivateIpAddress": "private IP address",
}
"""Arguments that belong to an interface once interfaces are named, with AWS's words for them."""

LAUNCH = (
    "BlockDeviceMappings",
    "DisableApiStop",
    "DisableApiTermination",
    "EbsOptimized",
    "IamInstanceProfile",
    "ImageId",
    "InstanceInitiatedShutdownBehavior",
    "InstanceType",
    "KeyName",
    "LaunchTemplate",
    "MaxCount",
    "MetadataOptions",
    "MinCount",
    "Monitoring",
    "NetworkInterfaces",
    "Placement",
    "PrivateIpAddress",
    "SecurityGroupIds",
    "SecurityGroups",
    "SubnetId",
    "TagSpecifications",
    "UserData",
)
"""Arguments by which two launches with one client token are told apart."""

STOPPED_ONLY = ("EbsOptimized", "InstanceType", "Kernel", "Ramdisk", "UserData")
"""Attributes that a running instance keeps: AWSEC2 API Reference, ModifyInstanceAttribute."""


def _specifications(call: Call) -> list[dict[str, Any]]:
    return call.get("NetworkInterfaces", [])


def _existing(call: Call) -> list[Any]:
    return [
        call.backend.get_network_interface(each["NetworkInterfaceId"])
        for each in _specifications(call)
        if each.get("NetworkInterfaceId")
    ]


def _placements(call: Call) -> list[tuple[Any, list[str], list[str]]]:
    """For each interface to be made: its subnet, its groups, the addresses it is to have."""
    found = []
    if not _specifications(call) and call.get("SubnetId"):
        subnet = call.backend.get_subnet(call.get("SubnetId"))
        found.append((subnet, call.get("SecurityGroupIds", []), wanted_addresses(call.get)))
    for each in _specifications(call):
        if not each.get("NetworkInterfaceId") and each.get("SubnetId"):
            subnet = call.backend.get_subnet(each["SubnetId"])
            found.append((subnet, each.get("Groups") or [], wanted_addresses(each.get)))
    return found


def _earlier(call: Call) -> Any | None:
    return lookup.launched_with(call.backend, call.get("ClientToken"))


def _asked(call: Call) -> str:
    """A digest of what a launch asks for, its token aside."""
    values = {name: call.get(name) for name in LAUNCH}
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


@answers_again("ec2", "RunInstances")
def launched_before(call: Call) -> bool:
    """The client token is that of an earlier launch, whose answer is given again.

    Source: AWSEC2 API Reference, RunInstances (ClientToken) and "Ensuring idempotency".
    """
    earlier = _earlier(call)
    return (
        earlier is not None
        and earlier.asked == _asked(call)
        and all(instance.state not in lookup.GONE for instance in earlier.instances)
    )


@refuses(
    "ec2", "RunInstances", code=("IdempotentParameterMismatch", "IdempotentInstanceTerminated")
)
def client_token_is_used(call: Call) -> None:
    """The client token is that of an earlier launch with other parameters
    (IdempotentParameterMismatch), or of an instance that is terminated
    (IdempotentInstanceTerminated).

    Source: EC2 Developer Guide, ec2-api-idempotency; texts as observed in rust-lang/bors#830 and
    boto/boto3#4406.
    """
    earlier = _earlier(call)
    if earlier is None:
        return
    if earlier.asked != _asked(call):
        refuse(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous"
            " request(s).",
        )
    refuse(
        "IdempotentInstanceTerminated",
        "The client token you have provided is associated with a terminated instance. Please use"
        " a different client token.",
    )


@refuses("ec2", "RunInstances", code="InvalidParameterCombination")
def interfaces_and_instance_level_arguments(call: Call) -> None:
    """Network interfaces are named together with an instance-level subnet, security group or
    private address.

    Source: AWSEC2 API Reference, RunInstances; texts as observed in aws/aws-cli#518,
    hashicorp/terraform#1188 and hashicorp/terraform#687.
    """
    if not _specifications(call):
        return
    for argument, words in INSTANCE_LEVEL.items():
        if call.get(argument):
            refuse(
                "InvalidParameterCombination",
                f"Network interfaces and an instance-level {words} may not be"
                " specified on the same request",
            )


@refuses("ec2", "RunInstances", code="InvalidNetworkInterface.InUse")
def launched_with_an_attached_interface(call: Call) -> None:
    """An interface to launch with is attached to another instance.

    Source: observed in hashicorp/terraform-provider-aws#27513 and pulumi/pulumi-aws#2394.
    """
    for eni in _existing(call):
        if lookup.holder(eni) is not None:
            refuse("InvalidNetworkInterface.InUse", f"Interface: [{eni.id}] in use.")


@refuses("ec2", "RunInstances", code="InvalidParameterValue")
def launched_with_one_device_index_twice(call: Call) -> None:
    """Two interfaces have the same device index.

    Source: AWSEC2 API Reference, InstanceNetworkInterfaceSpecification (DeviceIndex); no
    observation of the code was found, it is inferred from AttachNetworkInterface.
    """
    indexes = [int(each.get("DeviceIndex", 0)) for each in _specifications(call)]
    for index in set(indexes):
        if indexes.count(index) > 1:
            refuse(
                "InvalidParameterValue",
                f"Each network interface requires a unique device index ({index} is repeated).",
            )


@refuses("ec2", "RunInstances", code="InvalidParameterCombination")
def launched_across_zones(call: Call) -> None:
    """The interfaces are in different Availability Zones.

    Source: EC2 User Guide, network-interface-attachments; the code is that of
    AttachNetworkInterface.
    """
    zones = {eni.availability_zone for eni in _existing(call)}
    zones |= {subnet.availability_zone for subnet, _, _ in _placements(call)}
    if len(zones) > 1:
        refuse(
            "InvalidParameterCombination",
            "You may not attach a network interface to an instance if they are not in the same"
            f" availability zone ({', '.join(sorted(zones))})",
        )


@refuses("ec2", "RunInstances", code="InvalidParameterValue")
def launched_in_another_zone_than_the_subnet(call: Call) -> None:
    """The placement's Availability Zone is not the subnet's.

    Source: observed in InQuicker/kaws#11.
    """
    zone = call.get("Placement.AvailabilityZone")
    if not zone:
        return
    for subnet in [eni.subnet for eni in _existing(call)] + [each[0] for each in _placements(call)]:
        if subnet.availability_zone != zone:
            refuse(
                "InvalidParameterValue",
                f"Value ({zone}) for parameter availabilityZone is invalid. Subnet"
                f" '{subnet.id}' is in the availability zone {subnet.availability_zone}",
            )


@refuses("ec2", "RunInstances", code="AttachmentLimitExceeded")
def launched_with_more_interfaces_than_the_type_has(call: Call) -> None:
    """More interfaces are named than the instance type takes.

    Source: errors-overview (AttachmentLimitExceeded); text as observed in chef/knife-ec2#375.
    """
    kind = call.get("InstanceType", "m1.small")
    limit = lookup.interface_limit(call.backend, kind)
    count = len(_specifications(call))
    if limit is not None and count > limit:
        refuse("AttachmentLimitExceeded", f"Interface count {count} exceeds the limit for {kind}")


@refuses("ec2", "RunInstances", code=("InvalidParameter", "InvalidGroup.NotFound"))
def launched_with_a_group_of_another_vpc(call: Call) -> None:
    """A security group is of another VPC than the subnet (InvalidParameter) or does not exist
    (InvalidGroup.NotFound).

    Source: errors-overview (InvalidParameter: "you can't specify a security group and subnet
    that are in different VPCs"); text as observed in QT-DevOps/DevOpsIssues#256.
    """
    for subnet, groups, _ in _placements(call):
        refuse_unknown(call.backend, groups)
        for group_id in groups:
            if lookup.group(call.backend, group_id).vpc_id != subnet.vpc_id:  # type: ignore[union-attr]
                refuse(
                    "InvalidParameter",
                    f"Security group {group_id} and subnet {subnet.id} belong to different"
                    " networks.",
                )


@refuses("ec2", "RunInstances", code=("InvalidParameterValue", "InvalidIPAddress.InUse"))
def launched_at_an_address_that_cannot_be_given(call: Call) -> None:
    """The private address is outside the subnet or reserved (InvalidParameterValue), or taken
    (InvalidIPAddress.InUse).

    Source: as for CreateNetworkInterface; aws/aws-cli#7178.
    """
    for subnet, _, addresses in _placements(call):
        for address in addresses:
            refuse_address(call.backend, subnet, address)


@refuses("ec2", "TerminateInstances", code="OperationNotPermitted")
def instance_is_protected(call: Call) -> None:
    """The instance has termination protection (DisableApiTermination).

    Source: AWSEC2 API Reference, errors-overview (OperationNotPermitted) and
    TerminateInstances; text of EC2 User Guide, troubleshooting terminate.
    """
    ids = call.get("InstanceIds", [])
    for instance in call.backend.get_multi_instances_by_id(ids):
        if (
            str(instance.disable_api_termination).lower() == "true"
            and instance.state not in lookup.GONE
        ):
            refuse(
                "OperationNotPermitted",
                f"The instance '{instance.id}' may not be terminated. Modify its"
                " 'disableApiTermination' instance attribute and try again.",
            )


@refuses("ec2", "ModifyInstanceAttribute", code="IncorrectInstanceState")
def instance_is_not_stopped(call: Call) -> None:
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
        refuse(
            "IncorrectInstanceState",
            f"The instance '{instance.id}' is not in the 'stopped' state."
            f" ({', '.join(wanted)} of an instance that is {instance.state})",
        )


@refuses("ec2", "ModifyInstanceAttribute", code="InvalidInstanceAttributeValue")
def attribute_value_is_not_one(call: Call) -> None:
    """The instance type is not one, or the instance has no device of this name.

    Source: errors-overview (InvalidInstanceAttributeValue: "most commonly encountered when trying
    to set the InstanceType ... attribute to an unrecognized value"), the text is ours; code and
    text for a device are those of Eucalyptus, which follows EC2.
    """
    kind = call.get("InstanceType.Value")
    if kind and not lookup.is_instance_type(call.backend, kind):
        refuse("InvalidInstanceAttributeValue", f"Invalid value '{kind}' for InstanceType.")
    instance = call.backend.get_instance(call.get("InstanceId"))
    for mapping in call.get("BlockDeviceMappings", []):
        if mapping.get("DeviceName") not in instance.block_device_mapping:
            refuse(
                "InvalidInstanceAttributeValue",
                f"No device is currently mapped at {mapping.get('DeviceName')}",
            )


@surrounds("ec2", "RunInstances")
@contextmanager
def launch_keeps_what_was_asked(call: Call) -> Iterator[None]:
    """moto drops DisableApiTermination, and keeps interfaces that AWS deletes with the instance.

    An interface that RunInstances makes goes with its instance unless DeleteOnTermination says
    otherwise (AWSEC2 API Reference, InstanceNetworkInterfaceSpecification).
    """
    asked = _asked(call)
    before = set(call.backend.reservations)
    existing = set(call.backend.enis)
    kept = {
        int(each.get("DeviceIndex", 0))
        for each in _specifications(call)
        if str(each.get("DeleteOnTermination", "")).lower() == "false"
    }
    yield
    for reservation_id in set(call.backend.reservations) - before:
        reservation = call.backend.reservations[reservation_id]
        reservation.asked = asked
        for instance in reservation.instances:
            if str(call.get("DisableApiTermination", "")).lower() == "true":
                instance.disable_api_termination = True
            for index, eni in instance.nics.items():
                if eni.id not in existing and int(index) not in kept:
                    eni.delete_on_termination = True
