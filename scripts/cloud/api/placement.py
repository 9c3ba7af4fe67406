"""Placement groups: moto has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
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

from cloud.api.patching import add, replace

PREFIX = "pg"


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


def named(backend: Any, get: Callable[..., Any]) -> PlacementGroup | None:
    """The group that a launch names, by name or id."""
    name, group_id = get("Placement.GroupName"), get("Placement.GroupId")
    return next(
        (
            group
            for group in groups(backend).values()
            if (name and group.group_name == name) or (group_id and group.id == group_id)
        ),
        None,
    )


def _create(self: Any) -> ActionResult:
    name = self._get_param("GroupName")
    strategy = self._get_param("Strategy") or "cluster"
    partitions = self._get_param("PartitionCount")
    level = self._get_param("SpreadLevel") or ("rack" if strategy == "spread" else None)
    tags = add_tag_specification(self._get_param("TagSpecifications", []))
    group: Any = PlacementGroup(
        self.ec2_backend, name, strategy, int(partitions) if partitions else None, level, tags
    )
    groups(self.ec2_backend)[name] = group
    return ActionResult({"PlacementGroup": group.answer()})


def _delete(self: Any) -> ActionResult:
    group = groups(self.ec2_backend).pop(self._get_param("GroupName"))
    self.ec2_backend.tags.pop(group.id, None)
    return EmptyResult()


def _describe(self: Any) -> ActionResult:
    names = self._get_param("GroupNames", [])
    ids = self._get_param("GroupIds", [])
    found: Any = [
        group
        for group in groups(self.ec2_backend).values()
        if (not names or group.group_name in names) and (not ids or group.id in ids)
    ]
    found = generic_filter(self._filters_from_querystring(), found)
    return ActionResult({"PlacementGroups": [group.answer() for group in found]})


_moto_exist = EC2Backend.do_resources_exist


def _exist(self: Any, resource_ids: list[str]) -> bool:
    known = {group.id for group in groups(self).values()}
    return _moto_exist(self, [each for each in resource_ids if each not in known])


def install() -> None:
    """Add the three calls; what they refuse is in the rules."""
    EC2_RESOURCE_TO_PREFIX["placement-group"] = PREFIX
    EC2_PREFIX_TO_RESOURCE[PREFIX] = "placement-group"
    add(
        EC2Response,
        create_placement_group=_create,
        delete_placement_group=_delete,
        describe_placement_groups=_describe,
    )
    replace(EC2Backend, do_resources_exist=_exist)
