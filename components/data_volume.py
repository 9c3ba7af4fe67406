"""The volume that a node's data is on. It outlives the node's instance."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import ebs

from components import volumes
from components.settings import RingArgs
from components.tags import PROTECTED, Tags


@dataclass(frozen=True)
class DataVolumeArgs:
    """The settings say how large and how fast. A volume joins instances of its own zone only."""

    settings: RingArgs
    zone: pulumi.Input[str]
    tags: Tags


class DataVolume(pulumi.ComponentResource):
    """An encrypted volume, blank when it is made. With `protect_data` nothing deletes it."""

    volume_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: DataVolumeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(f"mysql-ring:{PROTECTED}:DataVolume", name, None, opts)
        settings = args.settings
        iops, throughput = volumes.speed(settings)
        volume = ebs.Volume(
            f"{name}-volume",
            availability_zone=args.zone,
            size=settings.data_volume_gib,
            type=settings.data_volume_type,
            iops=iops,
            throughput=throughput,
            encrypted=True,
            tags=args.tags.named(f"{name}-volume"),
            opts=pulumi.ResourceOptions(parent=self, protect=settings.protect_data),
        )
        self.volume_id = volume.id
        self.register_outputs({"volumeId": self.volume_id})
