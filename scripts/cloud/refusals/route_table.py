"""What AWS refuses about route tables and their routes."""

from __future__ import annotations

from cloud.refusals.call import Call
from cloud.refusals.guard import refuses
from cloud.refusals.refusal import dependencies


@refuses("ec2", "DeleteRouteTable", code="DependencyViolation")
def route_table_is_in_use(call: Call) -> str | None:
    """The route table is associated with a subnet, or is the VPC's main one.

    Source: AWSEC2 API Reference, DeleteRouteTable and errors-overview (DependencyViolation).
    """
    table = call.backend.get_route_table(call.get("RouteTableId"))
    if table._associations or table.main_association_id:
        return dependencies("routeTable", table)
    return None


@refuses("ec2", "AssociateRouteTable", code="InvalidRouteTableID.NotFound")
def route_table_does_not_exist(call: Call) -> str | None:
    """The route table does not exist.

    Source: errors-overview (InvalidRouteTableID.NotFound).
    """
    call.backend.get_route_table(call.get("RouteTableId"))
    return None


@refuses("ec2", "AssociateRouteTable", code="InvalidParameterValue")
def route_table_is_not_the_subnets(call: Call) -> str | None:
    """The route table is of another VPC than the subnet.

    Source: AWSEC2 API Reference, AssociateRouteTable ("in the same VPC"); the code is inferred, the
    text is ours.
    """
    table = call.backend.get_route_table(call.get("RouteTableId"))
    if not call.get("SubnetId"):
        return None
    subnet = call.backend.get_subnet(call.get("SubnetId"))
    if table.vpc_id != subnet.vpc_id:
        return f"Route table {table.id} and subnet {subnet.id} belong to different networks"
    return None


@refuses("ec2", "AssociateRouteTable", code="Resource.AlreadyAssociated")
def subnet_has_a_route_table(call: Call) -> str | None:
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
                return (
                    f"the specified association for route table {call.get('RouteTableId')}"
                    f" conflicts with an existing association ({association})"
                )
    return None


@refuses("ec2", "DeleteRoute", code="InvalidParameterValue")
def route_is_the_local_one(call: Call) -> str | None:
    """The route is the VPC's own.

    Source: VPC User Guide, VPC_Route_Tables (the local route "can't be deleted"); code and text as
    terraform-provider-aws, internal/service/ec2/vpc_route.go, expects them.
    """
    table = call.backend.get_route_table(call.get("RouteTableId"))
    wanted = call.get("DestinationCidrBlock")
    for route in table.routes:
        if route.local and route.destination_cidr_block == wanted:
            return f"cannot remove local route {wanted} in route table {table.id}"
    return None
