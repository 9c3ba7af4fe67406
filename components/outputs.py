"""What a ring shows: all that it takes to attach to it, to log in and to connect."""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import pulumi

from components.settings import camel


@dataclass(frozen=True)
class RingNode:
    """One node: its addresses, and what it is in AWS. `ssh_host_key` is the public half."""

    client_address: str
    replication_address: str
    public_address: pulumi.Output[str]
    server_id: int
    ssh_host_key: pulumi.Output[str]
    known_hosts: pulumi.Output[str]
    """The line of a known_hosts file that has the host key."""
    ssh: pulumi.Output[str]
    """What logs in, with the key in `ring.key` and that line in `ring.known_hosts`."""
    instance_id: pulumi.Output[str]
    data_volume_id: pulumi.Output[str]
    client_interface_id: pulumi.Output[str]
    replication_interface_id: pulumi.Output[str]
    replication_security_group_id: pulumi.Output[str]
    role_name: pulumi.Output[str]
    role_arn: pulumi.Output[str]


@dataclass(frozen=True)
class RingNetwork:
    """Both networks, each a VPC with one subnet, in one zone. Between the subnets there is no way.
    Clients reach MySQL from the ranges in `client_ranges`, by the route table of their network."""

    availability_zone: pulumi.Output[str]
    client_cidr: str
    client_ranges: list[str]
    client_vpc_id: pulumi.Output[str]
    client_subnet_id: pulumi.Output[str]
    client_route_table_id: pulumi.Output[str]
    client_security_group_id: pulumi.Output[str]
    replication_cidr: str
    replication_vpc_id: pulumi.Output[str]
    replication_subnet_id: pulumi.Output[str]


@dataclass(frozen=True)
class RingBucket:
    """The bucket for binary logs and backups. Each node has the prefix `mysql/` and its name."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    region: pulumi.Output[str]


@dataclass(frozen=True)
class RingUsers:
    """The accounts that have a password in the output `passwords`, which has it by these names."""

    root: str
    replication: str
    application: list[str]


def registered(value: Any) -> Any:
    """A value as Pulumi registers and exports it: objects with the names that settings have."""
    if is_dataclass(value) and not isinstance(value, type):
        return {camel(each.name): registered(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {key: registered(each) for key, each in value.items()}
    return value
