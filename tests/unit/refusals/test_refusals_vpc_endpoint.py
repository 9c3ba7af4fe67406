"""Gateway endpoints of a VPC, and their routes."""

from typing import Any

import pytest
from aws_world import World, refused

pytestmark = pytest.mark.refusals

S3 = "com.amazonaws.eu-central-1.s3"


def table(ec2: Any, vpc: str) -> str:
    return ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]


def endpoint(ec2: Any, vpc: str, *tables: str, **arguments: Any) -> str:
    wanted = {"VpcId": vpc, "ServiceName": S3, "RouteTableIds": list(tables)}
    answer = ec2.create_vpc_endpoint(**(wanted | arguments))
    return answer["VpcEndpoint"]["VpcEndpointId"]


def targets(ec2: Any, name: str) -> dict[str, str]:
    """By prefix list, what the routes of a table lead to."""
    (found,) = ec2.describe_route_tables(RouteTableIds=[name])["RouteTables"]
    return {
        each["DestinationPrefixListId"]: each["GatewayId"]
        for each in found["Routes"]
        if "DestinationPrefixListId" in each
    }


def test_an_endpoint_has_a_route_in_each_of_its_tables_and_in_no_other(
    ec2: Any, world: World
) -> None:
    vpc = world.vpc()
    one, other = table(ec2, vpc), table(ec2, vpc)
    made = endpoint(ec2, vpc, one)
    (prefixes,) = targets(ec2, one)
    assert targets(ec2, one) == {prefixes: made}
    assert targets(ec2, other) == {}
    ec2.modify_vpc_endpoint(VpcEndpointId=made, AddRouteTableIds=[other], RemoveRouteTableIds=[one])
    assert (targets(ec2, one), targets(ec2, other)) == ({}, {prefixes: made})
    for _ in range(2):
        ec2.delete_vpc_endpoints(VpcEndpointIds=[made])
    assert targets(ec2, other) == {}
    assert ec2.describe_vpc_endpoints()["VpcEndpoints"] == []


def test_an_endpoint_without_a_type_is_a_gateway(ec2: Any, world: World) -> None:
    made = endpoint(ec2, world.vpc())
    (found,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[made])["VpcEndpoints"]
    assert found["VpcEndpointType"] == "Gateway"


def test_the_vpc_of_an_endpoint_exists(ec2: Any) -> None:
    with refused("InvalidVpcId.NotFound", "vpc-0123456789abcdef0"):
        endpoint(ec2, "vpc-0123456789abcdef0")


@pytest.mark.parametrize(
    "service", ["com.amazonaws.us-east-1.s3", "com.amazonaws.eu-central-1.ssm", "s3"]
)
def test_a_gateway_leads_to_s3_of_its_region(ec2: Any, world: World, service: str) -> None:
    vpc = world.vpc()
    with refused("InvalidServiceName", service):
        endpoint(ec2, vpc, ServiceName=service)
    endpoint(ec2, vpc, ServiceName="com.amazonaws.eu-central-1.dynamodb")


def test_a_gateway_takes_no_subnets_groups_or_names(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    for what, arguments in {
        "Subnet IDs": {"SubnetIds": [world.subnet(vpc)]},
        "Security groups": {"SecurityGroupIds": [world.group(vpc)]},
        "Private DNS": {"PrivateDnsEnabled": True},
    }.items():
        with refused("InvalidParameter", what, "only supported for Interface"):
            endpoint(ec2, vpc, **arguments)
    endpoint(ec2, vpc, PrivateDnsEnabled=False)


def test_the_policy_of_an_endpoint_is_json(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    for text in ("everybody", "[]"):
        with refused("InvalidPolicyDocument"):
            endpoint(ec2, vpc, PolicyDocument=text)
    made = endpoint(ec2, vpc, PolicyDocument='{"Statement": []}')
    with refused("InvalidPolicyDocument"):
        ec2.modify_vpc_endpoint(VpcEndpointId=made, PolicyDocument="everybody")


def test_an_endpoint_that_does_not_exist_is_not_found(ec2: Any) -> None:
    with refused("InvalidVpcEndpointId.NotFound", "vpce-0123456789abcdef0"):
        ec2.modify_vpc_endpoint(VpcEndpointId="vpce-0123456789abcdef0", AddRouteTableIds=["x"])
    with refused("InvalidVpcEndpointId.NotFound"):
        ec2.describe_vpc_endpoints(VpcEndpointIds=["vpce-0123456789abcdef0"])


def test_a_route_table_of_an_endpoint_exists_and_is_of_its_vpc(ec2: Any, world: World) -> None:
    vpc, elsewhere = world.vpc(), table(ec2, world.vpc("10.20.0.0/16"))
    made = endpoint(ec2, vpc)
    with refused("InvalidRouteTableId.NotFound", "rtb-0123456789abcdef0"):
        endpoint(ec2, vpc, "rtb-0123456789abcdef0")
    with refused("InvalidParameter", elsewhere, vpc):
        endpoint(ec2, vpc, elsewhere)
    with refused("InvalidParameter", elsewhere, vpc):
        ec2.modify_vpc_endpoint(VpcEndpointId=made, AddRouteTableIds=[elsewhere])


def test_a_route_table_has_one_route_to_a_service(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    own = table(ec2, vpc)
    first = endpoint(ec2, vpc, own)
    with refused("RouteAlreadyExists", own):
        endpoint(ec2, vpc, own)
    second = endpoint(ec2, vpc)
    with refused("RouteAlreadyExists", own):
        ec2.modify_vpc_endpoint(VpcEndpointId=second, AddRouteTableIds=[own])
    endpoint(ec2, vpc, own, ServiceName="com.amazonaws.eu-central-1.dynamodb")
    ec2.delete_vpc_endpoints(VpcEndpointIds=[first])
    ec2.modify_vpc_endpoint(VpcEndpointId=second, AddRouteTableIds=[own])


def test_a_route_of_an_endpoint_stays_in_its_table(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    own = table(ec2, vpc)
    made = endpoint(ec2, vpc, own)
    (prefixes,) = targets(ec2, own)
    with refused("InvalidParameterValue", prefixes, own):
        ec2.delete_route(RouteTableId=own, DestinationPrefixListId=prefixes)
    assert targets(ec2, own) == {prefixes: made}
