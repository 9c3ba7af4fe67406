"""Security groups: deletion, and groups of another VPC on an instance."""

from typing import Any

import pytest
from aws_world import World, refused

pytestmark = pytest.mark.refusals


def test_the_default_group_stays(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    found = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    (default,) = found["SecurityGroups"]
    with refused("CannotDelete", default["GroupId"], "default"):
        ec2.delete_security_group(GroupId=default["GroupId"])
    ec2.delete_security_group(GroupId=world.group(vpc))


def test_a_group_on_an_interface_stays(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    group, subnet = world.group(vpc), world.subnet(vpc)
    interface = world.interface(subnet, Groups=[group])
    with refused("DependencyViolation", group, "has a dependent object"):
        ec2.delete_security_group(GroupId=group)
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    ec2.delete_security_group(GroupId=group)


def test_a_group_of_an_instance_stays_until_that_has_ended(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    group, subnet = world.group(vpc), world.subnet(vpc)
    instance = world.instance(SubnetId=subnet, SecurityGroupIds=[group])
    with refused("DependencyViolation", group):
        ec2.delete_security_group(GroupId=group)
    world.terminate(instance)
    ec2.delete_security_group(GroupId=group)


def test_a_group_that_another_group_names_stays(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    named, naming = world.group(vpc, "named"), world.group(vpc, "naming")
    rule = [
        {
            "IpProtocol": "tcp",
            "FromPort": 3306,
            "ToPort": 3306,
            "UserIdGroupPairs": [{"GroupId": named}],
        }
    ]
    ec2.authorize_security_group_ingress(GroupId=naming, IpPermissions=rule)
    ec2.authorize_security_group_ingress(GroupId=named, IpPermissions=rule)
    with refused("DependencyViolation", named):
        ec2.delete_security_group(GroupId=named)
    ec2.revoke_security_group_ingress(GroupId=naming, IpPermissions=rule)
    ec2.delete_security_group(GroupId=named)


def test_an_instance_takes_groups_of_its_vpc_only(ec2: Any, world: World) -> None:
    vpc = world.vpc()
    own, foreign = world.group(vpc), world.group(world.vpc("10.20.0.0/16"))
    instance = world.instance(SubnetId=world.subnet(vpc))
    with refused("InvalidGroup.NotFound", foreign):
        ec2.modify_instance_attribute(InstanceId=instance, Groups=[foreign])
    ec2.modify_instance_attribute(InstanceId=instance, Groups=[own])
