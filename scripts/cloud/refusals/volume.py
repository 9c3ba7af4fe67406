"""What AWS refuses about EBS volumes."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from moto.core.utils import utcnow

from cloud.api.volumes import GP3_IOPS, GP3_THROUGHPUT
from cloud.refusals.call import Call
from cloud.refusals.guard import refuses

SIZES = {
    "gp2": (1, 16384),
    "gp3": (1, 65536),
    "io1": (4, 16384),
    "io2": (4, 65536),
    "sc1": (125, 16384),
    "st1": (125, 16384),
    "standard": (1, 1024),
}
"""GiB: EBS User Guide, ebs-volume-types."""
IOPS = {"gp3": (GP3_IOPS, 80000), "io1": (100, 64000), "io2": (100, 256000)}
"""The same page."""
IOPS_OF_A_GIB = {"gp3": 500, "io1": 50, "io2": 1000}
"""EBS User Guide, general-purpose and provisioned-iops."""
THROUGHPUT = (GP3_THROUGHPUT, 2000)
"""MiB/s of gp3: EBS User Guide, general-purpose."""
THROUGHPUT_OF_AN_OPERATION = 0.25
"""MiB/s for each operation per second; the same page."""
MODIFICATIONS = 4
MODIFICATIONS_WITHIN = datetime.timedelta(hours=24)
DEVICE = re.compile(r"(/dev/)?(sd[a-z]([1-9]|1[0-5])?|xvd[a-z]{1,2})")
"""EBS User Guide, device_naming."""


@dataclass(frozen=True)
class Wanted:
    """What a volume would be after a call."""

    kind: str
    gib: int
    iops: int | None
    throughput: int | None


def wanted(call: Call) -> Wanted:
    """The values that a call names; the others as they are, or as AWS sets them."""
    named = [call.get(name) for name in ("VolumeType", "Size", "Iops", "Throughput")]
    kind, gib, iops, throughput = named
    if call.action == "ModifyVolume":
        volume = call.backend.get_volume(call.get("VolumeId"))
        same = kind in (None, volume.volume_type)
        kind, gib = kind or volume.volume_type, volume.size if gib is None else gib
        if same:
            iops, throughput = iops or volume.iops, throughput or volume.throughput
    elif gib is None and call.get("SnapshotId"):
        gib = call.backend.get_snapshot(call.get("SnapshotId")).volume_size
    kind = kind or "gp2"
    if kind == "gp3":
        iops, throughput = iops or GP3_IOPS, throughput or GP3_THROUGHPUT
    return Wanted(
        kind,
        SIZES.get(kind, (1, 1))[0] if gib is None else int(gib),  # moto refuses it without a size
        int(iops) if iops else None,
        int(throughput) if throughput else None,
    )


def _outside(what: str, value: int, limits: tuple[int, int]) -> str | None:
    low, high = limits
    if value < low:
        return f"{what} of {value} is too low; minimum is {low}."
    if value > high:
        return f"{what} of {value} is too high; maximum is {high}."
    return None


@refuses("ec2", "CreateVolume", "ModifyVolume", code="InvalidParameterValue")
def volume_is_too_small_or_too_large(call: Call) -> str | None:
    """The size is not one that volumes of the type have.

    Source: EBS User Guide, ebs-volume-types; texts as those of the operations per second.
    """
    volume = wanted(call)
    low, high = SIZES.get(volume.kind, (1, 65536))
    if volume.gib < low:
        return f"Volume of {volume.gib}GiB is too small; minimum is {low}GiB."
    if volume.gib > high:
        return f"Volume of {volume.gib}GiB is too large; maximum is {high}GiB."
    return None


@refuses("ec2", "CreateVolume", "ModifyVolume", code="InvalidParameterValue")
def volume_has_too_few_or_too_many_operations(call: Call) -> str | None:
    """The operations per second are not what volumes of the type can have.

    Source: EBS User Guide, ebs-volume-types; text as users of io1 volumes quote it.
    """
    volume = wanted(call)
    if volume.iops is None or volume.kind not in IOPS:
        return None
    return _outside("Volume iops", volume.iops, IOPS[volume.kind])


@refuses("ec2", "CreateVolume", "ModifyVolume", code="InvalidParameterValue")
def volume_is_too_small_for_its_operations(call: Call) -> str | None:
    """More operations per second than the size allows (gp3: 500 for each GiB, and 3,000 always).

    Source: EBS User Guide, general-purpose; text as observed in rocicorp/mono#4410.
    """
    volume = wanted(call)
    if volume.iops is None or (volume.kind == "gp3" and volume.iops <= GP3_IOPS):
        return None
    most = IOPS_OF_A_GIB.get(volume.kind)
    ratio = volume.iops / volume.gib
    if most is not None and ratio > most:
        return f"Iops to volume size ratio of {ratio:.6f} is too high; maximum is {most}"
    return None


@refuses("ec2", "CreateVolume", "ModifyVolume", code="InvalidParameterValue")
def volume_has_too_little_or_too_much_throughput(call: Call) -> str | None:
    """The throughput of a gp3 volume is below 125 or above 2,000 MiB/s.

    Source: EBS User Guide, general-purpose; text as that of the next rule.
    """
    volume = wanted(call)
    if volume.throughput is None or volume.kind != "gp3":
        return None
    return _outside("Throughput (MiBps)", volume.throughput, THROUGHPUT)


@refuses("ec2", "CreateVolume", "ModifyVolume", code="InvalidParameterValue")
def volume_has_too_few_operations_for_its_throughput(call: Call) -> str | None:
    """More throughput than a quarter of a MiB/s for each operation per second of a gp3 volume.

    Source: EBS User Guide, general-purpose; text as observed in runs-on/runs-on#260.
    """
    volume = wanted(call)
    if volume.throughput is None or volume.iops is None or volume.kind != "gp3":
        return None
    ratio = volume.throughput / volume.iops
    if ratio > THROUGHPUT_OF_AN_OPERATION:
        return (
            f"Throughput (MiBps) to iops ratio of {ratio:.6f} is too high; maximum is"
            f" {THROUGHPUT_OF_AN_OPERATION:.6f} MiBps per iops"
        )
    return None


@refuses("ec2", "CreateVolume", code="IncorrectState")
def snapshot_is_not_complete(call: Call) -> str | None:
    """The volume would be made of a snapshot that is not completed.

    Source: errors-overview (IncorrectState); text as users of CreateVolume quote it.
    """
    if not call.get("SnapshotId"):
        return None
    snapshot = call.backend.get_snapshot(call.get("SnapshotId"))
    if snapshot.status != "completed":
        return f"Snapshot is in invalid state - {snapshot.status}"
    return None


@refuses("ec2", "CreateVolume", code="InvalidParameterValue")
def volume_is_smaller_than_its_snapshot(call: Call) -> str | None:
    """The volume would be smaller than the snapshot it is made of.

    Source: AWSEC2 API Reference, CreateVolume (Size); text as that of a launch.
    """
    if not call.get("SnapshotId") or not call.get("Size"):
        return None
    snapshot, gib = call.backend.get_snapshot(call.get("SnapshotId")), int(call.get("Size"))
    if gib < int(snapshot.volume_size):
        return (
            f"Volume of size {gib}GB is smaller than snapshot '{snapshot.id}', expect size >="
            f" {snapshot.volume_size}GB"
        )
    return None


@refuses("ec2", "CreateSnapshot", "DeleteVolume", "ModifyVolume", code="IncorrectState")
def volume_is_being_created(call: Call) -> str | None:
    """The volume is not there yet.

    Source: errors-overview (IncorrectState); AWSEC2 API Reference, the pages of the calls.
    """
    volume = call.backend.get_volume(call.get("VolumeId"))
    if volume.status == "creating":
        return f"The volume '{volume.id}' is 'creating'"
    return None


@refuses("ec2", "DeleteVolume", code="VolumeInUse")
def volume_is_attached(call: Call) -> str | None:
    """The volume is attached to an instance.

    Source: errors-overview (VolumeInUse); text as observed in the log of rebuy-de/aws-nuke.
    """
    volume = call.backend.get_volume(call.get("VolumeId"))
    if volume.attachment is not None:
        return f"Volume {volume.id} is currently attached to {volume.attachment.instance.id}"
    return None


@refuses("ec2", "AttachVolume", code="VolumeInUse")
def volume_is_attached_already(call: Call) -> str | None:
    """The volume is attached, to this instance or another one.

    Source: errors-overview (VolumeInUse); text as observed by users of the EBS CSI driver.
    Multi-Attach is not modelled.
    """
    volume = call.backend.get_volume(call.get("VolumeId"))
    if volume.attachment is not None:
        return f"{volume.id} is already attached to an instance"
    return None


@refuses("ec2", "AttachVolume", code="IncorrectState")
def volume_is_not_available(call: Call) -> str | None:
    """The volume is not there yet.

    Source: errors-overview (IncorrectState); text as users of AttachVolume quote it.
    """
    volume = call.backend.get_volume(call.get("VolumeId"))
    if volume.status == "creating":
        return f"{volume.id} is not 'available'."
    return None


@refuses("ec2", "AttachVolume", code="IncorrectState")
def instance_takes_no_volume(call: Call) -> str | None:
    """The instance is neither running nor stopped.

    Source: errors-overview (IncorrectState); text as users of terraform-provider-aws quote it.
    """
    instance = call.backend.get_instance(call.get("InstanceId"))
    if instance.state not in ("running", "stopped"):
        return f"Instance '{instance.id}' is not 'running'."
    return None


@refuses("ec2", "AttachVolume", code="InvalidParameterValue")
def device_name_is_none(call: Call) -> str | None:
    """The device name is not of the form /dev/sdf or xvdf.

    Source: EBS User Guide, device_naming; text as users of AttachVolume quote it.
    """
    device = str(call.get("Device"))
    if DEVICE.fullmatch(device):
        return None
    invalid = f"{device} is not a valid EBS device name."
    return f"Value ({device}) for parameter device is invalid. {invalid}"


@refuses("ec2", "AttachVolume", code="InvalidVolume.ZoneMismatch")
def volume_is_in_another_zone(call: Call) -> str | None:
    """Volume and instance are in different Availability Zones.

    Source: errors-overview (InvalidVolume.ZoneMismatch); text as observed in
    linuxkit/linuxkit#2388.
    """
    volume = call.backend.get_volume(call.get("VolumeId"))
    instance = call.backend.get_instance(call.get("InstanceId"))
    if volume.availability_zone != instance.placement.zone:
        return (
            f"The volume '{volume.id}' is not in the same availability zone as instance"
            f" '{instance.id}'"
        )
    return None


@refuses("ec2", "AttachVolume", code="InvalidParameterValue")
def device_name_is_occupied(call: Call) -> str | None:
    """The instance has a volume at this device name.

    Source: text and code as observed in aws/aws-parallelcluster#823. errors-overview lists
    InvalidDevice.InUse for it; observations show InvalidParameterValue.
    """
    instance = call.backend.get_instance(call.get("InstanceId"))
    device = call.get("Device")
    if device in instance.block_device_mapping:
        return (
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        )
    return None


@refuses("ec2", "ModifyVolume", code="InvalidParameterValue")
def volume_would_shrink(call: Call) -> str | None:
    """The new size is smaller than the volume's.

    Source: EBS User Guide, ebs-modify-volume limitations ("You can't decrease the size of a
    volume"); text as users of ModifyVolume quote it.
    """
    volume = call.backend.get_volume(call.get("VolumeId"))
    size = call.get("Size")
    if size and int(size) < int(volume.size):
        return (
            f"New size cannot be smaller than existing size ({size} GiB for {volume.id}, which has"
            f" {volume.size} GiB)"
        )
    return None


@refuses("ec2", "ModifyVolume", code="IncorrectModificationState")
def volume_is_being_modified(call: Call) -> str | None:
    """The last modification is not completed.

    Source: AWSEC2 API Reference, ModifyVolume; text as in re:Post, cloudformation-ebs-volume-error.
    """
    volume = call.backend.get_volume(call.get("VolumeId"))
    for modification in volume.modifications[-1:]:
        state = modification.modification_state
        if state != "completed":
            return f"Volume {volume.id} cannot be modified in modification state {state.upper()}"
    return None


@refuses("ec2", "ModifyVolume", code="VolumeModificationRateExceeded")
def volume_was_modified_too_often(call: Call) -> str | None:
    """It was modified four times in the last 24 hours.

    Source: AWSEC2 API Reference, ModifyVolume; code and the first sentence of the text as observed
    in sodafoundation/strato#1094.
    """
    volume = call.backend.get_volume(call.get("VolumeId"))
    since = utcnow() - MODIFICATIONS_WITHIN
    if sum(each.start_time > since for each in volume.modifications) >= MODIFICATIONS:
        return (
            "You've reached the maximum modification rate per volume limit. A volume can be"
            f" modified {MODIFICATIONS} times within 24 hours."
        )
    return None


@refuses("ec2", "DetachVolume", code="InvalidAttachment.NotFound")
def volume_is_attached_elsewhere(call: Call) -> str | None:
    """The volume is attached to another instance, or at another device name.

    Source: errors-overview (InvalidAttachment.NotFound); the text is the stand-in's.
    """
    volume = call.backend.get_volume(call.get("VolumeId"))
    if volume.attachment is None:
        return None
    instance, device = call.get("InstanceId"), call.get("Device")
    if instance not in (None, volume.attachment.instance.id):
        return f"The volume '{volume.id}' is not attached to instance '{instance}'."
    if device not in (None, volume.attachment.device):
        return f"The volume '{volume.id}' is not attached to instance as device '{device}'."
    return None


@refuses("ec2", "DetachVolume", code="IncorrectState")
def volume_is_not_attached(call: Call) -> str | None:
    """The volume is not attached.

    Source: errors-overview (IncorrectState); text as users of DetachVolume quote it.
    """
    volume = call.backend.get_volume(call.get("VolumeId"))
    if volume.attachment is None:
        return f"Volume '{volume.id}' is in the 'available' state."
    return None


@refuses("ec2", "DetachVolume", code="IncorrectState")
def volume_is_the_root_of_an_instance(call: Call) -> str | None:
    """The volume is the root volume of an instance that is not stopped.

    Source: EBS User Guide, ebs-detaching-volume ("must be stopped"); code and text as observed by
    users of terraform-provider-aws.
    """
    volume = call.backend.get_volume(call.get("VolumeId"))
    if volume.attachment is None:
        return None
    instance = volume.attachment.instance
    if volume.attachment.device == instance.root_device_name and instance.state != "stopped":
        return f"Unable to detach root volume '{volume.id}' from instance '{instance.id}'"
    return None
