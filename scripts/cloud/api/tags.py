"""Tags go with the resource that has them; moto keeps them."""

from __future__ import annotations

from typing import Any

from moto.ec2.utils import get_prefix

from cloud.api import placement

KINDS = (
    "igw",
    "eni",
    "rtb",
    "sg",
    "sgr",
    "subnet",
    "vpc",
    "eipalloc",
    "key",
    "pg",
    "vol",
)


def prune(backend: Any) -> None:
    """Forget the tags of resources that are gone, of the kinds that the lab knows."""
    alive = _alive(backend)
    for resource_id in list(backend.tags):
        if resource_id not in alive and get_prefix(resource_id) in KINDS:
            del backend.tags[resource_id]


def _alive(backend: Any) -> set[str]:
    groups = [group for by_id in backend.groups.values() for group in by_id.values()]
    rules = [rule for group in groups for rule in (*group.ingress_rules, *group.egress_rules)]
    named = (
        *groups,
        *rules,
        *backend.key_pairs.values(),
        *placement.groups(backend).values(),
    )
    return {
        *(each.id for each in named),
        *(address.allocation_id for address in backend.addresses),
        *(subnet_id for by_zone in backend.subnets.values() for subnet_id in by_zone),
        *backend.vpcs,
        *backend.internet_gateways,
        *backend.route_tables,
        *backend.enis,
        *backend.volumes,
    }
