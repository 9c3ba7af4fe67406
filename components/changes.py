"""Which changes of the settings a standing ring cannot take.

A node's data lives on its volume, which outlives the instance. An update must not take a volume
away, and must not make of a server with data another server. Pure: what stands is given.
"""

from components.checks import in_region
from components.problems import Found, Problem
from components.settings import LATEST, NOTHING, RingArgs
from components.standing import Standing

ANEW = "dump the data, `pulumi destroy`, `pulumi up`, load it (docs/operations.md)"
NOTHING_LOST = "no node holds data yet: `pulumi destroy`, then `pulumi up`"


def changes(standing: Standing, settings: RingArgs, region: str | None) -> Found:
    """Every change that would lose the data of a ring or lead into a dead end."""
    way = ANEW if standing.holds_data else NOTHING_LOST
    yield from _place(standing, settings, region, way)
    wanted = {node.name: (node, f"nodes[{index}]") for index, node in enumerate(settings.nodes)}
    for node in standing.nodes:
        if node.name not in wanted:
            expected = f"{node.name} among them, which stands. For another name {way}"
            yield Problem("nodes.name", ", ".join(wanted), expected)
        elif node.holds_data:
            now, where = wanted[node.name]
            if node.server_id not in (None, now.server_id):
                expected = (
                    f"{node.server_id}, with which its changes are in both binary logs: under "
                    f"another one it would take them for its peer's. For another one {way}"
                )
                yield Problem(f"{where}.serverId", str(now.server_id), expected)
            if node.auto_increment_offset not in (None, now.auto_increment_offset):
                found = str(now.auto_increment_offset)
                expected = (
                    f"{node.auto_increment_offset}: the servers restart one after the other, and "
                    f"both would give out the same keys meanwhile. To swap them {way}"
                )
                yield Problem(f"{where}.autoIncrementOffset", found, expected)
    yield from _sizes(standing, settings)
    if standing.bucket and settings.bucket_name:
        expected = (
            f"nothing: the ring has a bucket of its own, {standing.bucket}, which would be deleted "
            f"with the backups in it. For another one {way}"
        )
        yield Problem("bucketName", settings.bucket_name, expected)
    if standing.lost and settings.restore_from is None:
        bucket = settings.bucket_name or standing.bucket or "BUCKET"
        expected = (
            f"what takes their place: {{bucket: {bucket}, moment: {LATEST}}} is all that is in the "
            f"bucket, {{moment: {NOTHING}}} an empty ring (docs/use/restore-from.md). If a volume "
            "is there and only out of the state, `pulumi import` it first"
        )
        yield Problem("restoreFrom", "nothing, and the data volumes of both nodes gone", expected)


def _place(standing: Standing, settings: RingArgs, region: str | None, way: str) -> Found:
    given, zone = settings.availability_zone, standing.zone
    if zone and region and not in_region(zone, region):
        expected = f"the region of {zone}, where this stack stands. For another one {way}"
        yield Problem("aws:region", region, expected)
    elif zone and given not in ("", zone) and standing.holds_data:
        expected = f"{zone}: a volume stays in its zone, with the data on it. To move, "
        yield Problem("availabilityZone", given, expected + way)


def _sizes(standing: Standing, settings: RingArgs) -> Found:
    root = max((node.root_volume_gib or 0 for node in standing.nodes), default=0)
    data = max((node.data_volume_gib or 0 for node in standing.nodes), default=0)
    for setting, now, stands in (
        ("rootVolumeGib", settings.root_volume_gib, root),
        ("dataVolumeGib", settings.data_volume_gib, data),
    ):
        if now < stands:
            expected = f"at least {stands}, as it is: on AWS a volume grows and never shrinks"
            yield Problem(setting, str(now), expected)
