"""What the rules read from moto's EC2 state."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

GONE = ("terminated",)


def is_true(value: Any) -> bool:
    """Whether a flag is set: moto keeps what a request has, which may be text."""
    return str(value).lower() == "true"


def subnets(backend: Any, vpc_id: str) -> list[Any]:
    return [
        subnet
        for by_zone in backend.subnets.values()
        for subnet in by_zone.values()
        if subnet.vpc_id == vpc_id
    ]


def interfaces(backend: Any, *, vpc_id: str | None = None, subnet_id: str | None = None) -> Any:
    return [
        eni
        for eni in list(backend.enis.values())
        if (vpc_id is None or eni.subnet.vpc_id == vpc_id)
        and (subnet_id is None or eni.subnet.id == subnet_id)
    ]


def holder(eni: Any) -> Any | None:
    """The instance that an interface is attached to, unless that is gone."""
    if eni.instance is None or eni.instance.state in GONE:
        return None
    return eni.instance


def groups_of(eni: Any) -> set[str]:
    return {group.id for group in eni.group_set if group is not None}


def group(backend: Any, group_id: str) -> Any | None:
    return backend.get_security_group_from_id(group_id)


def referring_groups(backend: Any, group_id: str) -> Iterator[Any]:
    """Other groups with a rule that names this group."""
    for by_id in list(backend.groups.values()):
        for other in list(by_id.values()):
            rules = [*other.ingress_rules, *other.egress_rules]
            if other.id != group_id and any(
                (rule.source_group or {}).get("GroupId") == group_id for rule in rules
            ):
                yield other


def addresses_of(eni: Any) -> set[str]:
    listed = {entry.get("PrivateIpAddress") for entry in eni.private_ip_addresses}
    return {address for address in listed | {eni.private_ip_address} if address}


def taken(backend: Any, subnet_id: str) -> dict[str, str]:
    """Addresses that interfaces of a subnet have, each with the interface's id."""
    return {
        address: eni.id
        for eni in interfaces(backend, subnet_id=subnet_id)
        for address in addresses_of(eni)
    }


def gateway_of(backend: Any, vpc_id: str) -> Any | None:
    return next(
        (
            gateway
            for gateway in backend.internet_gateways.values()
            if gateway.vpc is not None and gateway.vpc.id == vpc_id
        ),
        None,
    )


def network(text: str) -> ipaddress.IPv4Network | None:
    """An IPv4 network in its canonical form (AWS clears the host bits), or None."""
    try:
        return ipaddress.IPv4Network(str(text), strict=False)
    except ValueError:
        return None


def is_instance_type(backend: Any, name: str) -> bool:
    return any(known.get("InstanceType") == name for known in backend.instance_types)


def zones_with(backend: Any, instance_type: str) -> list[str]:
    """The region's zones that have the type."""
    offered = backend.describe_instance_type_offerings(
        "availability-zone", {"instance-type": [instance_type]}
    )
    return sorted(each["Location"] for each in offered)


def interface_limit(backend: Any, instance_type: str) -> int | None:
    return _network(backend, instance_type).get("MaximumNetworkInterfaces")


def address_limit(backend: Any, instance_type: str) -> int | None:
    """Private addresses that an interface of an instance of this type can have."""
    return _network(backend, instance_type).get("Ipv4AddressesPerInterface")


def _network(backend: Any, instance_type: str) -> dict[str, Any]:
    for known in backend.instance_types:
        if known.get("InstanceType") == instance_type:
            return known.get("NetworkInfo", {})
    return {}
