"""What AWS refuses about Elastic IP addresses."""

from __future__ import annotations

import ipaddress
from typing import Any

from cloud.api import lookup
from cloud.refusals.call import Call
from cloud.refusals.guard import refuses
from cloud.refusals.instance import several_interfaces


def _vpc_id(call: Call) -> str | None:
    if call.get("NetworkInterfaceId"):
        return call.backend.get_network_interface(call.get("NetworkInterfaceId")).subnet.vpc_id
    if call.get("InstanceId"):
        return call.backend.get_instance(call.get("InstanceId")).vpc_id
    return None


def _address(call: Call) -> Any | None:
    for address in call.backend.addresses:
        if call.get("AllocationId") and address.allocation_id == call.get("AllocationId"):
            return address
        if call.get("PublicIp") and address.public_ip == call.get("PublicIp"):
            return address
    return None


@refuses("ec2", "AllocateAddress", code="InvalidParameterValue")
def address_to_allocate_is_not_one(call: Call) -> str | None:
    """The address to recover is not an IPv4 address.

    Source: errors-overview (InvalidParameterValue); the text is ours.
    """
    wanted = call.get("Address")
    try:
        ipaddress.IPv4Address(wanted or "0.0.0.0")  # noqa: S104 (no address to listen on)
    except ValueError:
        return f"Value ({wanted}) for parameter address is invalid."
    return None


@refuses("ec2", "AssociateAddress", code="Gateway.NotAttached")
def vpc_has_no_internet_gateway(call: Call) -> str | None:
    """No internet gateway is attached to the VPC of the interface or instance.

    Source: errors-overview (Gateway.NotAttached); text as observed in
    hashicorp/terraform-provider-aws#2181.
    """
    vpc_id = _vpc_id(call)
    if vpc_id is not None and lookup.gateway_of(call.backend, vpc_id) is None:
        return f"Network {vpc_id} is not attached to any internet gateway"
    return None


@refuses("ec2", "AssociateAddress", code="InvalidInstanceID")
def instance_has_several_interfaces(call: Call) -> str | None:
    """The address is to go to an instance, by its id, that has more than one interface.

    Source: errors-overview (InvalidInstanceID); text as users of AssociateAddress and the
    instance resource of terraform-provider-aws quote it.
    """
    if not call.get("InstanceId") or call.get("NetworkInterfaceId"):
        return None
    return several_interfaces(call)


@refuses("ec2", "AssociateAddress", code="InvalidInstanceID")
def instance_takes_no_address(call: Call) -> str | None:
    """The instance, named by its id, is pending, shutting down or terminated.

    Source: terraform-provider-aws, internal/service/ec2/ec2_eip.go and ec2_eip_association.go,
    which ask again ("The pending instance ... is not in a valid state for this operation"); for the
    other states the code is inferred.
    """
    if not call.get("InstanceId") or call.get("NetworkInterfaceId"):
        return None
    instance = call.backend.get_instance(call.get("InstanceId"))
    if instance.state not in ("running", "stopping", "stopped"):
        return (
            f"The {instance.state} instance '{instance.id}' is not in a valid state for this"
            " operation."
        )
    return None


@refuses("ec2", "ReleaseAddress", code="InvalidIPAddress.InUse")
def address_is_associated(call: Call) -> str | None:
    """The address is associated with an interface.

    Source: AWSEC2 API Reference, ReleaseAddress ("[Nondefault VPC] You must use
    DisassociateAddress ... returns an error (InvalidIPAddress.InUse)"); the text is ours.
    """
    address = _address(call)
    if address is not None and address.association_id:
        return f"Address {address.public_ip} is in use."
    return None
