"""Volumes through the API: what a call says at once, and what is so when the disk has followed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cloud.api import later
from cloud.api.application import Api
from cloud.api.state import Store
from cloud.wanted import Disk
from moto.core.base_backend import BackendDict

pytestmark = pytest.mark.unit

ZONE = "eu-central-1a"


@pytest.fixture
def made(cloud: Any, ec2: Any) -> str:
    """A volume that is there."""
    volume = ec2.create_volume(AvailabilityZone=ZONE, Size=2, VolumeType="gp3")["VolumeId"]
    cloud.api.reach(volume, "available")
    return volume


@pytest.fixture
def host(cloud: Any, network: Any) -> str:
    """An instance that runs."""
    instance = network.run(network.interface())
    cloud.api.settle(instance, "pending", "running")
    return instance


def attach(ec2: Any, made: str, host: str) -> Any:
    return ec2.attach_volume(VolumeId=made, InstanceId=host, Device="/dev/sdf")


def told(ec2: Any, made: str) -> tuple[str, str | None]:
    """A volume's state and that of its attachment."""
    (volume,) = ec2.describe_volumes(VolumeIds=[made])["Volumes"]
    states = [each["State"] for each in volume["Attachments"]]
    return volume["State"], states[0] if states else None


def disks(cloud: Any, host: str) -> list[Any]:
    parts = cloud.api.snapshot().hosts[host].parts
    return [part for part in parts if isinstance(part, Disk)]


def test_a_volume_is_creating_until_its_disk_is_there(cloud: Any, ec2: Any) -> None:
    answer = ec2.create_volume(AvailabilityZone=ZONE, Size=2, Encrypted=True)
    made = answer["VolumeId"]
    assert (answer["State"], answer["Encrypted"]) == ("creating", True)
    assert told(ec2, made) == ("creating", None)
    volume = cloud.api.snapshot().volumes[made]
    assert (volume.gib, volume.state, volume.instance_id) == (2, "creating", None)
    cloud.api.reach(made, "available")
    assert told(ec2, made) == ("available", None)


def test_a_volume_is_attached_when_its_host_has_it(
    cloud: Any, ec2: Any, made: str, host: str
) -> None:
    answer = attach(ec2, made, host)
    assert (answer["State"], answer["DeleteOnTermination"]) == ("attaching", False)
    assert told(ec2, made) == ("in-use", "attaching")
    assert disks(cloud, host) == [Disk(made, "/dev/sdf")]
    cloud.api.reach(made, "attached")
    assert told(ec2, made) == ("in-use", "attached")
    assert disks(cloud, host) == [Disk(made, "/dev/sdf")]


def test_a_volume_is_out_when_its_host_has_let_it_go(
    cloud: Any, ec2: Any, made: str, host: str
) -> None:
    attach(ec2, made, host)
    cloud.api.reach(made, "attached")
    answer = ec2.detach_volume(VolumeId=made)
    assert (answer["State"], answer["InstanceId"]) == ("detaching", host)
    assert told(ec2, made) == ("in-use", "detaching")
    assert disks(cloud, host) == []
    cloud.api.reach(made, "busy")
    assert told(ec2, made) == ("in-use", "busy")
    assert disks(cloud, host) == []
    assert not cloud.api.snapshot().volumes[made].forced
    ec2.detach_volume(VolumeId=made, Force=True)
    assert cloud.api.snapshot().volumes[made].forced
    cloud.api.reach(made, "detached")
    assert told(ec2, made) == ("available", None)
    assert not cloud.api.snapshot().volumes[made].forced


def test_news_that_comes_too_late_changes_nothing(
    cloud: Any, ec2: Any, made: str, host: str
) -> None:
    attach(ec2, made, host)
    ec2.detach_volume(VolumeId=made)
    cloud.api.reach(made, "attached")
    assert told(ec2, made) == ("in-use", "detaching")
    cloud.api.reach(made, "detached")
    attach(ec2, made, host)
    for news in ("detached", "busy", "modified", "available"):
        cloud.api.reach(made, news)
    assert told(ec2, made) == ("in-use", "attaching")
    cloud.api.reach("vol-0123456789abcdef0", "available")


def test_a_volume_outlives_the_instance_it_is_attached_to(
    cloud: Any, ec2: Any, made: str, host: str
) -> None:
    attach(ec2, made, host)
    cloud.api.reach(made, "attached")
    ec2.terminate_instances(InstanceIds=[host])
    assert told(ec2, made) == ("in-use", "attached")
    cloud.api.settle(host, "shutting-down", "terminated")
    assert told(ec2, made) == ("available", None)
    assert set(cloud.api.snapshot().volumes) == {made}


