"""Instances: launch and termination."""

from typing import Any

import pytest
from aws_world import OTHER_ZONE, ZONE, World, refused

pytestmark = pytest.mark.refusals


@pytest.fixture
def vpc(world: World) -> str:
    return world.vpc()


@pytest.fixture
def subnet(world: World, vpc: str) -> str:
    return world.subnet(vpc, "10.10.1.0/24")


@pytest.mark.parametrize("argument", ["SubnetId", "SecurityGroupIds", "PrivateIpAddress"])
def test_interfaces_and_instance_level_arguments_exclude_each_other(
    world: World, vpc: str, subnet: str, argument: str
) -> None:
    values = {
        "SubnetId": subnet,
        "SecurityGroupIds": [world.group(vpc)],
        "PrivateIpAddress": "10.10.1.20",
    }
    interface = world.interface(subnet)
    with refused("InvalidParameterCombination", "Network interfaces and an instance-level"):
        world.instance_with(interface, **{argument: values[argument]})
    world.instance_with(interface)
    world.instance(**values)


def test_an_attached_interface_is_refused(ec2: Any, world: World, subnet: str) -> None:
    interface = world.interface(subnet)
    first = world.instance_with(interface)
    with refused("InvalidNetworkInterface.InUse", interface):
        world.instance_with(interface)
    world.terminate(first)
    second = world.instance_with(interface)
    (found,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"]
    assert found["Attachment"]["InstanceId"] == second


def test_a_device_index_is_used_once(world: World, subnet: str) -> None:
    one, two = world.interface(subnet), world.interface(subnet)

    def launch(*indexes: int) -> str:
        named = zip(indexes, (one, two), strict=True)
        return world.instance(
            NetworkInterfaces=[
                {"DeviceIndex": index, "NetworkInterfaceId": each} for index, each in named
            ]
        )

    with refused("InvalidParameterValue", "device index", "0"):
        launch(0, 0)
    launch(0, 1)


def test_interfaces_of_one_launch_are_in_one_zone(world: World, vpc: str, subnet: str) -> None:
    near = world.interface(subnet)
    far = world.interface(world.subnet(vpc, "10.10.2.0/24", OTHER_ZONE))
    with refused("InvalidParameterCombination", ZONE, OTHER_ZONE):
        world.instance_with(near, far)
    world.instance_with(near, world.interface(world.subnet(vpc, "10.10.3.0/24", ZONE)))


def test_the_placement_is_in_the_subnets_zone(world: World, subnet: str) -> None:
    with refused("InvalidParameterValue", OTHER_ZONE, subnet):
        world.instance(SubnetId=subnet, Placement={"AvailabilityZone": OTHER_ZONE})
    world.instance(SubnetId=subnet, Placement={"AvailabilityZone": ZONE})


def test_no_more_interfaces_than_the_type_has(world: World, subnet: str) -> None:
    interfaces = [world.interface(subnet) for _ in range(3)]
    with refused("AttachmentLimitExceeded", "Interface count 3", "t3.micro"):
        world.instance_with(*interfaces, InstanceType="t3.micro")
    world.instance_with(*interfaces, InstanceType="t3.small")


def test_a_group_of_another_vpc_is_refused(world: World, vpc: str, subnet: str) -> None:
    foreign, own = world.group(world.vpc("10.20.0.0/16")), world.group(vpc)
    with refused("InvalidParameter", foreign, subnet):
        world.instance(SubnetId=subnet, SecurityGroupIds=[foreign])
    with refused("InvalidParameter", foreign, subnet):
        world.instance(
            NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet, "Groups": [foreign]}]
        )
    world.instance(SubnetId=subnet, SecurityGroupIds=[own])
    world.instance(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet, "Groups": [own]}])


