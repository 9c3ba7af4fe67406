"""EBS volumes as AWS tells of them: they come, go in and out of instances, and grow, in steps.

moto jumps to the final states at once. Here a call sets the state on the way, and whoever keeps
the disks (hosts/disks.py) says what has been reached (`reach`).
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.models.elastic_block_store import (
    EBSBackend,
    Snapshot,
    Volume,
    VolumeAttachment,
    VolumeModification,
)
from moto.ec2.responses.elastic_block_store import ElasticBlockStore

from cloud.api import lookup
from cloud.api.later import later
from cloud.api.patching import add, replace

GP3_IOPS = 3000
"""Operations per second of a gp3 volume for which no more is paid (Amazon EBS User Guide,
general-purpose)."""
GP3_THROUGHPUT = 125
"""MiB/s of the same."""
OPTIMIZING_SECONDS = 0.5
"""How long a volume that has its new size is optimized, unless it is ordered otherwise. On AWS it
may take hours (Amazon EBS User Guide, monitoring-volume-modifications)."""
ATTACHING, ATTACHED, DETACHING, BUSY = "attaching", "attached", "detaching", "busy"
LEAVING = (DETACHING, BUSY)

_moto_create_volume: Any = EBSBackend.create_volume
_moto_create_snapshot: Any = EBSBackend.create_snapshot
_moto_describe_modifications = EBSBackend.describe_volumes_modifications
_moto_respond_create = ElasticBlockStore.create_volume
_moto_respond_modify = ElasticBlockStore.modify_volume


def is_root(volume: Any) -> bool:
    """Whether a volume is where an instance starts from."""
    attachment = volume.attachment
    return attachment is not None and attachment.device == attachment.instance.root_device_name


def blocks(backend: Any) -> list[Any]:
    """The volumes that hosts have as block devices."""
    return [volume for volume in backend.volumes.values() if not is_root(volume)]


def belongs_in(volume: Any, instance: Any) -> bool:
    """Whether a volume is to be in an instance's host."""
    attachment = volume.attachment
    return (
        attachment is not None
        and attachment.instance.id == instance.id
        and attachment.status not in LEAVING
    )


def modifying(volume: Any) -> bool:
    """Whether it is still to get its new size."""
    return any(one.modification_state == "modifying" for one in volume.modifications)


def reach(backend: Any, resource_id: str, state: str) -> bool:
    """Note what a volume, its attachment or a snapshot has come to, unless a call has changed its
    mind meanwhile. Whether it was so is the answer."""
    snapshot = backend.snapshots.get(resource_id)
    if snapshot is not None:
        before, snapshot.status = snapshot.status, state
        return before != state
    volume = backend.volumes.get(resource_id)
    if volume is None:
        return False
    if state == "available":
        made, volume.being_made = getattr(volume, "being_made", False), False
        return made
    if state == "modified":
        if not modifying(volume):
            return False
        volume.modifications[-1].reached = "optimizing"
        later(backend, "ModifyVolume", OPTIMIZING_SECONDS, complete, volume.id)
        return True
    attachment = volume.attachment
    expected = {ATTACHED: (ATTACHING,), BUSY: (DETACHING,), "detached": LEAVING}[state]
    if attachment is None or attachment.status not in expected:
        return False
    if state == "detached":
        backend.detach_volume(volume.id, attachment.instance.id, attachment.device)
    else:
        attachment.status = state
    return True


def _status(self: Any) -> str:
    if self.attachment:
        return "in-use"
    return "creating" if getattr(self, "being_made", False) else "available"


def _performance(volume: Any) -> None:
    """Operations and throughput that a volume has where nobody names them (User Guide,
    general-purpose)."""
    if volume.volume_type == "gp3":
        volume.iops = volume.iops or GP3_IOPS
        volume.throughput = volume.throughput or GP3_THROUGHPUT
    elif volume.volume_type == "gp2":
        volume.iops = min(max(100, 3 * int(volume.size)), 16000)
        volume.throughput = None


def _create_volume(
    self: Any,
    size: int | None,
    zone_name: str,
    snapshot_id: str | None = None,
    **named: Any,
) -> Any:
    """As moto's; without a size, of the size that the snapshot has, whatever its volume has now."""
    if size is None and snapshot_id:
        size = self.get_snapshot(snapshot_id).volume_size
    volume = _moto_create_volume(self, size, zone_name, snapshot_id, **named)
    _performance(volume)
    return volume


