"""Placement group."""

from typing import Any

from cloud.providers.aws.ec2 import MINUTE, Ec2Resource, dependency, first
from cloud.providers.aws.errors import ignoring, retrying, wait_until
from cloud.providers.aws.resource import REGION, TAGS, Work, unpair
from cloud.providers.schema import INTEGER, Argument, Failure, Table
from cloud.providers.values import UNKNOWN

_MISSING = ("InvalidPlacementGroup.Unknown",)
_SECONDS = 5 * MINUTE
_PARTITIONS = 7


class PlacementGroup(Ec2Resource):
    type_name = "aws:ec2/placementGroup:PlacementGroup"
    kind = "placement-group"
    table = Table(
        source="terraform-provider-aws internal/service/ec2/ec2_placement_group.go",
        arguments=(
            Argument("name", replace=True, computed=True),
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
        arguments = work.pick(
            GroupName="name",
            PartitionCount="partitionCount",
            SpreadLevel="spreadLevel",
            Strategy="strategy",
        )
        arguments["TagSpecifications"] = self.tag_specifications(work)
        work.ec2.create_placement_group(**arguments)
        return work.inputs["name"]

    def _find(self, work: Work) -> Any:
        return first(
            work.ec2.describe_placement_groups, "PlacementGroups", _MISSING, GroupNames=[work.id]
        )

    def tagged_id(self, work: Work) -> str:
        return self._find(work)["GroupId"]

    def settle(self, work: Work) -> None:
        def look() -> str | None:
            found = self._find(work)
            return found and found.get("State", "available")

        wait_until(work.call, _SECONDS, f"placement group {work.id}", look, ("available",))

    def describe(self, work: Work) -> dict[str, Any] | None:
        found = self._find(work)
        if found is None or found.get("State") == "deleted":
            return None
        return {
            "arn": work.session.arn("ec2", f"placement-group/{work.id}"),
            "name": work.id,
            "partitionCount": found.get("PartitionCount", 0),
            "placementGroupId": found.get("GroupId", ""),
            "spreadLevel": found.get("SpreadLevel", ""),
            "strategy": found["Strategy"],
            "tags": unpair(found.get("Tags")),
        }

    def destroy(self, work: Work) -> None:
        retrying(
            work.call,
            _SECONDS,
            dependency,
            lambda: ignoring(_MISSING, work.ec2.delete_placement_group, GroupName=work.id),
        )

        def look() -> str:
            found = self._find(work)
            return "deleted" if found is None else found.get("State", "available")

        wait_until(work.call, _SECONDS, f"placement group {work.id}", look, ("deleted",))


RESOURCES = (PlacementGroup(),)
