"""Which changes of the settings a standing ring cannot take.

A node's data lives on its instance. An update must leave at least one node that has data on the
instance it is on, and a node that stays must keep what it was told at its first boot and joined
with. Pure: what stands is given.
"""

import ipaddress

from components.checks import in_region, network
from components.problems import Found, Problem
from components.settings import NodeSettings, RingArgs
from components.standing import Standing, StandingNode

ANEW = "dump the data, `pulumi destroy`, `pulumi up`, load it (docs/operations.md)"
WITH_ITS_INSTANCE = (
    "change its clientAddress in the same update: the instance is then made anew and copies the "
    "other node (docs/operations.md)"
)
NOTHING_LOST = "no node holds data yet: `pulumi destroy`, then `pulumi up`"

Pair = tuple[StandingNode, NodeSettings, str]
"""A node that stands, its settings now, and where these are."""


def changes(standing: Standing, settings: RingArgs, region: str | None) -> Found:
    """Every change that would lose the data of a ring or lead into a dead end."""
    way = ANEW if any(node.seeded for node in standing.nodes) else NOTHING_LOST
    yield from _place(standing, settings, region, way)
    wanted = {node.name: (node, f"nodes[{index}]") for index, node in enumerate(settings.nodes)}
    for node in standing.nodes:
        if node.name not in wanted:
            expected = f"{node.name} among them, which stands. For another name {way}"
            yield Problem("nodes.name", ", ".join(wanted), expected)
    pairs = [(node, *wanted[node.name]) for node in standing.nodes if node.name in wanted]
    # The interface has another address, or is in another network: the instance is made anew.
    moves = settings.client_cidr != standing.client_cidr
    kept = [
        pair for pair in pairs if not moves and pair[0].client_address == pair[1].client_address
    ]
    if not any(node.seeded for node, *_ in kept):
        yield from _all_replaced(standing, settings, [pair for pair in pairs if pair[0].seeded])
    yield from _kept(settings, [pair for pair in kept if pair[0].instance], way)


def _place(standing: Standing, settings: RingArgs, region: str | None, way: str) -> Found:
    given, zone = settings.availability_zone, standing.zone
    if zone and region and not in_region(zone, region):
        expected = f"the region of {zone}, where this stack stands. For another one {way}"
        yield Problem("aws:region", region, expected)
    elif zone and given not in ("", zone) and any(node.seeded for node in standing.nodes):
        expected = f"{zone}: another zone replaces both instances, with all data on them. To move, "
        yield Problem("availabilityZone", given, expected + way)


def _all_replaced(standing: Standing, settings: RingArgs, holders: list[Pair]) -> Found:
    """The changes that together replace every instance that has data."""
    if holders and settings.client_cidr != standing.client_cidr:
        expected = f"{standing.client_cidr}: another range replaces both instances, with all data"
        yield Problem("clientCidr", settings.client_cidr, f"{expected} on them. To move, {ANEW}")
        return
    for node, now, where in holders:
        if len(holders) == 1:
            expected = (
                f"{node.client_address}: another address replaces the instance, and no other one "
                "has the data. Make the ring whole first"
            )
        else:
            expected = (
                f"{node.client_address}, or only one of both changed: another address replaces the "
                "instance, with the data on it. Change one, `pulumi up`, wait until the ring is "
                "whole, then the other"
            )
        yield Problem(f"{where}.clientAddress", now.client_address, expected)


def _kept(settings: RingArgs, kept: list[Pair], way: str) -> Found:
    """What instances that stay were told at their first boot, joined with, or have."""
    yield from _replication(settings, kept, way)
    for node, now, where in kept:
        if node.seeded and node.server_id not in (None, now.server_id):
            expected = (
                f"{node.server_id}, with which it joined. For another one {WITH_ITS_INSTANCE}"
            )
            yield Problem(f"{where}.serverId", str(now.server_id), expected)
        if node.seeded and node.auto_increment_offset not in (None, now.auto_increment_offset):
            found = str(now.auto_increment_offset)
            expected = (
                f"{node.auto_increment_offset}: the servers restart one after the other, and both "
                f"would give out the same keys meanwhile. To swap them {way}"
            )
            yield Problem(f"{where}.autoIncrementOffset", found, expected)
    largest = max((node.root_volume_gib or 0 for node, *_ in kept), default=0)
    if settings.root_volume_gib < largest:
        expected = f"at least {largest}, as it is: on AWS a volume grows and never shrinks"
        yield Problem("rootVolumeGib", str(settings.root_volume_gib), expected)


def _replication(settings: RingArgs, kept: list[Pair], way: str) -> Found:
    """The address on the second interface is written on the host at its first boot."""
    now_in = network(settings.replication_cidr)
    told = [
        (ipaddress.IPv4Interface(node.replication_interface), now, where)
        for node, now, where in kept
        if node.replication_interface
    ]
    if now_in is None or not told:
        return
    stands_in = told[0][0].network
    if now_in != stands_in:
        expected = f"{stands_in}: the hosts were told at their first boot. For another one {way}"
        yield Problem("replicationCidr", settings.replication_cidr, expected)
        return
    for was, now, where in told:
        if str(was.ip) != now.replication_address:
            way = way if way == NOTHING_LOST else WITH_ITS_INSTANCE
            expected = f"{was.ip}: the host was told at its first boot. For another one {way}"
            yield Problem(f"{where}.replicationAddress", now.replication_address, expected)
