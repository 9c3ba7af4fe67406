"""A launch: what it names must be there, and its token stands for it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_world import IMAGE, TRUST, World, refused

pytestmark = pytest.mark.refusals

KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMMrz5CPBUMvpAGtVlnMUYmx4kw3L7XYNzFjWmnWRm3F x"
NO_IMAGE = "ami-0123456789abcdef0"
Launch = Callable[..., str]


@pytest.fixture
def launch(world: World) -> Launch:
    subnet = world.subnet()
    return lambda **more: world.instance(SubnetId=subnet, **more)


def role_in(iam: Any, profile: str) -> str:
    iam.create_role(RoleName=profile, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=profile)
    return iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Arn"]


def test_a_key_pair_has_to_exist(ec2: Any, launch: Launch) -> None:
    with refused("InvalidKeyPair.NotFound", "The key pair 'ring' does not exist"):
        launch(KeyName="ring")
    ec2.import_key_pair(KeyName="ring", PublicKeyMaterial=KEY)
    launch(KeyName="ring")


def test_an_image_has_to_exist(ec2: Any, launch: Launch) -> None:
    with refused("InvalidAMIID.NotFound", f"The image id '[{NO_IMAGE}]' does not exist"):
        launch(ImageId=NO_IMAGE)
    with refused("InvalidAMIID.Malformed", "debian-12"):
        launch(ImageId="debian-12")
    with refused("MissingParameter", "ImageId"):
        ec2.run_instances(MinCount=1, MaxCount=1)
    launch(ImageId=IMAGE)


def test_an_instance_type_has_to_exist(launch: Launch) -> None:
    with refused("InvalidParameterValue", "Invalid value 't3.huge' for InstanceType."):
        launch(InstanceType="t3.huge")
    launch(InstanceType="t3.medium")


def test_a_zone_has_to_have_the_instance_type(world: World) -> None:
    """mac1.metal is in two of the three zones."""
    here, there = world.subnet(zone="eu-central-1b"), world.subnet(zone="eu-central-1c")
    text = (
        "Your requested instance type (mac1.metal) is not supported in your requested Availability"
        " Zone (eu-central-1b). Please retry your request by not specifying an Availability Zone"
        " or choosing eu-central-1a, eu-central-1c."
    )
    with refused("Unsupported", text):
        world.instance(SubnetId=here, InstanceType="mac1.metal")
    with refused("Unsupported", text):
        world.instance_with(world.interface(here), InstanceType="mac1.metal")
    world.instance(SubnetId=there, InstanceType="mac1.metal")


@pytest.mark.parametrize("by", ["Name", "Arn"])
def test_an_instance_profile_has_to_exist_and_to_hold_a_role(
    iam: Any, launch: Launch, by: str
) -> None:
    arn = "arn:aws:iam::123456789012:instance-profile/ring"
    named = {"Name": "ring", "Arn": arn}[by]
    word = {"Name": "name", "Arn": "ARN"}[by]
    with refused("InvalidParameterValue", f"({named})", f"Invalid IAM Instance Profile {word}"):
        launch(IamInstanceProfile={by: named})
    iam.create_instance_profile(InstanceProfileName="ring")
    with refused("InvalidParameterValue", arn, "has no associated IAM Roles"):
        launch(IamInstanceProfile={by: named})
    assert role_in(iam, "ring") == arn
    launch(IamInstanceProfile={by: named})


def test_a_profile_that_does_not_exist_is_not_associated(
    ec2: Any, iam: Any, launch: Launch
) -> None:
    instance = launch()
    with refused("InvalidParameterValue", "(ring)", "Invalid IAM Instance Profile name"):
        ec2.associate_iam_instance_profile(InstanceId=instance, IamInstanceProfile={"Name": "ring"})
    iam.create_instance_profile(InstanceProfileName="ring")
    role_in(iam, "ring")
    answer = ec2.associate_iam_instance_profile(
        InstanceId=instance, IamInstanceProfile={"Name": "ring"}
    )
    association = answer["IamInstanceProfileAssociation"]["AssociationId"]
    for name in ("other", "ring"):
        replace = {"AssociationId": association, "IamInstanceProfile": {"Name": name}}
        if name == "other":
            with refused("InvalidParameterValue", "(other)"):
                ec2.replace_iam_instance_profile_association(**replace)
        else:
            ec2.replace_iam_instance_profile_association(**replace)


@pytest.mark.parametrize("by", ["GroupName", "GroupId"])
def test_a_placement_group_has_to_exist(ec2: Any, launch: Launch, by: str) -> None:
    missing = {"GroupName": "ring", "GroupId": "pg-0123456789abcdef0"}[by]
    with refused("InvalidPlacementGroup.Unknown", f"'{missing}' is unknown"):
        launch(Placement={by: missing})
    made = ec2.create_placement_group(GroupName="ring", Strategy="spread")["PlacementGroup"]
    launch(Placement={by: made[by]})


def test_a_subnet_and_its_group_have_to_exist(world: World, launch: Launch) -> None:
    with refused("InvalidSubnetID.NotFound", "subnet-0123456789abcdef0"):
        world.instance(SubnetId="subnet-0123456789abcdef0")
    with refused("InvalidGroup.NotFound", "sg-0123456789abcdef0"):
        launch(SecurityGroupIds=["sg-0123456789abcdef0"])
    launch()


def test_one_address_is_not_for_two_instances(launch: Launch) -> None:
    with refused("InvalidParameterCombination", "10.10.1.20", "2 instances"):
        launch(MinCount=2, MaxCount=2, PrivateIpAddress="10.10.1.20")
    launch(MinCount=2, MaxCount=2)
    launch(PrivateIpAddress="10.10.1.20")


def test_user_data_has_at_most_16_kib(launch: Launch) -> None:
    with refused("InvalidParameterValue", "User data is limited to 16384 bytes"):
        launch(UserData="x" * 16385)
    launch(UserData="x" * 16384)


def test_a_root_volume_is_not_smaller_than_the_image(launch: Launch) -> None:
    def sized(size: int) -> list[dict[str, Any]]:
        return [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": size}}]

    with refused("InvalidBlockDeviceMapping", "Volume of size 7GB", "expect size >= 8GB"):
        launch(BlockDeviceMappings=sized(7))
    launch(BlockDeviceMappings=sized(8))


def test_a_client_token_stands_for_one_launch(world: World, launch: Launch) -> None:
    first = launch(ClientToken="one", PrivateIpAddress="10.10.1.20")
    assert launch(ClientToken="one", PrivateIpAddress="10.10.1.20") == first
    with refused("IdempotentParameterMismatch", "inconsistent with arguments"):
        launch(ClientToken="one", PrivateIpAddress="10.10.1.20", InstanceType="t3.medium")
    assert launch(ClientToken="two") != first
    world.terminate(first)
    with refused("IdempotentInstanceTerminated", "use a different client token"):
        launch(ClientToken="one", PrivateIpAddress="10.10.1.20")
    assert launch(ClientToken="three", PrivateIpAddress="10.10.1.20") != first


def test_a_launch_that_fails_on_its_way_leaves_nothing(ec2: Any, world: World) -> None:
    interface = world.interface(world.subnet())
    before = len(ec2.describe_volumes()["Volumes"])
    lost = {"DeviceName": "/dev/xvdf", "Ebs": {"SnapshotId": "snap-0123456789abcdef0"}}
    root = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}
    with refused("InvalidSnapshot.NotFound"):
        world.instance_with(interface, BlockDeviceMappings=[root, lost])
    assert ec2.describe_instances()["Reservations"] == []
    assert len(ec2.describe_volumes()["Volumes"]) == before
    world.instance_with(interface, BlockDeviceMappings=[root])


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("InstanceType", "t3.medium"), ("EbsOptimized", True), ("UserData", b"eA==")],
)
def test_a_running_instance_keeps_its_type_and_user_data(
    ec2: Any, launch: Launch, world: World, attribute: str, value: Any
) -> None:
    instance = launch()
    change = {"InstanceId": instance, attribute: {"Value": value}}
    with refused("IncorrectInstanceState", instance, "is not in the 'stopped' state"):
        ec2.modify_instance_attribute(**change)
    ec2.stop_instances(InstanceIds=[instance])
    world.settle()
    ec2.modify_instance_attribute(**change)
    ec2.modify_instance_attribute(InstanceId=instance, SourceDestCheck={"Value": False})


def test_an_attribute_gets_a_value_that_there_is(ec2: Any, launch: Launch, world: World) -> None:
    def keep(device: str) -> dict[str, Any]:
        return {"DeviceName": device, "Ebs": {"DeleteOnTermination": False}}

    instance = launch()
    with refused("InvalidInstanceAttributeValue", "/dev/nope"):
        ec2.modify_instance_attribute(InstanceId=instance, BlockDeviceMappings=[keep("/dev/nope")])
    ec2.modify_instance_attribute(InstanceId=instance, BlockDeviceMappings=[keep("/dev/xvda")])
    ec2.stop_instances(InstanceIds=[instance])
    world.settle()
    with refused("InvalidInstanceAttributeValue", "t3.huge"):
        ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": "t3.huge"})
