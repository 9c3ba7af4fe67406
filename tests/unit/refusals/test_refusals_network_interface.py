"""Network interfaces: groups, addresses, attachment, deletion."""

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


def test_a_group_of_another_vpc_is_refused(ec2: Any, world: World, vpc: str, subnet: str) -> None:
    foreign, own = world.group(world.vpc("10.20.0.0/16")), world.group(vpc)
    with refused("InvalidGroup.NotFound", foreign, "belong to different networks"):
        world.interface(subnet, Groups=[own, foreign])
    interface = world.interface(subnet, Groups=[own])
    with refused("InvalidGroup.NotFound", foreign):
        ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[foreign])
    ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[own])
    (found,) = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert [each["GroupId"] for each in found["Groups"]] == [own]


def test_a_group_that_does_not_exist_is_refused(world: World, vpc: str, subnet: str) -> None:
    with refused("InvalidGroup.NotFound", "sg-0123456789abcdef0"):
        world.interface(subnet, Groups=["sg-0123456789abcdef0"])
    world.interface(subnet, Groups=[world.group(vpc)])


@pytest.mark.parametrize(
    "address", ["10.10.1.0", "10.10.1.1", "10.10.1.2", "10.10.1.3", "10.10.1.255"]
)
def test_reserved_addresses_are_refused(world: World, subnet: str, address: str) -> None:
    with refused("InvalidParameterValue", address, "reserved"):
        world.interface(subnet, PrivateIpAddress=address)
    for legal in ("10.10.1.4", "10.10.1.254"):
        world.interface(subnet, PrivateIpAddress=legal)


@pytest.mark.parametrize("address", ["10.10.2.10", "192.168.100.10"])
def test_an_address_outside_the_subnet_is_refused(world: World, subnet: str, address: str) -> None:
    with refused("InvalidParameterValue", address, "does not fall within"):
        world.interface(subnet, PrivateIpAddress=address)
    with refused("InvalidParameterValue", address):
        world.interface(subnet, PrivateIpAddresses=[{"PrivateIpAddress": address, "Primary": True}])
    world.interface(subnet, PrivateIpAddress="10.10.1.10")


def test_what_is_no_address_is_refused(world: World, subnet: str) -> None:
    with refused("InvalidParameterValue", "10.10.1.256"):
        world.interface(subnet, PrivateIpAddress="10.10.1.256")
    world.interface(subnet, PrivateIpAddress="10.10.1.250")


def test_a_taken_address_is_refused(ec2: Any, world: World, subnet: str) -> None:
    first = world.interface(subnet, PrivateIpAddress="10.10.1.10")
    with refused("InvalidIPAddress.InUse", "10.10.1.10"):
        world.interface(subnet, PrivateIpAddress="10.10.1.10")
    ec2.delete_network_interface(NetworkInterfaceId=first)
    world.interface(subnet, PrivateIpAddress="10.10.1.10")


def test_the_same_address_in_another_subnet_is_free(world: World, subnet: str) -> None:
    world.interface(subnet, PrivateIpAddress="10.10.1.10")
    twin = world.subnet(world.vpc(), "10.10.1.0/24")
    world.interface(twin, PrivateIpAddress="10.10.1.10")


def test_a_further_address_must_be_free(ec2: Any, world: World, subnet: str) -> None:
    world.interface(subnet, PrivateIpAddress="10.10.1.10")
    second = world.interface(subnet, PrivateIpAddress="10.10.1.11")

    def assign(address: str, **arguments: Any) -> None:
        ec2.assign_private_ip_addresses(
            NetworkInterfaceId=second, PrivateIpAddresses=[address], **arguments
        )

    with refused("InvalidParameterValue", "10.10.1.10", "move is not allowed"):
        assign("10.10.1.10")
    with refused("InvalidParameterValue", "10.10.1.3", "reserved"):
        assign("10.10.1.3")
    with refused("InvalidParameterValue", "10.10.2.3"):
        assign("10.10.2.3")
    assign("10.10.1.12")
    assign("10.10.1.12")
    with refused("InvalidParameterValue", "10.10.1.10", "move is not allowed"):
        assign("10.10.1.10", AllowReassignment=True)


def test_an_address_of_another_interface_needs_leave_to_move(
    ec2: Any, world: World, subnet: str
) -> None:
    first, second = world.interface(subnet), world.interface(subnet)
    wanted = {"PrivateIpAddresses": ["10.10.1.50"]}
    ec2.assign_private_ip_addresses(NetworkInterfaceId=first, **wanted)
    with refused("InvalidParameterValue", "[10.10.1.50] assigned, but move is not allowed."):
        ec2.assign_private_ip_addresses(NetworkInterfaceId=second, **wanted)
    ec2.assign_private_ip_addresses(NetworkInterfaceId=second, AllowReassignment=True, **wanted)


def test_an_interface_has_no_more_addresses_than_its_instances_type_allows(
    ec2: Any, world: World, subnet: str
) -> None:
    interface = world.interface(subnet)
    world.attach(interface, world.instance(SubnetId=subnet, InstanceType="t3.small"))
    name = {"NetworkInterfaceId": interface}
    ec2.assign_private_ip_addresses(PrivateIpAddresses=["10.10.1.51"], **name)
    ec2.assign_private_ip_addresses(SecondaryPrivateIpAddressCount=2, **name)
    ec2.assign_private_ip_addresses(PrivateIpAddresses=["10.10.1.51"], **name)
    for further in ({"PrivateIpAddresses": ["10.10.1.54"]}, {"SecondaryPrivateIpAddressCount": 1}):
        with refused("PrivateIpAddressLimitExceeded"):
            ec2.assign_private_ip_addresses(**name, **further)


