"""What AWS refuses about a launch: every rule of RunInstances but that of its instance profile."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from cloud.api import launch, lookup, placement
from cloud.api.instances import IMAGE_GIB
from cloud.refusals import placement_group, security_group
from cloud.refusals.call import Call
from cloud.refusals.guard import refuses
from cloud.refusals.network_interface import first, taken, unusable, wanted_addresses

INSTANCE_LEVEL = {
    "SubnetId": "subnet ID",
    "SecurityGroupIds": "security groups",
    "SecurityGroups": "security groups",
    "PrivateIpAddress": "private IP address",
}
"""Arguments that belong to an interface once interfaces are named, with AWS's words for them."""

USER_DATA_BYTES = 16384
"""Before base64: EC2 User Guide, instancedata-add-user-data."""


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


def _images(call: Call) -> list[Any]:
    named = call.get("ImageId")
    return call.backend.describe_images(ami_ids=[named]) if named else []


@refuses("ec2", "RunInstances", code="IdempotentParameterMismatch")
def client_token_is_another_launchs(call: Call) -> str | None:
    """The client token is that of an earlier launch with other parameters.

    Source: EC2 Developer Guide, ec2-api-idempotency; text as observed in rust-lang/bors#830.
    """
    earlier = launch.earlier(call.backend, call.get)
    if earlier is not None and earlier.asked != launch.digest(call.get):
        return (
            "Arguments on this idempotent request are inconsistent with arguments used in previous"
            " request(s)."
        )
    return None


@refuses("ec2", "RunInstances", code="IdempotentInstanceTerminated")
def client_token_is_a_terminated_instances(call: Call) -> str | None:
    """The client token is that of an instance that is terminated.

    Source: EC2 Developer Guide, ec2-api-idempotency; text as observed in boto/boto3#4406.
    """
    earlier = launch.earlier(call.backend, call.get)
    if earlier is not None and any(each.state in lookup.GONE for each in earlier.instances):
        return (
            "The client token you have provided is associated with a terminated instance. Please"
            " use a different client token."
        )
    return None


@refuses("ec2", "RunInstances", code="InvalidParameterCombination")
def interfaces_and_instance_level_arguments(call: Call) -> str | None:
    """Network interfaces are named together with an instance-level subnet, security group or
    private address.

    Source: AWSEC2 API Reference, RunInstances; texts as observed in aws/aws-cli#518,
    hashicorp/terraform#1188 and hashicorp/terraform#687.
    """
    if not _specifications(call):
        return None
    for argument, words in INSTANCE_LEVEL.items():
        if call.get(argument):
            return (
                f"Network interfaces and an instance-level {words} may not be"
                " specified on the same request"
            )
    return None


@refuses("ec2", "RunInstances", code="InvalidNetworkInterface.InUse")
def launched_with_an_attached_interface(call: Call) -> str | None:
    """An interface to launch with is attached to another instance.

    Source: observed in hashicorp/terraform-provider-aws#27513 and pulumi/pulumi-aws#2394.
    """
    for eni in _existing(call):
        if lookup.holder(eni) is not None:
            return f"Interface: [{eni.id}] in use."
    return None


@refuses("ec2", "RunInstances", code="InvalidParameterValue")
def launched_with_one_device_index_twice(call: Call) -> str | None:
    """Two interfaces have the same device index.

    Source: AWSEC2 API Reference, InstanceNetworkInterfaceSpecification (DeviceIndex); no
    observation of the code was found, it is inferred from AttachNetworkInterface.
    """
    indexes = [int(each.get("DeviceIndex", 0)) for each in _specifications(call)]
    for index in set(indexes):
        if indexes.count(index) > 1:
            return f"Each network interface requires a unique device index ({index} is repeated)."
    return None


@refuses("ec2", "RunInstances", code="InvalidParameterCombination")
def launched_across_zones(call: Call) -> str | None:
    """The interfaces are in different Availability Zones.

    Source: EC2 User Guide, network-interface-attachments; the code is that of
    AttachNetworkInterface.
    """
    zones = {eni.availability_zone for eni in _existing(call)}
    zones |= {subnet.availability_zone for subnet, _, _ in _placements(call)}
    if len(zones) > 1:
        return (
            "You may not attach a network interface to an instance if they are not in the same"
            f" availability zone ({', '.join(sorted(zones))})"
        )
    return None


