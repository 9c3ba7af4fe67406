"""What AWS refuses about internet gateways and route tables."""

from __future__ import annotations

from cloud.api import lookup
from cloud.refusals.guard import Call, refuse, refuses


@refuses("ec2", "AttachInternetGateway", code="Resource.AlreadyAssociated")
def gateway_is_attached(call: Call) -> None:
    """The gateway is attached to a VPC.

    Source: errors-overview (Resource.AlreadyAssociated).
    """
    gateway = call.backend.get_internet_gateway(call.get("InternetGatewayId"))
    if gateway.vpc is not None:
        refuse(
            "Resource.AlreadyAssociated",
            f"resource {gateway.id} is already attached to network {gateway.vpc.id}",
        )


@refuses("ec2", "AttachInternetGateway", code="InvalidParameterValue")
def vpc_has_an_internet_gateway(call: Call) -> None:
    """The VPC has another internet gateway.

    Source: observed by users of CloudFormation and terraform-provider-aws (code and text).
    """
    vpc = call.backend.get_vpc(call.get("VpcId"))
    if lookup.gateway_of(call.backend, vpc.id) is not None:
        refuse(
            "InvalidParameterValue", f"Network {vpc.id} already has an internet gateway attached"
        )


@refuses("ec2", "DetachInternetGateway", code="DependencyViolation")
def public_addresses_are_mapped(call: Call) -> None:
    """An interface of the VPC has a public address.

    Source: AWSEC2 API Reference, DetachInternetGateway ("The VPC must not contain any running
    instances with Elastic IP addresses or public IPv4 addresses"); text as observed in
    hashicorp/terraform#497.
    """
    gateway = call.backend.get_internet_gateway(call.get("InternetGatewayId"))
    vpc_id = call.get("VpcId")
    if gateway.vpc is None or gateway.vpc.id != vpc_id:
        return
    mapped = [
        eni
        for eni in lookup.interfaces(call.backend, vpc_id=vpc_id)
        if eni.public_ip and (eni.instance is None or lookup.holder(eni))
    ]
    if mapped:
        refuse(
            "DependencyViolation",
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public"
            " address(es) before detaching the gateway.",
        )


@refuses("ec2", "DeleteInternetGateway", code="DependencyViolation")
def gateway_is_in_use(call: Call) -> None:
    """The gateway is attached to a VPC.

    Source: AWSEC2 API Reference, DeleteInternetGateway and errors-overview
    (DependencyViolation).
    """
    gateway = call.backend.get_internet_gateway(call.get("InternetGatewayId"))
    if gateway.vpc is not None:
        refuse(
            "DependencyViolation",
            f"The internetGateway '{gateway.id}' has dependencies and cannot be deleted.",
        )


@refuses("ec2", "DeleteRouteTable", code="DependencyViolation")
def route_table_is_in_use(call: Call) -> None:
    """The route table is associated with a subnet, or is the VPC's main one.

    Source: AWSEC2 API Reference, DeleteRouteTable and errors-overview (DependencyViolation).
    """
    table = call.backend.get_route_table(call.get("RouteTableId"))
    if table._associations or table.main_association_id:
        refuse(
            "DependencyViolation",
            f"The routeTable '{table.id}' has dependencies and cannot be deleted.",
        )


@refuses(
    "ec2", "AssociateRouteTable", code=("InvalidRouteTableID.NotFound", "InvalidParameterValue")
)
def route_table_is_not_the_subnets(call: Call) -> None:
    """The route table does not exist (InvalidRouteTableID.NotFound), or is of another VPC than
    the subnet (InvalidParameterValue).

    Source: errors-overview (InvalidRouteTableID.NotFound); AWSEC2 API Reference,
    AssociateRouteTable ("in the same VPC"); the second code is inferred, its text is ours.
    """
    table = call.backend.get_route_table(call.get("RouteTableId"))
    if not call.get("SubnetId"):
        return
    subnet = call.backend.get_subnet(call.get("SubnetId"))
    if table.vpc_id != subnet.vpc_id:
        refuse(
            "InvalidParameterValue",
            f"Route table {table.id} and subnet {subnet.id} belong to different networks",
        )


@refuses("ec2", "AssociateRouteTable", code="Resource.AlreadyAssociated")
def subnet_has_a_route_table(call: Call) -> None:
    """The subnet is associated with another route table.

    Source: errors-overview (Resource.AlreadyAssociated); text as observed by users of
    terraform-provider-aws.
    """
    subnet = call.get("SubnetId")
    for table in list(call.backend.route_tables.values()):
        if table.id == call.get("RouteTableId"):
            continue
        for association, target in table._associations.items():
            if subnet and target == subnet:
                refuse(
                    "Resource.AlreadyAssociated",
                    f"the specified association for route table {call.get('RouteTableId')}"
                    f" conflicts with an existing association ({association})",
                )


@refuses("ec2", "DeleteRoute", code="InvalidParameterValue")
def route_is_the_local_one(call: Call) -> None:
    """The route is the VPC's own.

    Source: VPC User Guide, VPC_Route_Tables (the local route "can't be deleted"); code and text as
    terraform-provider-aws, internal/service/ec2/vpc_route.go, expects them.
    """
    table = call.backend.get_route_table(call.get("RouteTableId"))
    wanted = call.get("DestinationCidrBlock")
    for route in table.routes:
        if route.local and route.destination_cidr_block == wanted:
            refuse(
                "InvalidParameterValue",
                f"cannot remove local route {wanted} in route table {table.id}",
            )
