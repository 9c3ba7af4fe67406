"""EBS volumes and placement groups."""

from typing import Any

import pytest
import volumes
from aws_world import OTHER_ZONE, ZONE, World, refused

pytestmark = pytest.mark.refusals


def volume(ec2: Any, zone: str = ZONE) -> str:
    made = ec2.create_volume(AvailabilityZone=zone, Size=8, VolumeType="gp3")["VolumeId"]
    volumes.arrive()
    return made


def attach(ec2: Any, made: str, instance: str, device: str = "/dev/sdf") -> None:
    ec2.attach_volume(VolumeId=made, InstanceId=instance, Device=device)


def test_a_volume_in_use_is_not_deleted(ec2: Any, world: World) -> None:
    instance, made = world.instance(SubnetId=world.subnet()), volume(ec2)
    attach(ec2, made, instance)
    with refused("VolumeInUse", made, instance):
        ec2.delete_volume(VolumeId=made)
    ec2.detach_volume(VolumeId=made, InstanceId=instance)
    volumes.arrive()
    ec2.delete_volume(VolumeId=made)


def test_a_volume_is_attached_once(ec2: Any, world: World) -> None:
    subnet = world.subnet()
    one, two, made = world.instance(SubnetId=subnet), world.instance(SubnetId=subnet), volume(ec2)
    attach(ec2, made, one)
    for instance in (one, two):
        with refused("VolumeInUse", made):
            attach(ec2, made, instance, "/dev/sdg")
    ec2.detach_volume(VolumeId=made, InstanceId=one)
    volumes.arrive()
    attach(ec2, made, two)


def test_a_volume_in_another_zone_is_refused(ec2: Any, world: World) -> None:
    instance, far = world.instance(SubnetId=world.subnet()), volume(ec2, OTHER_ZONE)
    with refused("InvalidVolume.ZoneMismatch", far, instance):
        attach(ec2, far, instance)
    attach(ec2, volume(ec2), instance)


def test_an_occupied_device_name_is_refused(ec2: Any, world: World) -> None:
    instance = world.instance(SubnetId=world.subnet())
    attach(ec2, volume(ec2), instance, "/dev/sdf")
    second = volume(ec2)
    with refused("InvalidParameterValue", "/dev/sdf", "already in use"):
        attach(ec2, second, instance, "/dev/sdf")
    attach(ec2, second, instance, "/dev/sdg")


def test_a_root_volume_leaves_a_stopped_instance_only(ec2: Any, world: World) -> None:
    instance = world.instance(SubnetId=world.subnet())
    (root,) = ec2.describe_volumes()["Volumes"]
    with refused("IncorrectState", "Unable to detach root volume", root["VolumeId"]):
        ec2.detach_volume(VolumeId=root["VolumeId"])
    ec2.stop_instances(InstanceIds=[instance])
    world.settle()
    ec2.detach_volume(VolumeId=root["VolumeId"])
    with refused("IncorrectState", root["VolumeId"], "'available' state"):
        ec2.detach_volume(VolumeId=root["VolumeId"])
