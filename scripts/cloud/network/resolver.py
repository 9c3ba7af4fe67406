"""Configuration of dnsmasq: DHCP and names for the hosts of a VPC, names for the world."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cloud.names import (
    API_ADDRESS,
    HOST_DNS_ADDRESS,
    MIRROR_ADDRESS,
    WORLD_DNS_ADDRESS,
    domain,
    host_name,
    private_name,
)
from cloud.wanted import Vpc

LEASE_SECONDS = 3600

_COMMON = [
    "keep-in-foreground",
    "no-resolv",
    "no-hosts",
    "no-poll",
    "bind-dynamic",
    "user=root",
    "log-facility=-",
    "quiet-dhcp",
    "local-ttl=5",
]


def names(mirrored: Iterable[str]) -> list[str]:
    """The names that exist in the lab; every other name gets the answer that it does not."""
    return [
        f"address=/amazonaws.com/{API_ADDRESS}",
        *(f"address=/{name}/{MIRROR_ADDRESS}" for name in sorted(mirrored)),
        "address=/#/",
    ]


def world_config(mirrored: Iterable[str], folder: Path) -> str:
    lines = [
        *_COMMON,
        f"pid-file={folder / 'pid'}",
        f"listen-address={WORLD_DNS_ADDRESS}",
        *names(mirrored),
    ]
    return "\n".join(lines) + "\n"


def vpc_config(vpc: Vpc, mirrored: Iterable[str], folder: Path) -> str:
    """Changes only with the subnets and cables of a VPC; hosts are in files of their own."""
    lines = [
        *_COMMON,
        f"pid-file={folder / 'pid'}",
        f"listen-address={HOST_DNS_ADDRESS}",
        "interface=e*",
        "dhcp-authoritative",
        "no-ping",
        "dhcp-rapid-commit",
        f"dhcp-leasefile={folder / 'leases'}",
        f"dhcp-hostsfile={folder / 'dhcp-hosts'}",
        f"addn-hosts={folder / 'hosts'}",
        f"domain={domain(vpc.region)}",
    ]
    for subnet in vpc.subnets:
        tag = subnet.id
        base = subnet.network.split("/")[0]
        lines += [
            f"dhcp-range=set:{tag},{base},static,{subnet.netmask},{LEASE_SECONDS}",
            f"dhcp-option=tag:{tag},option:router,{subnet.gateway}",
            f"dhcp-option=tag:{tag},option:dns-server,{subnet.resolver}",
        ]
    return "\n".join([*lines, *names(mirrored)]) + "\n"


def dhcp_hosts(vpc: Vpc) -> str:
    return "".join(f"{each.mac},{each.address}\n" for each in vpc.interfaces)


def hosts(vpc: Vpc) -> str:
    """Private names of the hosts, as EC2 gives them: ip-192-168-100-10.REGION.compute.internal."""
    lines = []
    for each in vpc.interfaces:
        full = private_name(each.address, vpc.region)
        lines.append(f"{each.address} {full} {host_name(each.address)}\n")
    return "".join(lines)
