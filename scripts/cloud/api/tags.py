"""Tags go with the resource that has them; moto keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from moto.ec2.utils import get_prefix

from cloud.api import placement


def _groups(backend: Any) -> list[Any]:
    return [group for by_id in backend.groups.values() for group in by_id.values()]


ALIVE: dict[str, Callable[[Any], Iterable[str]]] = {
    "eipalloc": lambda backend: (address.allocation_id for address in backend.addresses),
    "eni": lambda backend: backend.enis,
    "igw": lambda backend: backend.internet_gateways,
    "key": lambda backend: (key.id for key in backend.key_pairs.values()),
    "pg": lambda backend: (group.id for group in placement.groups(backend).values()),
    "rtb": lambda backend: backend.route_tables,
    "sg": lambda backend: (group.id for group in _groups(backend)),
    "sgr": lambda backend: (
        rule.id
        for group in _groups(backend)
        for rule in (*group.ingress_rules, *group.egress_rules)
    ),
    "subnet": lambda backend: (
        subnet_id for by_zone in backend.subnets.values() for subnet_id in by_zone
    ),
    "vol": lambda backend: backend.volumes,
    "vpc": lambda backend: backend.vpcs,
    "vpce": lambda backend: backend.vpc_end_points,
}
"""The ids of what there is, by the prefix of a kind: the kinds that the lab knows."""


def prune(backend: Any) -> None:
    """Forget the tags of resources that are gone."""
    alive = {kind: set(find(backend)) for kind, find in ALIVE.items()}
    for resource_id in list(backend.tags):
        if resource_id not in alive.get(get_prefix(resource_id), {resource_id}):
            del backend.tags[resource_id]
