"""What AWS refuses about placement groups (moto has none: the stand-in's API adds them)."""

from __future__ import annotations

from cloud.api import lookup
from cloud.api.placement import groups
from cloud.refusals.guard import Call, refuse, refuses


@refuses("ec2", "DeletePlacementGroup", code="InvalidPlacementGroup.InUse")
def placement_group_is_in_use(call: Call) -> None:
    """An instance that is not terminated was launched into the group.

    Source: errors-overview (InvalidPlacementGroup.InUse: "ensure that its instances have been
    terminated"); text as observed in scylladb/scylla-cluster-tests#6742.
    """
    name = call.get("GroupName")
    for instance in call.backend.all_instances():
        if instance.placement.group_name == name and instance.state not in lookup.GONE:
            refuse(
                "InvalidPlacementGroup.InUse",
                f"The placement group '{name}' is in use and may not be deleted.",
            )


@refuses("ec2", "RunInstances", code="InvalidPlacementGroup.Unknown")
def placement_group_does_not_exist(call: Call) -> None:
    """The placement group does not exist.

    Source: errors-overview (InvalidPlacementGroup.Unknown); text as observed in
    bcbio/bcbio-nextgen-vm#37.
    """
    known = groups(call.backend)
    name, group_id = call.get("Placement.GroupName"), call.get("Placement.GroupId")
    if (name and name not in known) or (
        group_id and group_id not in {each.id for each in known.values()}
    ):
        refuse(
            "InvalidPlacementGroup.Unknown", f"The Placement Group '{name or group_id}' is unknown."
        )
