"""Volumes where no lab keeps their disks: what is under way gets where it goes."""

from __future__ import annotations

from typing import Any

from cloud.api import volumes

REACHED = {"attaching": "attached", "detaching": "detached", "busy": "detached"}


def arrive() -> None:
    """Let every volume, attachment, modification and snapshot reach what it is on the way to."""
    from moto.ec2.models import ec2_backends

    backends: list[Any] = [backend for _, _, backend in ec2_backends.iter_backends()]
    for backend in backends:
        for snapshot_id in list(backend.snapshots):
            volumes.reach(backend, snapshot_id, "completed")
        for volume in list(backend.volumes.values()):
            volumes.reach(backend, volume.id, "available")
            if volumes.reach(backend, volume.id, "modified"):
                volumes.complete(backend, volume.id)
            if volume.attachment is not None and volume.attachment.status in REACHED:
                volumes.reach(backend, volume.id, REACHED[volume.attachment.status])
