"""Placement groups: moto has none."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.responses import EC2Response
from moto.ec2.utils import (
    EC2_PREFIX_TO_RESOURCE,
    EC2_RESOURCE_TO_PREFIX,
    add_tag_specification,
    generic_filter,
    random_id,
)

from cloud.api.patching import add, once, replace

PREFIX = "pg"
STRATEGIES = ("cluster", "spread", "partition")


class PlacementGroup(TaggedEC2Resource):
    """A placement group, with the names that the EC2 service model gives its fields."""

    def __init__(
        self,
        backend: Any,
        name: str,
        strategy: str,
        partitions: int | None,
        spread_level: str | None,
        tags: dict[str, str],
    ) -> None:
        self.ec2_backend = backend
        self.id = random_id(prefix=PREFIX)
        self.group_name = name
        self.strategy = strategy
        self.partition_count = partitions
        self.spread_level = spread_level
        self.state = "available"
        self.created = utcnow()
        self.add_tags(tags)

    def answer(self) -> dict[str, Any]:
        backend = self.ec2_backend
        fields = {
            "GroupName": self.group_name,
            "GroupId": self.id,
            "GroupArn": f"arn:{backend.partition}:ec2:{backend.region_name}:{backend.account_id}"
            f":placement-group/{self.group_name}",
            "State": self.state,
            "Strategy": self.strategy,
            "PartitionCount": self.partition_count,
            "SpreadLevel": self.spread_level,
            "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in self.get_tags()],
        }
        return {name: value for name, value in fields.items() if value is not None}

    def get_filter_value(self, filter_name: str, method_name: str | None = None) -> Any:
        if filter_name == "group-id":
            return self.id
        return super().get_filter_value(filter_name, method_name or "DescribePlacementGroups")


def groups(backend: Any) -> dict[str, PlacementGroup]:
    """The placement groups of a region, by name."""
    return backend.__dict__.setdefault("placement_groups", {})


def _unknown(name: str) -> EC2ClientError:
    return EC2ClientError(
        "InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown."
    )


def _create(self: Any) -> ActionResult:
    name = self._get_param("GroupName")
    strategy = self._get_param("Strategy") or "cluster"
    partitions = self._get_param("PartitionCount")
    level = self._get_param("SpreadLevel") or ("rack" if strategy == "spread" else None)
    if not name:
        raise EC2ClientError("MissingParameter", "The request must contain the parameter GroupName")
    if strategy not in STRATEGIES:
        raise EC2ClientError(
            "InvalidParameterValue", f"Value ({strategy}) for parameter Strategy is invalid."
        )
    if name in groups(self.ec2_backend):
        raise EC2ClientError(
            "InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists."
        )
    tags = add_tag_specification(self._get_param("TagSpecifications", []))
    self.error_on_dryrun()
    group: Any = PlacementGroup(
        self.ec2_backend, name, strategy, int(partitions) if partitions else None, level, tags
    )
    groups(self.ec2_backend)[name] = group
    return ActionResult({"PlacementGroup": group.answer()})


def _delete(self: Any) -> ActionResult:
    name = self._get_param("GroupName")
    if name not in groups(self.ec2_backend):
        raise _unknown(name)
    for instance in self.ec2_backend.all_instances():
        if instance.placement.group_name == name and instance.state != "terminated":
            raise EC2ClientError(
                "InvalidPlacementGroup.InUse",
                f"The placement group '{name}' is in use and may not be deleted.",
            )
    self.error_on_dryrun()
    group = groups(self.ec2_backend).pop(name)
    self.ec2_backend.tags.pop(group.id, None)
    return EmptyResult()


def _describe(self: Any) -> ActionResult:
    names = self._get_param("GroupNames", [])
    ids = self._get_param("GroupIds", [])
    known = groups(self.ec2_backend)
    for name in names:
        if name not in known:
            raise _unknown(name)
    by_id = {group.id: group for group in known.values()}
    for group_id in ids:
        if group_id not in by_id:
            raise EC2ClientError(
                "InvalidPlacementGroupId.Unknown",
                f"The Placement Group with ID '{group_id}' is unknown.",
            )
    found = [
        group
        for group in known.values()
        if (not names or group.group_name in names) and (not ids or group.id in ids)
    ]
    found = generic_filter(self._filters_from_querystring(), found)
    return ActionResult({"PlacementGroups": [group.answer() for group in found]})


@once
def install() -> None:
    """Add the three calls, and placement by group to RunInstances."""
    EC2_RESOURCE_TO_PREFIX["placement-group"] = PREFIX
    EC2_PREFIX_TO_RESOURCE[PREFIX] = "placement-group"
    add(
        EC2Response,
        create_placement_group=_create,
        delete_placement_group=_delete,
        describe_placement_groups=_describe,
    )

    moto_request = EC2Response.run_instances
    moto_exist = EC2Backend.do_resources_exist

    def run_instances(self: Any) -> ActionResult:
        name = self._get_param("Placement.GroupName")
        group_id = self._get_param("Placement.GroupId")
        if group_id:
            known = groups(self.ec2_backend).values()
            name = next(each.group_name for each in known if each.id == group_id)
        before = set(self.ec2_backend.reservations)
        result = moto_request(self)
        for reservation_id in set(self.ec2_backend.reservations) - before:
            for instance in self.ec2_backend.reservations[reservation_id].instances:
                instance.placement.group_name = name or ""
        return result

    def do_resources_exist(self: Any, resource_ids: list[str]) -> bool:
        known = {group.id for group in groups(self).values()}
        return moto_exist(self, [each for each in resource_ids if each not in known])

    replace(EC2Response, run_instances=run_instances)
    replace(EC2Backend, do_resources_exist=do_resources_exist)