def _respond_create(self: Any) -> ActionResult:
    before = set(self.ec2_backend.volumes)
    answer = _moto_respond_create(self)
    for volume_id in set(self.ec2_backend.volumes) - before:
        self.ec2_backend.volumes[volume_id].being_made = True
    return answer


def _attachment(volume: Any, status: str) -> ActionResult:
    attachment = volume.attachment
    return ActionResult(
        {
            "VolumeId": volume.id,
            "InstanceId": attachment.instance.id,
            "Device": attachment.device,
            "State": status,
            "AttachTime": attachment.attach_time,
            "DeleteOnTermination": attachment.delete_on_termination,
        }
    )


def _respond_attach(self: Any) -> ActionResult:
    backend = self.ec2_backend
    attachment = backend.attach_volume(
        self._get_param("VolumeId"), self._get_param("InstanceId"), self._get_param("Device")
    )
    attachment.status = ATTACHING
    return _attachment(attachment.volume, ATTACHING)


def _respond_detach(self: Any) -> ActionResult:
    """The instance and the device need not be named: a volume is attached to one. The root of an
    instance that is stopped, which is no block device, is out at once."""
    backend = self.ec2_backend
    volume = backend.get_volume(self._get_param("VolumeId"))
    attachment = volume.attachment
    answer = _attachment(volume, DETACHING)
    if is_root(volume):
        backend.detach_volume(volume.id, attachment.instance.id, attachment.device)
        return answer
    if attachment.status not in LEAVING:
        attachment.status = DETACHING
    attachment.forced = lookup.is_true(self._get_param("Force"))
    return answer


def _delete_on_termination(self: Any) -> bool:
    device = self.instance.block_device_mapping.get(self.device)
    return bool(device and device.delete_on_termination)


def _modify(self: Any, **targets: Any) -> None:
    """As moto's, and the modification tells of everything (ModifyVolume's answer)."""
    names = ("size", "volume_type", "iops", "throughput", "multi_attach_enabled")
    before = {name: getattr(self, name) for name in names}
    modification = VolumeModification(self, **targets)
    for name in names:
        setattr(self, name, targets.get(f"target_{name}") or before[name])
    _performance(self)
    for name in names:
        setattr(modification, f"original_{name}", before[name])
        setattr(modification, f"target_{name}", getattr(self, name))
    self.modifications.append(modification)


def _respond_modify(self: Any) -> ActionResult:
    volume = self.ec2_backend.get_volume(self._get_param("VolumeId"))
    answer = _moto_respond_modify(self)
    volume.modifications[-1].reached = "modifying"
    return answer


def complete(backend: Any, volume_id: str) -> None:
    """End a modification."""
    volume = backend.volumes.get(volume_id)
    if volume is not None and volume.modifications:
        modification = volume.modifications[-1]
        modification.reached, modification.end_time = "completed", utcnow()


def _describe_modifications(self: Any, volume_ids: Any = None, filters: Any = None) -> list[Any]:
    """The last one of each volume (DescribeVolumesModifications: "the most recent")."""
    found = _moto_describe_modifications(self, volume_ids, filters)
    return [one for one in found if one is one.volume.modifications[-1]]


def _modification_state(self: Any) -> str:
    return getattr(self, "reached", "completed")


def _progress(self: Any) -> int:
    return 100 if self.modification_state == "completed" else 0


def _create_snapshot(self: Any, *arguments: Any, **named: Any) -> Any:
    """Pending until its bytes are copied. It keeps the size that its volume has now."""
    snapshot = _moto_create_snapshot(self, *arguments, **named)
    snapshot.gib = snapshot.volume.size
    if snapshot.from_ami is None:
        snapshot.status = "pending"
    return snapshot


def _volume_size(self: Any) -> int:
    return getattr(self, "gib", self.volume.size)


def install() -> None:
    """Put these functions in the place of moto's."""
    replace(Volume, status=property(_status), modify=_modify)
    replace(
        VolumeModification,
        modification_state=property(_modification_state),
        progress=property(_progress),
    )
    add(VolumeAttachment, delete_on_termination=property(_delete_on_termination))
    replace(Snapshot, volume_size=property(_volume_size))
    replace(
        EBSBackend,
        create_volume=_create_volume,
        create_snapshot=_create_snapshot,
        describe_volumes_modifications=_describe_modifications,
    )
    replace(
        ElasticBlockStore,
        create_volume=_respond_create,
        attach_volume=_respond_attach,
        detach_volume=_respond_detach,
        modify_volume=_respond_modify,
    )
