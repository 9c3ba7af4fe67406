"""EBS volumes and placement groups."""

import datetime
from typing import Any

import pytest
import volumes
from aws_world import OTHER_ZONE, ZONE, World, refused
from cloud.refusals import volume as rules

pytestmark = pytest.mark.refusals


def volume(ec2: Any, zone: str = ZONE, **more: Any) -> str:
    wanted = {"Size": 8, "VolumeType": "gp3", **more}
    made = ec2.create_volume(AvailabilityZone=zone, **wanted)["VolumeId"]
    volumes.arrive()
    return made


def host(world: World, subnet: str | None = None) -> str:
    instance = world.instance(SubnetId=subnet or world.subnet())
    world.run()
    return instance


def attach(ec2: Any, made: str, instance: str, device: str = "/dev/sdf") -> None:
    ec2.attach_volume(VolumeId=made, InstanceId=instance, Device=device)


def test_a_volume_in_use_is_not_deleted(ec2: Any, world: World) -> None:
    instance, made = host(world), volume(ec2)
    attach(ec2, made, instance)
    with refused("VolumeInUse", made, instance):
        ec2.delete_volume(VolumeId=made)
    ec2.detach_volume(VolumeId=made, InstanceId=instance)
    volumes.arrive()
    ec2.delete_volume(VolumeId=made)


def test_a_volume_is_attached_once(ec2: Any, world: World) -> None:
    subnet = world.subnet()
    one, two, made = host(world, subnet), host(world, subnet), volume(ec2)
    attach(ec2, made, one)
    for instance in (one, two):
        with refused("VolumeInUse", made):
            attach(ec2, made, instance, "/dev/sdg")
    ec2.detach_volume(VolumeId=made, InstanceId=one)
    volumes.arrive()
    attach(ec2, made, two)


def test_a_volume_in_another_zone_is_refused(ec2: Any, world: World) -> None:
    instance, far = host(world), volume(ec2, OTHER_ZONE)
    with refused("InvalidVolume.ZoneMismatch", far, instance):
        attach(ec2, far, instance)
    attach(ec2, volume(ec2), instance)


def test_an_occupied_device_name_is_refused(ec2: Any, world: World) -> None:
    instance = host(world)
    attach(ec2, volume(ec2), instance, "/dev/sdf")
    second = volume(ec2)
    with refused("InvalidParameterValue", "/dev/sdf", "already in use"):
        attach(ec2, second, instance, "/dev/sdf")
    attach(ec2, second, instance, "/dev/sdg")


def test_a_root_volume_leaves_a_stopped_instance_only(ec2: Any, world: World) -> None:
    instance = host(world)
    (root,) = ec2.describe_volumes()["Volumes"]
    with refused("IncorrectState", "Unable to detach root volume", root["VolumeId"]):
        ec2.detach_volume(VolumeId=root["VolumeId"])
    ec2.stop_instances(InstanceIds=[instance])
    world.settle()
    ec2.detach_volume(VolumeId=root["VolumeId"])
    with refused("IncorrectState", root["VolumeId"], "'available' state"):
        ec2.detach_volume(VolumeId=root["VolumeId"])


GP3_LIMITS = [
    ({"Size": 0}, "too small; minimum is 1GiB"),
    ({"Size": 65537}, "too large; maximum is 65536GiB"),
    ({"Size": 100, "Iops": 2999}, "Volume iops of 2999 is too low; minimum is 3000"),
    ({"Size": 1000, "Iops": 80001}, "Volume iops of 80001 is too high; maximum is 80000"),
    ({"Size": 20, "Iops": 15000}, "Iops to volume size ratio of 750.000000 is too high"),
    ({"Size": 100, "Throughput": 124}, "of 124 is too low; minimum is 125"),
    ({"Size": 100, "Iops": 9000, "Throughput": 2001}, "of 2001 is too high; maximum is 2000"),
    ({"Size": 100, "Throughput": 1000}, "Throughput (MiBps) to iops ratio of 0.333333 is too high"),
]


@pytest.mark.parametrize(("wanted", "words"), GP3_LIMITS)
def test_a_gp3_volume_is_made_within_its_limits(
    ec2: Any, wanted: dict[str, Any], words: str
) -> None:
    with refused("InvalidParameterValue", words):
        volume(ec2, **wanted)


@pytest.mark.parametrize(("wanted", "words"), GP3_LIMITS)
def test_a_gp3_volume_stays_within_its_limits(ec2: Any, wanted: dict[str, Any], words: str) -> None:
    made = volume(ec2)
    with refused("InvalidParameterValue", words):
        ec2.modify_volume(VolumeId=made, **wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        {"Size": 1},
        {"Size": 1, "Iops": 3000, "Throughput": 750},
        {"Size": 30, "Iops": 15000, "Throughput": 2000},
        {"Size": 160, "Iops": 80000},
        {"Size": 1, "VolumeType": "gp2"},
        {"Size": 125, "VolumeType": "st1"},
    ],
)
def test_a_volume_at_its_limits_is_made(ec2: Any, wanted: dict[str, Any]) -> None:
    assert volume(ec2, **wanted)