@pytest.mark.parametrize(
    ("code", "address"),
    [
        ("InvalidParameterValue", "10.10.1.3"),
        ("InvalidParameterValue", "10.10.1.255"),
        ("InvalidParameterValue", "10.10.2.10"),
        ("InvalidIPAddress.InUse", "10.10.1.10"),
    ],
)
def test_an_address_that_cannot_be_given_is_refused(
    world: World, subnet: str, code: str, address: str
) -> None:
    world.interface(subnet, PrivateIpAddress="10.10.1.10")
    with refused(code, address):
        world.instance(SubnetId=subnet, PrivateIpAddress=address)
    world.instance(SubnetId=subnet, PrivateIpAddress="10.10.1.11")


def test_an_address_is_free_again_after_its_instance(world: World, subnet: str) -> None:
    first = world.instance(SubnetId=subnet, PrivateIpAddress="10.10.1.10")
    with refused("InvalidIPAddress.InUse", "10.10.1.10"):
        world.instance(SubnetId=subnet, PrivateIpAddress="10.10.1.10")
    world.terminate(first)
    world.instance(SubnetId=subnet, PrivateIpAddress="10.10.1.10")


@pytest.mark.parametrize("left", ["kept", "of its own", "secondary"])
def test_an_address_is_free_again_after_its_interface(
    ec2: Any, world: World, subnet: str, left: str
) -> None:
    address = "10.10.1.10"
    if left == "kept":
        named = {"DeviceIndex": 0, "SubnetId": subnet, "PrivateIpAddress": address}
        instance = world.instance(NetworkInterfaces=[{**named, "DeleteOnTermination": False}])
        world.terminate(instance)
        (interface,) = ec2.describe_network_interfaces()["NetworkInterfaces"]
    else:
        primary = "10.10.1.11" if left == "secondary" else address
        made = world.interface(subnet, PrivateIpAddress=primary)
        (interface,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[made])[
            "NetworkInterfaces"
        ]
    name = {"NetworkInterfaceId": interface["NetworkInterfaceId"]}
    if left == "secondary":
        ec2.assign_private_ip_addresses(PrivateIpAddresses=[address], **name)
    with refused("InvalidIPAddress.InUse", address):
        world.instance(SubnetId=subnet, PrivateIpAddress=address)
    if left == "secondary":
        ec2.unassign_private_ip_addresses(PrivateIpAddresses=[address], **name)
    else:
        ec2.delete_network_interface(**name)
    world.instance(SubnetId=subnet, PrivateIpAddress=address)


def test_a_released_address_can_be_had_again(ec2: Any) -> None:
    first = ec2.allocate_address(Domain="vpc")
    with refused("InvalidAddress.InUse", first["PublicIp"]):
        ec2.allocate_address(Domain="vpc", Address=first["PublicIp"])
    ec2.release_address(AllocationId=first["AllocationId"])
    again = ec2.allocate_address(Domain="vpc", Address=first["PublicIp"])
    assert again["PublicIp"] == first["PublicIp"]


@pytest.mark.parametrize("at_launch", [True, False])
def test_a_protected_instance_is_not_terminated(
    ec2: Any, world: World, subnet: str, at_launch: bool
) -> None:
    instance = world.instance(SubnetId=subnet, DisableApiTermination=at_launch)
    if not at_launch:
        ec2.modify_instance_attribute(
            InstanceId=instance, Attribute="disableApiTermination", Value="true"
        )
    with refused("OperationNotPermitted", instance, "disableApiTermination"):
        ec2.terminate_instances(InstanceIds=[instance])
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[instance])
    ec2.terminate_instances(InstanceIds=[instance])


def test_an_interface_made_by_the_launch_goes_with_the_instance(
    ec2: Any, world: World, subnet: str
) -> None:
    kept = {"DeviceIndex": 0, "SubnetId": subnet, "DeleteOnTermination": False}
    world.terminate(world.instance(SubnetId=subnet))
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    world.terminate(world.instance(NetworkInterfaces=[kept]))
    assert len(ec2.describe_network_interfaces()["NetworkInterfaces"]) == 1
