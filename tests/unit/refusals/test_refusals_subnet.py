"""Subnets: size, place, overlap, deletion."""

from typing import Any

import pytest
from aws_world import World, refused

pytestmark = pytest.mark.refusals


@pytest.mark.parametrize(
    ("vpc", "block", "legal"),
    [
        ("10.10.0.0/16", "10.10.1.0/29", "10.10.1.0/28"),
        ("10.10.0.0/16", "10.10.0.0/15", "10.10.0.0/16"),
    ],
)
def test_a_subnet_is_between_16_and_28(
    ec2: Any, world: World, vpc: str, block: str, legal: str
) -> None:
    made = world.vpc(vpc)
    with refused("InvalidSubnet.Range", block):
        ec2.create_subnet(VpcId=made, CidrBlock=block)
    ec2.create_subnet(VpcId=made, CidrBlock=legal)


def test_a_subnet_lies_in_its_vpc(ec2: Any, world: World) -> None:
    vpc = world.vpc("192.168.100.0/24")
    with refused("InvalidSubnet.Range", "10.10.1.0/24"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.10.1.0/24")
    with refused("InvalidSubnet.Range", "192.168.100.0/23"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="192.168.100.0/23")
    ec2.create_subnet(VpcId=vpc, CidrBlock="192.168.100.0/24")


def test_a_subnet_may_lie_in_a_further_block(ec2: Any, world: World) -> None:
    vpc = world.vpc("10.10.0.0/24")
    with refused("InvalidSubnet.Range", "10.10.1.0/24"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.10.1.0/24")
    ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.10.1.0/24")
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.10.1.0/24")


@pytest.mark.parametrize("block", ["10.10.1.0/24", "10.10.1.128/25", "10.10.0.0/22"])
def test_subnets_do_not_overlap(ec2: Any, world: World, block: str) -> None:
    vpc = world.vpc()
    world.subnet(vpc, "10.10.1.0/24")
    with refused("InvalidSubnet.Conflict", block):
        ec2.create_subnet(VpcId=vpc, CidrBlock=block)
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.10.2.0/24")
    world.subnet(world.vpc(), block)


def test_a_subnet_with_an_interface_stays(ec2: Any, world: World) -> None:
    subnet = world.subnet()
    interface = world.interface(subnet)
    with refused("DependencyViolation", subnet):
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    ec2.delete_subnet(SubnetId=subnet)


def test_a_subnet_with_an_instance_stays_until_that_has_ended(ec2: Any, world: World) -> None:
    subnet = world.subnet()
    instance = world.instance(SubnetId=subnet)
    with refused("DependencyViolation", subnet):
        ec2.delete_subnet(SubnetId=subnet)
    world.terminate(instance)
    ec2.delete_subnet(SubnetId=subnet)