def test_a_type_has_limits_of_its_own(ec2: Any) -> None:
    with refused("InvalidParameterValue", "too small; minimum is 125GiB"):
        volume(ec2, Size=124, VolumeType="st1")
    with refused("InvalidParameterValue", "too small; minimum is 125GiB"):
        ec2.modify_volume(VolumeId=volume(ec2), VolumeType="st1")


def test_a_volume_that_is_being_made_cannot_be_used(ec2: Any, world: World) -> None:
    instance = host(world)
    made = ec2.create_volume(AvailabilityZone=ZONE, Size=8)["VolumeId"]
    with refused("IncorrectState", made, "not 'available'"):
        attach(ec2, made, instance)
    for call in (
        lambda: ec2.delete_volume(VolumeId=made),
        lambda: ec2.modify_volume(VolumeId=made, Size=9),
        lambda: ec2.create_snapshot(VolumeId=made),
    ):
        with refused("IncorrectState", made, "'creating'"):
            call()
    volumes.arrive()
    attach(ec2, made, instance)


def test_a_host_that_starts_or_stops_takes_no_volume(ec2: Any, world: World) -> None:
    made, instance = volume(ec2), world.instance(SubnetId=world.subnet())
    with refused("IncorrectState", instance, "is not 'running'"):
        attach(ec2, made, instance)
    world.run()
    ec2.stop_instances(InstanceIds=[instance])
    with refused("IncorrectState", instance, "is not 'running'"):
        attach(ec2, made, instance)
    world.settle()
    attach(ec2, made, instance)


@pytest.mark.parametrize("device", ["/dev/nvme1n1", "sdf/", "/dev/sd1", "data"])
def test_what_is_no_device_name_is_refused(ec2: Any, world: World, device: str) -> None:
    instance, made = host(world), volume(ec2)
    with refused("InvalidParameterValue", device, "not a valid EBS device name"):
        attach(ec2, made, instance, device)


def test_a_volume_is_detached_from_where_it_is(ec2: Any, world: World) -> None:
    subnet = world.subnet()
    one, two, made = host(world, subnet), host(world, subnet), volume(ec2)
    attach(ec2, made, one)
    with refused("InvalidAttachment.NotFound", made, two):
        ec2.detach_volume(VolumeId=made, InstanceId=two)
    with refused("InvalidAttachment.NotFound", made, "/dev/sdg"):
        ec2.detach_volume(VolumeId=made, InstanceId=one, Device="/dev/sdg")
    ec2.detach_volume(VolumeId=made, InstanceId=one, Device="/dev/sdf")


def test_a_volume_on_its_way_out_is_in_use_until_it_is_out(ec2: Any, world: World) -> None:
    instance, made = host(world), volume(ec2)
    attach(ec2, made, instance)
    volumes.arrive()
    ec2.detach_volume(VolumeId=made)
    with refused("VolumeInUse", made):
        ec2.delete_volume(VolumeId=made)
    with refused("VolumeInUse", made):
        attach(ec2, made, instance)


def test_a_modification_waits_for_the_one_before(ec2: Any) -> None:
    made = volume(ec2)
    ec2.modify_volume(VolumeId=made, Size=9)
    with refused("IncorrectModificationState", made, "MODIFYING"):
        ec2.modify_volume(VolumeId=made, Size=10)
    volumes.arrive()
    ec2.modify_volume(VolumeId=made, Size=10)


def test_a_volume_is_modified_four_times_in_a_day(
    ec2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = volume(ec2)
    for size in range(9, 13):
        ec2.modify_volume(VolumeId=made, Size=size)
        volumes.arrive()
    with refused("VolumeModificationRateExceeded", "maximum modification rate"):
        ec2.modify_volume(VolumeId=made, Size=13)
    monkeypatch.setattr(rules, "MODIFICATIONS_WITHIN", datetime.timedelta(0))
    ec2.modify_volume(VolumeId=made, Size=13)


def test_a_volume_is_made_of_a_snapshot_that_is_completed(ec2: Any) -> None:
    copy = ec2.create_snapshot(VolumeId=volume(ec2))["SnapshotId"]
    with refused("IncorrectState", "Snapshot is in invalid state - pending"):
        volume(ec2, SnapshotId=copy)
    volumes.arrive()
    with refused("InvalidParameterValue", copy, "expect size >= 8GB"):
        volume(ec2, SnapshotId=copy, Size=7)
    volume(ec2, SnapshotId=copy, Size=8)
