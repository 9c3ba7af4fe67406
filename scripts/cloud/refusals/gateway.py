"""What AWS refuses about internet gateways."""

from __future__ import annotations

from cloud.api import lookup
from cloud.refusals.call import Call
from cloud.refusals.guard import refuses
from cloud.refusals.refusal import dependencies


@refuses("ec2", "AttachInternetGateway", code="Resource.AlreadyAssociated")
def gateway_is_attached(call: Call) -> str | None:
    """The gateway is attached to a VPC.

    Source: errors-overview (Resource.AlreadyAssociated).
    """
    gateway = call.backend.get_internet_gateway(call.get("InternetGatewayId"))
    if gateway.vpc is not None:
        return f"resource {gateway.id} is already attached to network {gateway.vpc.id}"
    return None


@refuses("ec2", "AttachInternetGateway", code="InvalidParameterValue")
def vpc_has_an_internet_gateway(call: Call) -> str | None:
    """The VPC has another internet gateway.

    Source: observed by users of CloudFormation and terraform-provider-aws (code and text).
    """
    vpc = call.backend.get_vpc(call.get("VpcId"))
    if lookup.gateway_of(call.backend, vpc.id) is not None:
        return f"Network {vpc.id} already has an internet gateway attached"
    return None


@refuses("ec2", "DetachInternetGateway", code="DependencyViolation")
def public_addresses_are_mapped(call: Call) -> str | None:
    """An interface of the VPC has a public address.

    Source: AWSEC2 API Reference, DetachInternetGateway ("The VPC must not contain any running
    instances with Elastic IP addresses or public IPv4 addresses"); text as observed in
    hashicorp/terraform#497.
    """
    gateway = call.backend.get_internet_gateway(call.get("InternetGatewayId"))
    vpc_id = call.get("VpcId")
    if gateway.vpc is None or gateway.vpc.id != vpc_id:
        return None
    mapped = [
        eni
        for eni in lookup.interfaces(call.backend, vpc_id=vpc_id)
        if eni.public_ip and (eni.instance is None or lookup.holder(eni))
    ]
    if mapped:
        return (
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public"
            " address(es) before detaching the gateway."
        )
    return None


@refuses("ec2", "DeleteInternetGateway", code="DependencyViolation")
def gateway_is_in_use(call: Call) -> str | None:
    """The gateway is attached to a VPC.

    Source: AWSEC2 API Reference, DeleteInternetGateway and errors-overview
    (DependencyViolation).
    """
    gateway = call.backend.get_internet_gateway(call.get("InternetGatewayId"))
    if gateway.vpc is not None:
        return dependencies("internetGateway", gateway)
    return None
