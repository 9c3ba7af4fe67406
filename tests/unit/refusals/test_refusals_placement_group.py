"""Placement groups, which are the stand-in's own."""

from typing import Any

import pytest
from aws_world import World, refused

pytestmark = pytest.mark.refusals

NO_GROUP = "pg-0123456789abcdef0"


def test_a_placement_group_has_a_name_of_its_own_and_a_strategy(ec2: Any) -> None:
    with refused("MissingParameter", "GroupName"):
        ec2.create_placement_group(Strategy="spread")
    with refused("InvalidParameterValue", "(near)", "Strategy"):
        ec2.create_placement_group(GroupName="ring", Strategy="near")
    ec2.create_placement_group(GroupName="ring", Strategy="spread")
    with refused("InvalidPlacementGroup.Duplicate", "'ring' already exists"):
        ec2.create_placement_group(GroupName="ring", Strategy="spread")
    ec2.create_placement_group(GroupName="other")


def test_a_placement_group_that_is_named_exists(ec2: Any) -> None:
    made = ec2.create_placement_group(GroupName="ring", Strategy="spread")["PlacementGroup"]
    with refused("InvalidPlacementGroup.Unknown", "'other' is unknown"):
        ec2.describe_placement_groups(GroupNames=["ring", "other"])
    with refused("InvalidPlacementGroupId.Unknown", NO_GROUP):
        ec2.describe_placement_groups(GroupIds=[made["GroupId"], NO_GROUP])
    (found,) = ec2.describe_placement_groups(GroupNames=["ring"])["PlacementGroups"]
    assert ec2.describe_placement_groups(GroupIds=[made["GroupId"]])["PlacementGroups"] == [found]
    with refused("InvalidPlacementGroup.Unknown", "'other' is unknown"):
        ec2.delete_placement_group(GroupName="other")
    ec2.delete_placement_group(GroupName="ring")


def test_a_placement_group_stays_for_its_instances(ec2: Any, world: World) -> None:
    ec2.create_placement_group(GroupName="ring", Strategy="spread")
    instance = world.instance(SubnetId=world.subnet(), Placement={"GroupName": "ring"})
    with refused("InvalidPlacementGroup.InUse", "'ring' is in use"):
        ec2.delete_placement_group(GroupName="ring")
    world.terminate(instance)
    ec2.delete_placement_group(GroupName="ring")