def test_only_a_further_address_that_an_interface_has_is_taken_from_it(
    ec2: Any, world: World, subnet: str
) -> None:
    interface = world.interface(subnet, PrivateIpAddress="10.10.1.10")
    name = {"NetworkInterfaceId": interface}
    ec2.assign_private_ip_addresses(PrivateIpAddresses=["10.10.1.50"], **name)
    for address in ("10.10.1.10", "10.10.1.51"):
        with refused("InvalidParameterValue", "not assigned to interface", interface):
            ec2.unassign_private_ip_addresses(PrivateIpAddresses=[address], **name)
    ec2.unassign_private_ip_addresses(PrivateIpAddresses=["10.10.1.50"], **name)


def test_an_attached_interface_is_refused(ec2: Any, world: World, subnet: str) -> None:
    one, two = world.instance(SubnetId=subnet), world.instance(SubnetId=subnet)
    interface = world.interface(subnet)
    attachment = world.attach(interface, one)
    for instance in (one, two):
        with refused("InvalidNetworkInterface.InUse", interface):
            world.attach(interface, instance, index=2)
    ec2.detach_network_interface(AttachmentId=attachment)
    world.attach(interface, two)


def test_an_interface_in_another_zone_is_refused(world: World, vpc: str, subnet: str) -> None:
    instance = world.instance(SubnetId=subnet)
    far = world.interface(world.subnet(vpc, "10.10.2.0/24", OTHER_ZONE))
    with refused("InvalidParameterCombination", far, instance, ZONE, OTHER_ZONE):
        world.attach(far, instance)
    world.attach(world.interface(world.subnet(vpc, "10.10.3.0/24", ZONE)), instance)


def test_an_interface_of_another_vpc_in_the_zone_is_attached(world: World, subnet: str) -> None:
    instance = world.instance(SubnetId=subnet)
    other = world.subnet(world.vpc("192.168.100.0/24"), "192.168.100.0/24")
    world.attach(world.interface(other), instance)


def test_an_occupied_device_index_is_refused(world: World, subnet: str) -> None:
    instance = world.instance(SubnetId=subnet)
    interface = world.interface(subnet)
    with refused("InvalidParameterValue", instance, "device index '0'"):
        world.attach(interface, instance, index=0)
    world.attach(interface, instance, index=1)


@pytest.mark.parametrize(("kind", "limit"), [("t3.micro", 2), ("t3.small", 3)])
def test_an_instance_takes_as_many_interfaces_as_its_type_has(
    world: World, subnet: str, kind: str, limit: int
) -> None:
    instance = world.instance(SubnetId=subnet, InstanceType=kind)
    for index in range(1, limit):
        world.attach(world.interface(subnet), instance, index)
    with refused("AttachmentLimitExceeded", f"Interface count {limit + 1}", kind):
        world.attach(world.interface(subnet), instance, limit)


def test_an_interface_in_use_is_not_deleted(ec2: Any, world: World, subnet: str) -> None:
    interface = world.interface(subnet)
    instance = world.instance_with(interface)
    with refused("InvalidParameterValue", interface, "currently in use"):
        ec2.delete_network_interface(NetworkInterfaceId=interface)
    world.terminate(instance)
    ec2.delete_network_interface(NetworkInterfaceId=interface)


def test_a_chosen_address_is_a_free_one(ec2: Any, world: World, subnet: str) -> None:
    for last in range(4, 8):
        world.interface(subnet, PrivateIpAddress=f"10.10.1.{last}")
    world.instance(SubnetId=subnet)
    world.instance(SubnetId=subnet)
    found = ec2.describe_network_interfaces()["NetworkInterfaces"]
    addresses = [each["PrivateIpAddress"] for each in found]
    assert len(set(addresses)) == len(addresses) == 6


def test_an_instance_at_its_end_takes_no_interface_and_no_address(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    world.gateway(vpc)
    subnet, address = world.subnet(vpc), world.address()
    instance, interface = world.instance(SubnetId=subnet), world.interface(subnet)
    at = {"AllocationId": address, "InstanceId": instance}
    with refused("InvalidInstanceID", f"The pending instance '{instance}' is not in a valid state"):
        ec2.associate_address(**at)
    world.run()
    association = ec2.associate_address(**at)["AssociationId"]
    ec2.disassociate_address(AssociationId=association)
    ec2.terminate_instances(InstanceIds=[instance])
    for state in ("shutting-down", "terminated"):
        with refused("IncorrectState", instance, state):
            world.attach(interface, instance)
        with refused("InvalidInstanceID", f"The {state} instance"):
            ec2.associate_address(**at)
        world.settle()


def test_what_belongs_to_an_interface_is_not_changed_on_an_instance_with_several(
    ec2: Any, world: World
) -> None:
    vpc = world.vpc()
    subnet, group = world.subnet(vpc), world.group(vpc)
    instance = world.instance(SubnetId=subnet)
    for change in ({"Groups": [group]}, {"SourceDestCheck": {"Value": False}}):
        ec2.modify_instance_attribute(InstanceId=instance, **change)
    world.attach(world.interface(subnet), instance)
    for change in ({"Groups": [group]}, {"SourceDestCheck": {"Value": False}}):
        with refused("InvalidInstanceID", "multiple interfaces", instance):
            ec2.modify_instance_attribute(InstanceId=instance, **change)