@refuses("ec2", "RunInstances", code="InvalidParameterValue")
def launched_in_another_zone_than_the_subnet(call: Call) -> str | None:
    """The placement's Availability Zone is not the subnet's.

    Source: observed in InQuicker/kaws#11.
    """
    zone = call.get("Placement.AvailabilityZone")
    if not zone:
        return None
    for subnet in [eni.subnet for eni in _existing(call)] + [each[0] for each in _placements(call)]:
        if subnet.availability_zone != zone:
            return (
                f"Value ({zone}) for parameter availabilityZone is invalid. Subnet"
                f" '{subnet.id}' is in the availability zone {subnet.availability_zone}"
            )
    return None


@refuses("ec2", "RunInstances", code="AttachmentLimitExceeded")
def launched_with_more_interfaces_than_the_type_has(call: Call) -> str | None:
    """More interfaces are named than the instance type takes.

    Source: errors-overview (AttachmentLimitExceeded); text as observed in chef/knife-ec2#375.
    """
    kind = call.get("InstanceType", "m1.small")
    limit = lookup.interface_limit(call.backend, kind)
    count = len(_specifications(call))
    if limit is not None and count > limit:
        return f"Interface count {count} exceeds the limit for {kind}"
    return None


@refuses("ec2", "RunInstances", code="InvalidGroup.NotFound")
def launched_with_a_group_that_does_not_exist(call: Call) -> str | None:
    """A security group does not exist.

    Source: errors-overview (InvalidGroup.NotFound).
    """
    return first(security_group.unknown(call.backend, groups) for _, groups, _ in _placements(call))


@refuses("ec2", "RunInstances", code="InvalidParameter")
def launched_with_a_group_of_another_vpc(call: Call) -> str | None:
    """A security group is of another VPC than the subnet.

    Source: errors-overview (InvalidParameter: "you can't specify a security group and subnet
    that are in different VPCs"); text as observed in QT-DevOps/DevOpsIssues#256.
    """
    for subnet, groups, _ in _placements(call):
        for group_id in groups:
            if security_group.foreign(call.backend, [group_id], subnet.vpc_id):
                return (
                    f"Security group {group_id} and subnet {subnet.id} belong to different"
                    " networks."
                )
    return None


@refuses("ec2", "RunInstances", code="InvalidParameterValue")
def launched_at_an_address_that_cannot_be_given(call: Call) -> str | None:
    """The private address is outside the subnet or reserved.

    Source: as for CreateNetworkInterface; aws/aws-cli#7178.
    """
    return first(
        unusable(subnet, address)
        for subnet, _, addresses in _placements(call)
        for address in addresses
    )


@refuses("ec2", "RunInstances", code="InvalidIPAddress.InUse")
def launched_at_an_address_that_is_taken(call: Call) -> str | None:
    """An interface has the private address.

    Source: as for CreateNetworkInterface; aws/aws-cli#7178.
    """
    return first(
        taken(call.backend, subnet, address)
        for subnet, _, addresses in _placements(call)
        for address in addresses
    )


@refuses("ec2", "RunInstances", code="MissingParameter")
def image_is_not_named(call: Call) -> str | None:
    """Neither an image nor a launch template is named.

    Source: errors-overview (MissingParameter); AWSEC2 API Reference, RunInstances (ImageId: "An
    AMI ID is required to launch an instance and must be specified here or in a launch template").
    """
    if not call.get("ImageId") and not call.get("LaunchTemplate"):
        return "The request must contain the parameter ImageId"
    return None


@refuses("ec2", "RunInstances", code="InvalidAMIID.Malformed")
def image_id_is_not_one(call: Call) -> str | None:
    """The image's id is not one.

    Source: errors-overview (InvalidAMIID.Malformed); moto's text.
    """
    named = call.get("ImageId")
    if named and not named.startswith("ami-"):
        return f'Invalid id: "{named}" (expecting "ami-...")'
    return None


@refuses("ec2", "RunInstances", code="InvalidAMIID.NotFound")
def image_does_not_exist(call: Call) -> str | None:
    """The image does not exist.

    Source: errors-overview (InvalidAMIID.NotFound); text as observed in
    brikis98/terraform-up-and-running-code#65.
    """
    _images(call)
    return None


