"""What AWS refuses about network interfaces: groups, addresses, attachments."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from cloud.api import lookup
from cloud.api.addresses import RESERVED_AT_START
from cloud.refusals.call import Call
from cloud.refusals.guard import refuses
from cloud.refusals.security_group import foreign


def unusable(subnet: Any, address: str) -> str | None:
    """What AWS says of an address that no interface of this subnet can have."""
    try:
        wanted = ipaddress.IPv4Address(address)
    except ValueError:
        return f"invalid value for parameter address: {address}"
    network = subnet.cidr
    if wanted not in network:
        return f"Address {address} does not fall within the subnet's address range"
    number = int(wanted) - int(network.network_address)
    if number < RESERVED_AT_START or wanted == network.broadcast_address:
        return f"Address {address} is in subnet's reserved address range"
    return None


def taken(backend: Any, subnet: Any, address: str) -> str | None:
    """What AWS says of an address that an interface of this subnet has."""
    in_use = address in lookup.taken(backend, subnet.id)
    return f"Address {address} is in use." if in_use else None


def first(answers: Iterable[str | None]) -> str | None:
    """The first thing that there is to say."""
    return next((answer for answer in answers if answer is not None), None)


def wanted_addresses(specification: Any) -> list[str]:
    """Private addresses that a request for an interface names, the primary one first."""
    single = specification("PrivateIpAddress")
    several = specification("PrivateIpAddresses") or []
    listed = [entry["PrivateIpAddress"] if isinstance(entry, dict) else entry for entry in several]
    return list(dict.fromkeys(([single] if single else []) + listed))


@refuses("ec2", "CreateNetworkInterface", code="InvalidGroup.NotFound")
def group_of_another_vpc(call: Call) -> str | None:
    """A security group does not exist, or is of another VPC than the subnet.

    Source: errors-overview (InvalidGroup.NotFound: "You can't specify a security group that is
    in a different AWS Region or VPC than the request"); text as observed for
    ModifyNetworkInterfaceAttribute. errors-overview also lists InvalidSecurityGroupID.NotFound
    for interfaces; observations show InvalidGroup.NotFound.
    """
    subnet = call.backend.get_subnet(call.get("SubnetId"))
    return foreign(call.backend, call.get("Groups", []), subnet.vpc_id)


@refuses("ec2", "ModifyNetworkInterfaceAttribute", code="InvalidGroup.NotFound")
def new_group_of_another_vpc(call: Call) -> str | None:
    """A security group does not exist, or is of another VPC than the interface.

    Source: observed in kubernetes-sigs/cluster-api-provider-aws#3943.
    """
    eni = call.backend.get_network_interface(call.get("NetworkInterfaceId"))
    return foreign(call.backend, call.get("Groups", []), eni.subnet.vpc_id)


@refuses("ec2", "CreateNetworkInterface", code="InvalidParameterValue")
def address_cannot_be_given(call: Call) -> str | None:
    """A private address is outside the subnet, one of its first four or its last.

    Source: VPC User Guide, subnet-sizing; texts as observed in
    JamesWoolfenden/terraform-aws-cassandra#18 and aws/aws-cli#7178.
    """
    subnet = call.backend.get_subnet(call.get("SubnetId"))
    return first(unusable(subnet, address) for address in wanted_addresses(call.get))


@refuses("ec2", "CreateNetworkInterface", code="InvalidIPAddress.InUse")
def address_is_taken(call: Call) -> str | None:
    """Another interface has a private address.

    Source: errors-overview (InvalidIPAddress.InUse); text as observed in aws/aws-cli#7178 and
    pulumi/pulumi#10923 (which has "The specified address is already in use" here).
    """
    subnet = call.backend.get_subnet(call.get("SubnetId"))
    return first(taken(call.backend, subnet, address) for address in wanted_addresses(call.get))


@refuses("ec2", "AssignPrivateIpAddresses", code="InvalidParameterValue")
def address_cannot_be_added(call: Call) -> str | None:
    """A private address is outside the subnet, reserved, or another interface has it: as its
    primary address, or as a further one and AllowReassignment is not set.

    Source: AWSEC2 API Reference, AssignPrivateIpAddresses; code and text for an address that
    another interface has as quoted in Ansible's ec2_eni; for a primary one they are inferred.
    """
    eni = call.backend.get_network_interface(call.get("NetworkInterfaceId"))
    owners = lookup.taken(call.backend, eni.subnet.id)
    primary = {
        other.private_ip_address
        for other in lookup.interfaces(call.backend, subnet_id=eni.subnet.id)
    }
    for address in call.get("PrivateIpAddresses", []):
        owner = owners.get(address)
        if owner is None and (text := unusable(eni.subnet, address)):
            return text
        moving = call.flag("AllowReassignment") and address not in primary
        if owner not in (None, eni.id) and not moving:
            return f"[{address}] assigned, but move is not allowed."
    return None


@refuses("ec2", "AssignPrivateIpAddresses", code="PrivateIpAddressLimitExceeded")
def interface_takes_no_more_addresses(call: Call) -> str | None:
    """The interface would have more addresses than the type of its instance allows.

    Source: errors-overview (PrivateIpAddressLimitExceeded); text as observed in
    cilium/cilium#36428. The limit is Ipv4AddressesPerInterface of DescribeInstanceTypes.
    """
    eni = call.backend.get_network_interface(call.get("NetworkInterfaceId"))
    instance = lookup.holder(eni)
    if instance is None:
        return None
    has = lookup.addresses_of(eni)
    further = len(set(call.get("PrivateIpAddresses", [])) - has)
    count = len(has) + further + int(call.get("SecondaryPrivateIpAddressCount", 0))
    limit = lookup.address_limit(call.backend, instance.instance_type)
    if limit is not None and count > limit:
        return "Number of private addresses will exceed limit."
    return None


@refuses("ec2", "UnassignPrivateIpAddresses", code="InvalidParameterValue")
def address_cannot_be_taken_away(call: Call) -> str | None:
    """The interface does not have the address, or has it as its primary one.

    Source: AWSEC2 API Reference, UnassignPrivateIpAddresses ("the specified secondary private IP
    addresses"); code and text as clients of AWS look for them (Netflix/titus-executor,
    apecloud/kubeblocks); for a primary address they are inferred.
    """
    eni = call.backend.get_network_interface(call.get("NetworkInterfaceId"))
    secondary = lookup.addresses_of(eni) - {eni.private_ip_address}
    if set(call.get("PrivateIpAddresses", [])) - secondary:
        return f"Some of the specified addresses are not assigned to interface {eni.id}"
    return None


@refuses("ec2", "AttachNetworkInterface", code="InvalidNetworkInterface.InUse")
def interface_is_attached(call: Call) -> str | None:
    """The interface is attached, to this instance or another one.

    Source: errors-overview (InvalidNetworkInterface.InUse); text as observed in
    hashicorp/terraform-provider-aws#27513.
    """
    eni = call.backend.get_network_interface(call.get("NetworkInterfaceId"))
    if lookup.holder(eni) is not None:
        return f"Interface: [{eni.id}] in use."
    return None


@refuses("ec2", "AttachNetworkInterface", code="IncorrectState")
def instance_is_at_its_end(call: Call) -> str | None:
    """The instance is shutting down or terminated.

    Source: errors-overview (IncorrectState: "the resource is not in the correct state for the
    request"); EC2 User Guide, network-interface-attachments (running or stopped); the text is
    ours.
    """
    instance = call.backend.get_instance(call.get("InstanceId"))
    if instance.state in ("shutting-down", *lookup.GONE):
        return f"The instance '{instance.id}' is {instance.state}"
    return None


@refuses("ec2", "AttachNetworkInterface", code="InvalidParameterCombination")
def interface_is_in_another_zone(call: Call) -> str | None:
    """Interface and instance are in different Availability Zones.

    Source: EC2 User Guide, network-interface-attachments; code and text as observed by a user of
    AttachNetworkInterface (the file with the observation is public terraform code).
    """
    eni = call.backend.get_network_interface(call.get("NetworkInterfaceId"))
    instance = call.backend.get_instance(call.get("InstanceId"))
    if eni.availability_zone != instance.placement.zone:
        return (
            "You may not attach a network interface to an instance if they are not in the same"
            f" availability zone ({eni.id} is in {eni.availability_zone}, {instance.id} in"
            f" {instance.placement.zone})"
        )
    return None


@refuses("ec2", "AttachNetworkInterface", code="InvalidParameterValue")
def device_index_is_occupied(call: Call) -> str | None:
    """The instance has an interface at this device index.

    Source: observed in lstoll/k8s-vpcnet#71 and hashicorp/terraform-provider-aws#906.
    """
    instance = call.backend.get_instance(call.get("InstanceId"))
    index = int(call.get("DeviceIndex"))
    if index in instance.nics:
        return (
            f"Instance '{instance.id}' already has an interface attached at device index '{index}'."
        )
    return None


@refuses("ec2", "AttachNetworkInterface", code="AttachmentLimitExceeded")
def instance_type_takes_no_more(call: Call) -> str | None:
    """The instance has as many interfaces as its type allows.

    Source: errors-overview (AttachmentLimitExceeded); text as observed in cilium/cilium#15877.
    The limit is MaximumNetworkInterfaces of DescribeInstanceTypes.
    """
    instance = call.backend.get_instance(call.get("InstanceId"))
    limit = lookup.interface_limit(call.backend, instance.instance_type)
    count = len(instance.nics) + 1
    if limit is not None and count > limit:
        return f"Interface count {count} exceeds the limit for {instance.instance_type}"
    return None


@refuses("ec2", "DeleteNetworkInterface", code="InvalidParameterValue")
def interface_is_in_use(call: Call) -> str | None:
    """The interface is attached.

    Source: code and text as observed in aws/amazon-vpc-cni-k8s#1399 and
    gruntwork-io/cloud-nuke#1132. errors-overview has InvalidNetworkInterface.InUse for it and
    adds "you may also receive the InvalidParameterValue error".
    """
    eni = call.backend.get_network_interface(call.get("NetworkInterfaceId"))
    if lookup.holder(eni) is not None:
        return f"Network interface '{eni.id}' is currently in use."
    return None
