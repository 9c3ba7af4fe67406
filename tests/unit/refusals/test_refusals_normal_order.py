"""What is allowed stays allowed: a ring's resources, made, used and deleted in their order."""

import json
from typing import Any

import boto3
import pytest
from aws_world import REGION, TRUST, ZONE, World

pytestmark = pytest.mark.refusals


def rule(group: str | None = None) -> list[dict[str, Any]]:
    ports = {"IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306}
    source = (
        {"UserIdGroupPairs": [{"GroupId": group}]}
        if group
        else {"IpRanges": [{"CidrIp": "192.168.100.0/24"}]}
    )
    return [ports | source]


def test_a_ring_is_made_and_deleted(ec2: Any, iam: Any, world: World) -> None:
    client_vpc, replication_vpc = world.vpc("192.168.100.0/24"), world.vpc("10.10.1.0/24")
    client_subnet = world.subnet(client_vpc, "192.168.100.0/24", ZONE)
    replication_subnet = world.subnet(replication_vpc, "10.10.1.0/24", ZONE)
    gateway = world.gateway(client_vpc)
    table = ec2.create_route_table(VpcId=client_vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=client_subnet)
    client_group, peer_group = world.group(client_vpc), world.group(replication_vpc)
    ec2.authorize_security_group_ingress(GroupId=client_group, IpPermissions=rule())
    ec2.authorize_security_group_ingress(GroupId=peer_group, IpPermissions=rule(peer_group))
    nodes = []
    for number in (1, 2):
        name = f"node-{number}"
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        client = world.interface(
            client_subnet, PrivateIpAddress=f"192.168.100.1{number}", Groups=[client_group]
        )
        replication = world.interface(
            replication_subnet, PrivateIpAddress=f"10.10.1.1{number}", Groups=[peer_group]
        )
        address = world.address()
        public = ec2.associate_address(AllocationId=address, NetworkInterfaceId=client)
        instance = world.instance_with(client, IamInstanceProfile={"Name": name})
        attachment = world.attach(replication, instance)
        nodes.append((name, client, replication, address, public, instance, attachment))
    found = ec2.describe_instances()["Reservations"]
    assert len(found) == 2

    for name, client, replication, address, public, instance, attachment in nodes:
        ec2.detach_network_interface(AttachmentId=attachment)
        world.terminate(instance)
        ec2.disassociate_address(AssociationId=public["AssociationId"])
        ec2.release_address(AllocationId=address)
        for interface in (client, replication):
            ec2.delete_network_interface(NetworkInterfaceId=interface)
        iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
        iam.delete_instance_profile(InstanceProfileName=name)
        iam.delete_role(RoleName=name)
    ec2.disassociate_route_table(AssociationId=association["AssociationId"])
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    ec2.delete_route_table(RouteTableId=table)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=client_vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    for group in (client_group, peer_group):
        ec2.delete_security_group(GroupId=group)
    for subnet in (client_subnet, replication_subnet):
        ec2.delete_subnet(SubnetId=subnet)
    for vpc in (client_vpc, replication_vpc):
        ec2.delete_vpc(VpcId=vpc)


def test_an_instance_is_replaced_around_its_interfaces(ec2: Any, world: World) -> None:
    client, replication = world.subnet(), world.subnet()
    one, two = world.interface(client), world.interface(replication)
    for _ in range(2):
        instance = world.instance_with(one)
        world.attach(two, instance)
        world.terminate(instance)
    assert len(ec2.describe_network_interfaces()["NetworkInterfaces"]) == 2


def test_a_launch_without_any_network_argument_works(ec2: Any, world: World) -> None:
    world.instance()
    assert len(ec2.describe_instances()["Reservations"]) == 1


def test_a_key_pair_goes_while_an_instance_has_it(ec2: Any, world: World) -> None:
    ec2.create_key_pair(KeyName="ring")
    world.instance(SubnetId=world.subnet(), KeyName="ring")
    ec2.delete_key_pair(KeyName="ring")


def test_calls_that_may_be_repeated_still_may(ec2: Any, s3: Any, world: World) -> None:
    vpc = world.vpc()
    subnet = world.subnet(vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    made = {
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
        for _ in range(2)
    }
    assert len(made) == 1
    instance = world.instance(SubnetId=subnet)
    for _ in range(2):
        world.terminate(instance)
    s3.create_bucket(Bucket="ring", CreateBucketConfiguration={"LocationConstraint": REGION})
    for _ in range(2):
        s3.put_object(Bucket="ring", Key="k", Body=b"x")
    for _ in range(2):
        s3.delete_object(Bucket="ring", Key="k")


def test_a_bucket_of_us_east_1_may_be_made_twice() -> None:
    there = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="lab",
        aws_secret_access_key="lab",  # noqa: S106 (the lab's own)
    )
    for _ in range(2):
        there.create_bucket(Bucket="ring-logs")
