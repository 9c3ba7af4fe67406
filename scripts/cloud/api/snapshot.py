"""What the API's state asks of the lab's networks and hosts."""

from __future__ import annotations

import base64
from typing import Any

from cloud.api import volumes as ebs
from cloud.names import host_name
from cloud.wanted import (
    Disk,
    Group,
    Host,
    Interface,
    Rule,
    Snapshot,
    Subnet,
    Volume,
    VolumeSnapshot,
    Vpc,
)


def take(backends: list[Any]) -> Snapshot:
    """Read moto's EC2 backends, one for each region, under the API's lock."""
    vpcs: dict[str, Vpc] = {}
    hosts: dict[str, Host] = {}
    volumes: dict[str, Volume] = {}
    volume_snapshots: dict[str, VolumeSnapshot] = {}
    for backend in backends:
        volumes |= {one.id: _volume(one) for one in ebs.blocks(backend)}
        volume_snapshots |= {
            one.id: VolumeSnapshot(one.id, one.volume_id, one.status == "pending")
            for one in backend.snapshots.values()
            if one.from_ami is None
        }
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
    return Snapshot(vpcs, hosts, volumes, volume_snapshots)


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
        hostname=host_name(instance.nics[0].private_ip_address),
        parts=(
            *(_interface(instance, index, nic) for index, nic in sorted(instance.nics.items())),
            *(
                Disk(volume.id, volume.attachment.device)
                for volume in ebs.blocks(backend)
                if ebs.belongs_in(volume, instance)
            ),
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


def _volume(volume: Any) -> Volume:
    attachment = volume.attachment
    return Volume(
        id=volume.id,
        gib=int(volume.size),
        snapshot_id=volume.snapshot_id,
        state=volume.status,
        modifying=ebs.modifying(volume),
        instance_id=attachment.instance.id if attachment else None,
        attachment=attachment.status if attachment else None,
        forced=bool(attachment and getattr(attachment, "forced", False)),
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