@refuses("ec2", "RunInstances", code="InvalidParameterValue")
def instance_type_does_not_exist(call: Call) -> str | None:
    """The instance type is not one.

    Source: observed in getmoto/moto#1695 (code and text).
    """
    kind = call.get("InstanceType")
    if kind and not lookup.is_instance_type(call.backend, kind):
        return f"Invalid value '{kind}' for InstanceType."
    return None


@refuses("ec2", "RunInstances", code="Unsupported")
def launched_in_a_zone_without_the_type(call: Call) -> str | None:
    """The zone does not have the instance type.

    Source: observed in skyplane-project/skyplane#172 and fedora-copr/copr#2840.
    """
    kind = call.get("InstanceType")
    zones = {eni.availability_zone for eni in _existing(call)}
    zones |= {subnet.availability_zone for subnet, _, _ in _placements(call)}
    having = lookup.zones_with(call.backend, kind) if kind else []
    if kind and zones and not zones <= set(having):
        return (
            f"Your requested instance type ({kind}) is not supported in your requested Availability"
            f" Zone ({min(zones)}). Please retry your request by not specifying an Availability"
            f" Zone or choosing {', '.join(having)}."
        )
    return None


@refuses("ec2", "RunInstances", code="InvalidKeyPair.NotFound")
def key_pair_does_not_exist(call: Call) -> str | None:
    """The key pair does not exist.

    Source: errors-overview (InvalidKeyPair.NotFound); text as observed in
    hashicorp/vault-guides#260.
    """
    name = call.get("KeyName")
    if name and name not in call.backend.key_pairs:
        return f"The key pair '{name}' does not exist"
    return None


@refuses("ec2", "RunInstances", code="InvalidParameterCombination")
def address_for_several_instances(call: Call) -> str | None:
    """A private address is named, and more than one instance is to be launched.

    Source: AWSEC2 API Reference, RunInstances (PrivateIpAddress: "You cannot specify this option
    if you're launching more than one instance in the request"); the code is inferred, the text is
    ours.
    """
    if call.get("PrivateIpAddress") and int(call.get("MaxCount", 1)) > 1:
        return (
            f"The private IP address {call.get('PrivateIpAddress')} may not be specified when"
            f" launching {call.get('MaxCount')} instances"
        )
    return None


@refuses("ec2", "RunInstances", code="InvalidParameterValue")
def user_data_is_too_large(call: Call) -> str | None:
    """The user data has more than 16384 bytes before base64.

    Source: EC2 User Guide, instancedata-add-user-data; code and text as observed in
    runs-on/runs-on#9 and supergiant/capacity#148.
    """
    try:
        size = len(base64.b64decode(call.get("UserData") or "", validate=True))
    except (binascii.Error, ValueError):
        return None
    if size > USER_DATA_BYTES:
        return f"User data is limited to {USER_DATA_BYTES} bytes"
    return None


@refuses("ec2", "RunInstances", code="InvalidBlockDeviceMapping")
def root_volume_is_smaller_than_the_image(call: Call) -> str | None:
    """The root volume is to be smaller than the image.

    Source: observed in scylladb/scylla-cluster-tests#2484 and aws/karpenter-provider-aws#3302
    (code and text).
    """
    for mapping in call.get("BlockDeviceMappings", []):
        size = (mapping.get("Ebs") or {}).get("VolumeSize")
        for image in _images(call):
            if mapping.get("DeviceName") == image.root_device_name and int(size or IMAGE_GIB) < (
                IMAGE_GIB
            ):
                return (
                    f"Volume of size {size}GB is smaller than snapshot '{image.ebs_snapshot.id}',"
                    f" expect size >= {IMAGE_GIB}GB"
                )
    return None


@refuses("ec2", "RunInstances", code="InvalidPlacementGroup.Unknown")
def placement_group_does_not_exist(call: Call) -> str | None:
    """The placement group does not exist.

    Source: errors-overview (InvalidPlacementGroup.Unknown); text as observed in
    bcbio/bcbio-nextgen-vm#37.
    """
    named = call.get("Placement.GroupName") or call.get("Placement.GroupId")
    if named and placement.named(call.backend, call.get) is None:
        return placement_group.unknown(named)
    return None
