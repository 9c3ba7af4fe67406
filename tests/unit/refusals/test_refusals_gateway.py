"""Internet gateways, route tables and Elastic IP addresses."""

from typing import Any

import pytest
from aws_world import World, refused

pytestmark = pytest.mark.refusals


def test_an_address_needs_an_internet_gateway(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    interface, address = world.interface(world.subnet(vpc)), world.address()
    with refused("Gateway.NotAttached", vpc):
        ec2.associate_address(AllocationId=address, NetworkInterfaceId=interface)
    world.gateway(vpc)
    ec2.associate_address(AllocationId=address, NetworkInterfaceId=interface)


def test_an_address_for_an_instance_needs_an_internet_gateway(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    instance, address = world.instance(SubnetId=world.subnet(vpc)), world.address()
    world.run()
    with refused("Gateway.NotAttached", vpc):
        ec2.associate_address(AllocationId=address, InstanceId=instance)
    world.gateway(vpc)
    ec2.associate_address(AllocationId=address, InstanceId=instance)


def test_an_instance_with_two_interfaces_is_not_named(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    world.gateway(vpc)
    subnet = world.subnet(vpc)
    one, two = world.interface(subnet), world.interface(subnet)
    instance, address = world.instance_with(one, two), world.address()
    with refused("InvalidInstanceID", instance, "multiple interfaces"):
        ec2.associate_address(AllocationId=address, InstanceId=instance)
    ec2.associate_address(AllocationId=address, NetworkInterfaceId=one)


def test_an_associated_address_is_not_released(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    world.gateway(vpc)
    interface, address = world.interface(world.subnet(vpc)), world.address()
    association = ec2.associate_address(AllocationId=address, NetworkInterfaceId=interface)
    (found,) = ec2.describe_addresses()["Addresses"]
    with refused("InvalidIPAddress.InUse", found["PublicIp"]):
        ec2.release_address(AllocationId=address)
    ec2.disassociate_address(AssociationId=association["AssociationId"])
    ec2.release_address(AllocationId=address)


def test_a_gateway_stays_while_public_addresses_are_mapped(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    gateway = world.gateway(vpc)
    interface, address = world.interface(world.subnet(vpc)), world.address()
    association = ec2.associate_address(AllocationId=address, NetworkInterfaceId=interface)
    with refused("DependencyViolation", vpc, "mapped public address"):
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.disassociate_address(AssociationId=association["AssociationId"])
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)


def test_an_attached_gateway_is_not_deleted(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    gateway = world.gateway(vpc)
    with refused("DependencyViolation", gateway, "has dependencies"):
        ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)


def test_a_gateway_is_attached_once(ec2: Any, world: World) -> None:
    vpc, other = world.vpc(), world.vpc()
    gateway = world.gateway(vpc)
    with refused("Resource.AlreadyAssociated", gateway, vpc):
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=other)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=other)


def test_a_vpc_takes_one_gateway(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    world.gateway(vpc)
    second = world.gateway()
    with refused("InvalidParameterValue", vpc, "already has an internet gateway"):
        ec2.attach_internet_gateway(InternetGatewayId=second, VpcId=vpc)
    ec2.attach_internet_gateway(InternetGatewayId=second, VpcId=world.vpc())


def test_a_detached_gateway_is_not_detached_again(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    gateway = world.gateway(vpc)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    with refused("Gateway.NotAttached", gateway, vpc):
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)


def test_an_associated_route_table_stays(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=world.subnet(vpc))
    with refused("DependencyViolation", table):
        ec2.delete_route_table(RouteTableId=table)
    ec2.disassociate_route_table(AssociationId=association["AssociationId"])
    ec2.delete_route_table(RouteTableId=table)


def test_the_main_route_table_stays(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    found = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    main = found["RouteTables"][0]["RouteTableId"]
    with refused("DependencyViolation", main):
        ec2.delete_route_table(RouteTableId=main)
    ec2.delete_vpc(VpcId=vpc)


def test_the_local_route_stays(ec2: Any, world: World) -> None:
    vpc = world.vpc("10.10.0.0/16")
    gateway = world.gateway(vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    with refused("InvalidParameterValue", "cannot remove local route 10.10.0.0/16", table):
        ec2.delete_route(RouteTableId=table, DestinationCidrBlock="10.10.0.0/16")
    away = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    ec2.create_route(GatewayId=gateway, **away)
    ec2.delete_route(**away)
