"""What AWS refuses about EBS volumes."""

from __future__ import annotations

from cloud.refusals.call import Call
from cloud.refusals.guard import refuses


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
