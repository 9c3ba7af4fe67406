"""The steps that have both nodes archive their binary logs and make backups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.bucket import Bucket
from components.settings import NodeSettings, RingArgs
from components.step import Host, document, step


@dataclass(frozen=True)
class BackupsArgs:
    """The ring's name, how its nodes are reached, the bucket that they write to, and the steps
    after which they replicate."""

    ring: str
    settings: RingArgs
    hosts: Mapping[str, Host]
    bucket: Bucket
    after: Sequence[pulumi.Resource]


class Backups(pulumi.ComponentResource):
    """Each node is told where its logs and backups go, and when. What is not replicated yet is not
    backed up: a node that joins copies what the other one has."""

    def __init__(
        self, name: str, args: BackupsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mysql-ring:index:Backups", name, None, opts)
        self._args = args
        for node in args.settings.nodes:
            step(
                f"{name}-{node.name}-schedule",
                "schedule",
                args.hosts[node.name],
                document(self._place(node)),
                parent=self,
                depends_on=[*args.after, args.bucket],
            )
        self.register_outputs({})

    def _place(self, node: NodeSettings) -> dict[str, pulumi.Input[str | int]]:
        settings, bucket = self._args.settings, self._args.bucket
        return {
            "bucket": bucket.bucket_name,
            "region": bucket.region,
            "stack": pulumi.get_stack(),
            "ring": self._args.ring,
            "node": node.name,
            "archive_interval": settings.archive_interval_seconds,
            "backup_schedule": settings.backup_schedule,
            "drill_schedule": settings.drill_schedule,
            "maintenance_schedule": settings.maintenance_schedule,
            "keep_binlog_hours": settings.keep_binlog_hours,
            "disk_warn": settings.disk_warn_percent,
            "disk_critical": settings.disk_critical_percent,
        }
