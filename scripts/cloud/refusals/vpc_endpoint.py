"""What AWS refuses about gateway endpoints of a VPC."""

from __future__ import annotations

import json

from cloud.refusals.call import Call
from cloud.refusals.guard import refuses

ONLY_SUBNETS = (
    "Subnet IDs are only supported for Interface and GatewayLoadBalancer type VPC Endpoints."
)
GATEWAYS = ("s3", "dynamodb")
"""The services that have such endpoints: AWS PrivateLink, gateway-endpoints."""


def _is_gateway(call: Call) -> bool:
    return (call.get("VpcEndpointType") or "Gateway") == "Gateway"


@refuses("ec2", "CreateVpcEndpoint", code="InvalidVpcId.NotFound")
def vpc_of_the_endpoint_does_not_exist(call: Call) -> str | None:
    """The VPC does not exist.

    Source: aws-controllers-k8s/ec2-controller#66 names the code for endpoints (errors-overview
    spells it InvalidVpcID.NotFound); the text is ours.
    """
    vpc = call.get("VpcId")
    if vpc not in call.backend.vpcs:
        return f"The Vpc Id {vpc} does not exist"
    return None


@refuses("ec2", "CreateVpcEndpoint", code="InvalidServiceName")
def service_has_no_gateway_endpoint(call: Call) -> str | None:
    """The service is not one of this region that has gateway endpoints: S3 and DynamoDB.

    Source: AWS PrivateLink, gateway-endpoints; code and text as observed in
    terraform-aws-modules/terraform-aws-vpc#481.
    """
    name = call.get("ServiceName")
    names = [f"com.amazonaws.{call.response.region}.{each}" for each in GATEWAYS]
    if _is_gateway(call) and name not in names:
        return f"The Vpc Endpoint Service '{name}' does not exist"
    return None


@refuses("ec2", "CreateVpcEndpoint", code="InvalidParameter")
def gateway_is_given_what_it_does_not_take(call: Call) -> str | None:
    """A gateway endpoint is to have subnets, security groups or a private name.

    Source: AWSEC2 API Reference, CreateVpcEndpoint (what is for interface endpoints); code and text
    for subnets as observed in nanlabs/terraform-aws-starter#18, for the others they are inferred.
    """
    if not _is_gateway(call):
        return None
    if call.get("SubnetIds"):
        return ONLY_SUBNETS
    if call.get("SecurityGroupIds"):
        return "Security groups are only supported for Interface type VPC Endpoints."
    if call.flag("PrivateDnsEnabled"):
        return "Private DNS is only supported for Interface type VPC Endpoints."
    return None


@refuses("ec2", "CreateVpcEndpoint", "ModifyVpcEndpoint", code="InvalidPolicyDocument")
def endpoint_policy_is_not_one(call: Call) -> str | None:
    """The endpoint's policy is not JSON.

    Source: errors-overview (InvalidPolicyDocument: "The specified policy document is not a valid
    JSON policy document").
    """
    text = call.get("PolicyDocument")
    try:
        if not text or isinstance(json.loads(text), dict):
            return None
    except ValueError:
        pass
    return "The specified policy document is not a valid JSON policy document"


@refuses("ec2", "ModifyVpcEndpoint", "DescribeVpcEndpoints", code="InvalidVpcEndpointId.NotFound")
def endpoint_does_not_exist(call: Call) -> str | None:
    """The endpoint does not exist.

    Source: terraform-provider-aws, internal/service/ec2/vpc_endpoint.go, which looks for the code;
    the text is moto's.
    """
    named = call.get("VpcEndpointIds") or [call.get("VpcEndpointId")]
    for each in filter(None, named):
        if each not in call.backend.vpc_end_points:
            return f"The VpcEndPoint ID '{each}' does not exist"
    return None


@refuses("ec2", "CreateVpcEndpoint", "ModifyVpcEndpoint", code="InvalidRouteTableId.NotFound")
def route_table_of_the_endpoint_does_not_exist(call: Call) -> str | None:
    """A route table does not exist.

    Source: terraform-provider-aws, internal/service/ec2/errors.go, which has this code besides
    InvalidRouteTableID.NotFound; that it is this call's is inferred, the text is moto's.
    """
    for each in _tables(call):
        if each not in call.backend.route_tables:
            return f"The routeTable ID '{each}' does not exist"
    return None


@refuses("ec2", "CreateVpcEndpoint", "ModifyVpcEndpoint", code="InvalidParameter")
def route_table_is_not_the_endpoints(call: Call) -> str | None:
    """A route table is of another VPC than the endpoint.

    Source: AWS PrivateLink, gateway-endpoints (route tables of the VPC); code and text are
    inferred.
    """
    vpc = call.get("VpcId") or call.backend.vpc_end_points[call.get("VpcEndpointId")].vpc_id
    for each in _tables(call):
        if call.backend.route_tables[each].vpc_id != vpc:
            return f"Route table {each} does not belong to the VPC {vpc}"
    return None


@refuses("ec2", "CreateVpcEndpoint", "ModifyVpcEndpoint", code="RouteAlreadyExists")
def route_table_has_the_services_route(call: Call) -> str | None:
    """A route table has a route to the service by another endpoint.

    Source: AWS PrivateLink, gateway-endpoints ("You cannot have multiple endpoint routes to the
    same service in a single route table"); code and text as users of CreateVpcEndpoint quote them.
    """
    points = call.backend.vpc_end_points
    own = points.get(call.get("VpcEndpointId"))
    service = own.service_name if own else call.get("ServiceName")
    for other in points.values():
        both = set(_tables(call)) & set(other.route_table_ids)
        if other is not own and other.state == "available" and other.service_name == service:
            for table in sorted(both):
                return (
                    f"route table {table} already has a route with destination-prefix-list-id"
                    f" {other.destination_prefix_list_id}"
                )
    return None


@refuses("ec2", "DeleteRoute", code="InvalidParameterValue")
def route_is_an_endpoints(call: Call) -> str | None:
    """The route is a gateway endpoint's: it goes when the endpoint leaves the route table.

    Source: AWS PrivateLink, gateway-endpoints (the route is the endpoint's); the text begins as
    tools that clean up VPCs quote it, the code is inferred.
    """
    table, wanted = call.get("RouteTableId"), call.get("DestinationPrefixListId")
    own = [
        point
        for point in call.backend.vpc_end_points.values()
        if point.state == "available" and table in point.route_table_ids
    ]
    if wanted and any(point.destination_prefix_list_id == wanted for point in own):
        return f"cannot remove VPC endpoint route {wanted} in route table {table}"
    return None


def _tables(call: Call) -> list[str]:
    return call.get("RouteTableIds") or call.get("AddRouteTableIds") or []
