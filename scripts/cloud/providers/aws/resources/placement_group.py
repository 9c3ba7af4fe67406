"""Placement group."""

from typing import Any

from cloud.providers.aws.ec2 import MINUTE, Ec2Resource
from cloud.providers.aws.errors import wait_until
from cloud.providers.aws.resource import REGION, TAGS, Work
from cloud.providers.schema import INTEGER, Argument, Failure, Table
from cloud.providers.values import UNKNOWN

_PARTITIONS = 7


class PlacementGroup(Ec2Resource):
    type_name = "aws:ec2/placementGroup:PlacementGroup"
    noun, kind, identifier = "PlacementGroup", "placement-group", "GroupName"
    missing = ("InvalidPlacementGroup.Unknown",)
    held = ("DependencyViolation", "InvalidPlacementGroup.InUse")
    available_within = deleted_within = 5 * MINUTE
    table = Table(
        source="terraform-provider-aws internal/service/ec2/ec2_placement_group.go",
        arguments=(
            Argument("name", replace=True, computed=True, api="GroupName"),
            Argument("partitionCount", INTEGER, replace=True, computed=True),
            REGION,
            Argument("spreadLevel", choices=("host", "rack"), replace=True, computed=True),
            Argument(
                "strategy",
                required=True,
                choices=("cluster", "partition", "spread"),
                replace=True,
            ),
            TAGS,
        ),
        outputs=("arn", "placementGroupId"),
        autoname="name",
    )

    def validate(self, inputs: dict[str, Any]) -> list[Failure]:
        """Each number belongs to one strategy (resourcePlacementGroupCustomizeDiff)."""
        strategy = inputs["strategy"]
        count = inputs.get("partitionCount")
        if isinstance(count, int) and not 0 <= count <= _PARTITIONS:
            return [Failure("partitionCount", f"expected 0 to {_PARTITIONS}, found {count}")]
        return [
            Failure(name, f"{name} must not be set when strategy = {strategy!r}")
            for name, wanted in (("partitionCount", "partition"), ("spreadLevel", "spread"))
            if inputs.get(name) and strategy not in (wanted, UNKNOWN)
        ]

    def make(self, work: Work) -> str:
        super().make(work)
        return work.inputs["name"]

    def tagged_id(self, work: Work) -> str:
        return (self.find(work) or {})["GroupId"]

    def told(self, work: Work, found: dict[str, Any]) -> dict[str, Any]:
        return {**super().told(work, found), "placementGroupId": found.get("GroupId", "")}

    def destroy(self, work: Work) -> None:
        super().destroy(work)

        def look() -> str:
            found = self.find(work)
            return "deleted" if found is None else found.get("State", "available")

        what = f"placement group {work.id}"
        wait_until(work.call, self.deleted_within, what, look, ("deleted",))


RESOURCES = (PlacementGroup(),)
