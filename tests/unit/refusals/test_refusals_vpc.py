"""VPCs: blocks of addresses, and deletion."""

from typing import Any

import pytest
from aws_world import World, refused

pytestmark = pytest.mark.refusals


@pytest.mark.parametrize("block", ["10.0.0.0/15", "10.0.0.0/29"])
def test_a_vpc_is_between_16_and_28(ec2: Any, block: str) -> None:
    with refused("InvalidVpc.Range", block):
        ec2.create_vpc(CidrBlock=block)
    for legal in ("10.0.0.0/16", "10.0.0.0/28"):
        ec2.create_vpc(CidrBlock=legal)


def test_a_vpc_is_a_network(ec2: Any) -> None:
    with refused("InvalidParameterValue", "10.0.0.0/33"):
        ec2.create_vpc(CidrBlock="10.0.0.0/33")
    assert ec2.create_vpc(CidrBlock="10.0.0.0/24")["Vpc"]["CidrBlock"] == "10.0.0.0/24"


def test_a_vpc_is_not_link_local(ec2: Any) -> None:
    with refused("InvalidVpc.Range", "169.254.0.0/16"):
        ec2.create_vpc(CidrBlock="169.254.0.0/16")
    ec2.create_vpc(CidrBlock="100.64.0.0/16")


@pytest.mark.parametrize(
    ("vpc", "other", "allowed"),
    [
        ("192.168.100.0/24", "10.10.1.0/24", "192.168.101.0/24"),
        ("192.168.100.0/24", "172.16.0.0/24", "100.64.0.0/24"),
        ("10.10.1.0/24", "192.168.100.0/24", "10.10.2.0/24"),
        ("10.10.1.0/24", "172.31.0.0/24", "203.0.113.0/24"),
        ("172.16.0.0/24", "10.0.0.0/24", "172.16.1.0/24"),
        ("172.16.0.0/24", "172.31.0.0/24", "172.17.0.0/24"),
        ("10.1.0.0/24", "10.0.0.0/24", "10.2.0.0/24"),
        ("10.10.1.0/24", "198.19.0.0/24", "198.18.0.0/24"),
        ("198.19.0.0/24", "10.0.0.0/24", "100.64.0.0/24"),
        ("100.64.0.0/24", "192.168.0.0/24", "100.65.0.0/24"),
        ("10.10.1.0/24", "169.254.0.0/24", "10.10.2.0/24"),
    ],
)
def test_blocks_of_one_vpc_are_not_mixed(
    ec2: Any, world: World, vpc: str, other: str, allowed: str
) -> None:
    made = world.vpc(vpc)
    with refused("InvalidVpc.Range", other, "restricted"):
        ec2.associate_vpc_cidr_block(VpcId=made, CidrBlock=other)
    ec2.associate_vpc_cidr_block(VpcId=made, CidrBlock=allowed)


def test_a_private_vpc_keeps_taking_its_own_range_beside_a_public_block(
    ec2: Any, world: World
) -> None:
    vpc = world.vpc("10.10.1.0/24")
    for block in ("203.0.113.0/24", "10.10.2.0/24"):
        ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock=block)


@pytest.mark.parametrize("block", ["10.10.0.0/15", "10.12.0.0/29"])
def test_a_further_block_is_between_16_and_28(ec2: Any, world: World, block: str) -> None:
    vpc = world.vpc("10.20.0.0/16")
    with refused("InvalidVpc.Range", block):
        ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock=block)
    ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.12.0.0/28")


def test_blocks_of_one_vpc_do_not_overlap(ec2: Any, world: World) -> None:
    vpc = world.vpc("10.10.0.0/16")
    with refused("InvalidVpc.Range", "10.10.1.0/24", vpc):
        ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.10.1.0/24")
    answer = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.11.0.0/16")
    ec2.disassociate_vpc_cidr_block(AssociationId=answer["CidrBlockAssociation"]["AssociationId"])
    ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.11.0.0/24")


def test_a_vpc_with_a_subnet_stays(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    subnet = world.subnet(vpc)
    with refused("DependencyViolation", vpc, "has dependencies"):
        ec2.delete_vpc(VpcId=vpc)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


def test_a_vpc_with_a_gateway_stays(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    gateway = world.gateway(vpc)
    with refused("DependencyViolation", vpc):
        ec2.delete_vpc(VpcId=vpc)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_vpc(VpcId=vpc)


def test_a_vpc_with_a_group_stays(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    group = world.group(vpc)
    with refused("DependencyViolation", vpc):
        ec2.delete_vpc(VpcId=vpc)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_vpc(VpcId=vpc)


def test_a_vpc_with_a_route_table_stays(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    with refused("DependencyViolation", vpc):
        ec2.delete_vpc(VpcId=vpc)
    ec2.delete_route_table(RouteTableId=table)
    ec2.delete_vpc(VpcId=vpc)


def test_a_vpc_that_does_not_exist_is_not_found(ec2: Any) -> None:
    with refused("InvalidVpcID.NotFound", "vpc-0123456789abcdef0"):
        ec2.delete_vpc(VpcId="vpc-0123456789abcdef0")


def test_a_dry_run_does_not_ask_the_rules(ec2: Any, world: World) -> None:
    subnet = world.subnet()
    with refused("DryRunOperation"):
        ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress="10.99.0.1", DryRun=True)


def test_a_vpc_with_an_endpoint_stays(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    answer = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.eu-central-1.s3", VpcEndpointType="Gateway"
    )
    with refused("DependencyViolation", vpc):
        ec2.delete_vpc(VpcId=vpc)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[answer["VpcEndpoint"]["VpcEndpointId"]])
    ec2.delete_vpc(VpcId=vpc)
