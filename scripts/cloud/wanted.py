"""What is asked of the lab's networks and hosts, as plain values."""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol

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


class Part(Protocol):
    """What can be put into a host and taken out of it while it runs."""

    @property
    def id(self) -> str: ...

    @property
    def mark(self) -> Hashable:
        """As long as it is the same the part stays where it is; otherwise it is put in anew."""
        ...


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
    def mark(self) -> Hashable:
        return self.device_index

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.address, *self.secondary)


@dataclass(frozen=True)
class Disk:
    """A volume that is attached to an instance."""

    id: str
    """The volume's."""
    device: str
    """The name that the call gave it. The host has another one, see hosts/disks.py."""

    @property
    def mark(self) -> Hashable:
        return self.device


@dataclass(frozen=True)
class Volume:
    """An EBS volume, the root volumes of instances aside: those are the hosts' folders."""

    id: str
    gib: int
    snapshot_id: str | None = None
    """What its bytes were when it was made."""
    state: str = "available"
    modifying: bool = False
    instance_id: str | None = None
    """The instance that it is attached to, on its way there, or on its way out."""
    attachment: str | None = None
    """attaching, attached, detaching or busy."""
    forced: bool = False
    """It is to be taken out whoever uses it."""


@dataclass(frozen=True)
class VolumeSnapshot:
    id: str
    volume_id: str
    pending: bool = False


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

    @property
    def netmask(self) -> str:
        return str(ipaddress.ip_network(self.network).netmask)


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
    parts: tuple[Part, ...]
    public_key: str | None = None
    user_data: bytes = field(default=b"", repr=False)

    @property
    def wanted(self) -> bool:
        return self.state in RUNNING_STATES

    @property
    def fittings(self) -> dict[str, Part]:
        """The parts by their identifiers."""
        return {part.id: part for part in self.parts}

    @property
    def interfaces(self) -> list[Interface]:
        """In the order of their device indexes."""
        found = [part for part in self.parts if isinstance(part, Interface)]
        return sorted(found, key=lambda interface: interface.device_index)


@dataclass(frozen=True)
class Snapshot:
    vpcs: dict[str, Vpc]
    hosts: dict[str, Host]
    volumes: dict[str, Volume] = field(default_factory=dict)
    volume_snapshots: dict[str, VolumeSnapshot] = field(default_factory=dict)
