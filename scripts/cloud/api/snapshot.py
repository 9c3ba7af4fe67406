"""What the API's state asks of the lab's networks and hosts, as plain values."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from typing import Any

RUNNING_STATES = ("pending", "running")
STOPPING_STATE = "stopping"
ENDING_STATE = "shutting-down"


@dataclass(frozen=True)
class Rule:
    """One line of a security group: a protocol and ports, for networks or members of groups."""

    protocol: str
    from_port: int | None
    to_port: int | None
    networks: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    id: str
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Interface:
    """A network interface that is attached to an instance."""

    id: str
    mac: str
    address: str
    subnet_id: str
    vpc_id: str
    instance_id: str
    device_index: int
    groups: tuple[str, ...] = ()
    secondary: tuple[str, ...] = ()
    public: str | None = None
    checked: bool = True

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.address, *self.secondary)


@dataclass(frozen=True)
class Subnet:
    id: str
    network: str
    routed: bool
    """Its route table leads everything else to an internet gateway attached to its VPC."""

    @property
    def gateway(self) -> str:
        return str(ipaddress.ip_network(self.network)[1])

    @property
    def resolver(self) -> str:
        return str(ipaddress.ip_network(self.network)[2])

    @property
    def prefix_length(self) -> int:
        return ipaddress.ip_network(self.network).prefixlen


@dataclass(frozen=True)
class Vpc:
    """A VPC that holds at least one attached interface."""

    id: str
    region: str
    subnets: tuple[Subnet, ...]
    interfaces: tuple[Interface, ...]
    groups: tuple[Group, ...]

    def subnet(self, subnet_id: str) -> Subnet:
        return next(subnet for subnet in self.subnets if subnet.id == subnet_id)

    def public(self) -> dict[str, Interface]:
        """Interfaces that are reached from outside, by public address."""
        return {
            interface.public: interface
            for interface in self.interfaces
            if interface.public and self.subnet(interface.subnet_id).routed
        }


@dataclass(frozen=True)
class Host:
    """An instance that is not gone yet."""

    id: str
    state: str
    reboots: int
    region: str
    zone: str
    hostname: str
    interfaces: tuple[Interface, ...]
    public_key: str | None = None
    user_data: bytes = field(default=b"", repr=False)

    @property
    def wanted(self) -> bool:
        return self.state in RUNNING_STATES


@dataclass(frozen=True)
class Snapshot:
    vpcs: dict[str, Vpc]
    hosts: dict[str, Host]


def take(backends: list[Any]) -> Snapshot:
    """Read moto's EC2 backends, one for each region, under the API's lock."""
    vpcs: dict[str, Vpc] = {}
    hosts: dict[str, Host] = {}
    for backend in backends:
        for instance in backend.all_instances():
            if instance.state != "terminated":
                hosts[instance.id] = _host(backend, instance)
        wanted = {
            interface.vpc_id
            for host in hosts.values()
            if host.region == backend.region_name
            for interface in host.interfaces
        }
        for vpc_id in sorted(wanted):
            vpcs[vpc_id] = _vpc(backend, vpc_id, hosts)
    return Snapshot(vpcs, hosts)


def user_data_bytes(instance: Any) -> bytes:
    """The instance's user data, decoded."""
    if not instance.user_data:
        return b""
    data = str(instance.user_data).encode()
    return base64.b64decode(data)


def _host(backend: Any, instance: Any) -> Host:
    key = backend.key_pairs.get(instance.key_name) if instance.key_name else None
    return Host(
        id=instance.id,
        state=instance.state,
        reboots=getattr(instance, "reboot_count", 0),
        region=backend.region_name,
        zone=instance.placement.zone,
        hostname=f"ip-{instance.nics[0].private_ip_address.replace('.', '-')}",
        interfaces=tuple(
            _interface(instance, index, nic) for index, nic in sorted(instance.nics.items())
        ),
        public_key=key.public_key.strip() if key else None,
        user_data=user_data_bytes(instance),
    )


def _interface(instance: Any, index: int, nic: Any) -> Interface:
    addresses = [entry["PrivateIpAddress"] for entry in nic.private_ip_addresses]
    return Interface(
        id=nic.id,
        mac=nic.mac_address,
        address=nic.private_ip_address,
        subnet_id=nic.subnet.id,
        vpc_id=nic.subnet.vpc_id,
        instance_id=instance.id,
        device_index=int(index),
        groups=tuple(sorted({group.id for group in nic.group_set})),
        secondary=tuple(sorted(set(addresses) - {nic.private_ip_address})),
        public=nic.public_ip,
        checked=bool(nic.source_dest_check),
    )


def _vpc(backend: Any, vpc_id: str, hosts: dict[str, Host]) -> Vpc:
    interfaces = [
        interface
        for host in hosts.values()
        for interface in host.interfaces
        if interface.vpc_id == vpc_id
    ]
    used = {interface.subnet_id for interface in interfaces}
    return Vpc(
        id=vpc_id,
        region=backend.region_name,
        subnets=tuple(
            Subnet(subnet.id, str(subnet.cidr), _routed(backend, subnet))
            for by_zone in backend.subnets.values()
            for subnet in by_zone.values()
            if subnet.id in used
        ),
        interfaces=tuple(sorted(interfaces, key=lambda each: each.id)),
        groups=tuple(
            Group(group.id, _rules(group.ingress_rules), _rules(group.egress_rules))
            for group in sorted(backend.groups.get(vpc_id, {}).values(), key=lambda each: each.id)
        ),
    )


def _routed(backend: Any, subnet: Any) -> bool:
    table = None
    for candidate in backend.route_tables.values():
        if candidate.vpc_id != subnet.vpc_id:
            continue
        if subnet.id in candidate._associations.values():
            table = candidate
            break
        if candidate.main_association_id:
            table = candidate
    if table is None:
        return False
    return any(
        route.destination_cidr_block == "0.0.0.0/0"
        and getattr(getattr(route.gateway, "vpc", None), "id", None) == subnet.vpc_id
        for route in table.routes
    )


def _rules(rules: Any) -> tuple[Rule, ...]:
    result = []
    for rule in rules:
        networks = (rule.cidr_ipv4,) if rule.cidr_ipv4 else ()
        group = rule.source_group.get("GroupId")
        if networks or group:
            result.append(
                Rule(
                    rule.ip_protocol or "-1",
                    rule.from_port,
                    rule.to_port,
                    networks,
                    (group,) if group else (),
                )
            )
    return tuple(result)
