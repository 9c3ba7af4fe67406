"""What AWS refuses about placement groups (moto has none: the stand-in's API adds them)."""

from __future__ import annotations

from cloud.api import lookup
from cloud.api.placement import groups
from cloud.refusals.call import Call
from cloud.refusals.guard import refuses

STRATEGIES = ("cluster", "spread", "partition")


def unknown(name: str) -> str:
    return f"The Placement Group '{name}' is unknown."


@refuses("ec2", "CreatePlacementGroup", code="MissingParameter")
def placement_group_has_no_name(call: Call) -> str | None:
    """No name is given.

    Source: errors-overview (MissingParameter); the text is ours.
    """
    if not call.get("GroupName"):
        return "The request must contain the parameter GroupName"
    return None


@refuses("ec2", "CreatePlacementGroup", code="InvalidParameterValue")
def strategy_is_not_one(call: Call) -> str | None:
    """The strategy is none of cluster, spread and partition.

    Source: AWSEC2 API Reference, CreatePlacementGroup; errors-overview (InvalidParameterValue); the
    text is ours.
    """
    strategy = call.get("Strategy")
    if strategy and strategy not in STRATEGIES:
        return f"Value ({strategy}) for parameter Strategy is invalid."
    return None


@refuses("ec2", "CreatePlacementGroup", code="InvalidPlacementGroup.Duplicate")
def placement_group_exists(call: Call) -> str | None:
    """A group of this name exists.

    Source: errors-overview (InvalidPlacementGroup.Duplicate); the text is ours.
    """
    name = call.get("GroupName")
    return f"The Placement Group '{name}' already exists." if name in groups(call.backend) else None


@refuses("ec2", "DeletePlacementGroup", code="InvalidPlacementGroup.Unknown")
def placement_group_to_delete_does_not_exist(call: Call) -> str | None:
    """The group does not exist.

    Source: errors-overview (InvalidPlacementGroup.Unknown); text as observed in
    bcbio/bcbio-nextgen-vm#37.
    """
    name = call.get("GroupName")
    return None if name in groups(call.backend) else unknown(name)


@refuses("ec2", "DeletePlacementGroup", code="InvalidPlacementGroup.InUse")
def placement_group_is_in_use(call: Call) -> str | None:
    """An instance that is not terminated was launched into the group.

    Source: errors-overview (InvalidPlacementGroup.InUse: "ensure that its instances have been
    terminated"); text as observed in scylladb/scylla-cluster-tests#6742.
    """
    name = call.get("GroupName")
    for instance in call.backend.all_instances():
        if instance.placement.group_name == name and instance.state not in lookup.GONE:
            return f"The placement group '{name}' is in use and may not be deleted."
    return None


@refuses("ec2", "DescribePlacementGroups", code="InvalidPlacementGroup.Unknown")
def named_placement_group_does_not_exist(call: Call) -> str | None:
    """A group that is named does not exist.

    Source: errors-overview (InvalidPlacementGroup.Unknown); text as for DeletePlacementGroup.
    """
    known = groups(call.backend)
    return next((unknown(name) for name in call.get("GroupNames", []) if name not in known), None)


@refuses("ec2", "DescribePlacementGroups", code="InvalidPlacementGroupId.Unknown")
def placement_group_of_an_id_does_not_exist(call: Call) -> str | None:
    """A group whose id is named does not exist.

    Source: the code as users of DescribePlacementGroups quote it; the text is ours.
    """
    known = {group.id for group in groups(call.backend).values()}
    for group_id in call.get("GroupIds", []):
        if group_id not in known:
            return f"The Placement Group with ID '{group_id}' is unknown."
    return None