def test_a_volume_of_the_launch_goes_with_the_instance(cloud: Any, ec2: Any, network: Any) -> None:
    mappings = [
        {"DeviceName": f"/dev/{name}", "Ebs": {"VolumeSize": 9, "DeleteOnTermination": goes}}
        for name, goes in (("xvda", True), ("sdf", True), ("sdg", False))
    ]
    host = network.run(network.interface(), BlockDeviceMappings=mappings)
    assert [disk.device for disk in disks(cloud, host)] == ["/dev/sdf", "/dev/sdg"]
    ec2.terminate_instances(InstanceIds=[host])
    cloud.api.settle(host, "shutting-down", "terminated")
    (left,) = ec2.describe_volumes()["Volumes"]
    assert left["State"] == "available"


def test_a_volume_stays_attached_while_its_instance_is_stopped(
    cloud: Any, ec2: Any, made: str, host: str
) -> None:
    attach(ec2, made, host)
    cloud.api.reach(made, "attached")
    ec2.stop_instances(InstanceIds=[host])
    cloud.api.settle(host, "stopping", "stopped")
    assert told(ec2, made) == ("in-use", "attached")
    ec2.start_instances(InstanceIds=[host])
    assert disks(cloud, host) == [Disk(made, "/dev/sdf")]


def modification(ec2: Any, made: str) -> dict[str, Any]:
    (found,) = ec2.describe_volumes_modifications(VolumeIds=[made])["VolumesModifications"]
    return found


def test_a_volume_is_modified_in_steps(cloud: Any, ec2: Any, made: str, tmp_path: Path) -> None:
    answer = ec2.modify_volume(VolumeId=made, Size=20, Iops=4000)["VolumeModification"]
    expected = {
        "OriginalSize": 2,
        "TargetSize": 20,
        "OriginalIops": 3000,
        "TargetIops": 4000,
        "OriginalThroughput": 125,
        "TargetThroughput": 125,
        "OriginalVolumeType": "gp3",
        "TargetVolumeType": "gp3",
    }
    assert answer["ModificationState"] == "modifying"
    assert {name: answer[name] for name in expected} == expected
    assert cloud.api.snapshot().volumes[made].modifying
    (tmp_path / later.FILE).write_text(json.dumps({"ModifyVolume": 60}))
    cloud.api.reach(made, "modified")
    cloud.api.carry_out_due()
    assert modification(ec2, made)["ModificationState"] == "optimizing"
    assert not cloud.api.snapshot().volumes[made].modifying
    (tmp_path / later.FILE).write_text(json.dumps({"ModifyVolume": 0}))
    cloud.api.carry_out_due()
    assert modification(ec2, made)["ModificationState"] == "completed"
    ec2.modify_volume(VolumeId=made, VolumeType="gp2")
    assert modification(ec2, made)["OriginalVolumeType"] == "gp3"
    (volume,) = ec2.describe_volumes(VolumeIds=[made])["Volumes"]
    assert (volume["Size"], volume["Iops"], volume.get("Throughput")) == (20, 100, None)


def test_a_snapshot_is_pending_until_its_bytes_are_copied(cloud: Any, ec2: Any, made: str) -> None:
    answer = ec2.create_snapshot(VolumeId=made)
    copy = answer["SnapshotId"]
    assert (answer["State"], answer["VolumeSize"]) == ("pending", 2)
    assert cloud.api.snapshot().volume_snapshots[copy].pending
    cloud.api.reach(copy, "completed")
    ec2.modify_volume(VolumeId=made, Size=3)
    (found,) = ec2.describe_snapshots(SnapshotIds=[copy])["Snapshots"]
    assert (found["State"], found["VolumeSize"]) == ("completed", 2)
    second = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=copy)
    assert second["Size"] == 2
    assert cloud.api.snapshot().volumes[second["VolumeId"]].snapshot_id == copy
    ec2.delete_snapshot(SnapshotId=copy)
    assert cloud.api.snapshot().volume_snapshots == {}


def test_what_is_under_way_goes_on_after_a_restart(
    cloud: Any, ec2: Any, made: str, host: str, tmp_path: Path
) -> None:
    attach(ec2, made, host)
    ec2.detach_volume(VolumeId=made, Force=True)
    ec2.modify_volume(VolumeId=made, Size=20)
    ec2.create_snapshot(VolumeId=made)
    ec2.create_volume(AvailabilityZone=ZONE, Size=2)
    before = cloud.api.snapshot()
    BackendDict.reset()
    cloud.api = Api(Store(tmp_path / "state"), lambda: None)
    cloud.web.application = cloud.api
    cloud.api.store.load()
    assert cloud.api.snapshot() == before
    assert before.volumes[made].forced
    assert before.volumes[made].modifying
