"""The packet filter of a VPC's router: security groups, public addresses, no other way out.

Every interface of a host has a cable of its own to the router, so each packet between two hosts,
of one subnet too, is routed and meets these rules, with connection tracking.
"""

from __future__ import annotations

from cloud.names import UPLINK, cable_end
from cloud.wanted import Rule, Vpc

# Numbers and names that DescribeSecurityGroups answers with (IANA's protocol numbers).
_PROTOCOLS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}
_WITH_PORTS = ("tcp", "udp")


def ruleset(vpc: Vpc) -> str:
    """The whole rule set of a VPC as input of `nft -f`; it replaces the one before at once."""
    members: dict[str, set[str]] = {group.id: set() for group in vpc.groups}
    for each in vpc.interfaces:
        for group in each.groups:
            members.setdefault(group, set()).update(each.addresses)
    lines = ["table ip vpc", "delete table ip vpc", "table ip vpc {"]
    for group, addresses in sorted(members.items()):
        lines += _set(group, addresses)
    for group in vpc.groups:
        lines += _chain(f"out-{group.id}", [_match(rule, "daddr") for rule in group.egress])
        lines += _chain(f"in-{group.id}", [_match(rule, "saddr") for rule in group.ingress])
    for each in vpc.interfaces:
        end = cable_end(each.id)
        lines += _chain(f"from-{end}", [f"jump out-{group}" for group in each.groups] + ["drop"])
        lines += _chain(f"to-{end}", [f"jump in-{group}" for group in each.groups] + ["drop"])
    lines += _source_check(vpc)
    lines += _forward(vpc)
    lines += _translation(vpc)
    lines.append("}")
    return "\n".join(lines) + "\n"


def _set(group: str, addresses: set[str]) -> list[str]:
    body = [f"  set {group} {{", "    type ipv4_addr"]
    if addresses:
        body.append(f"    elements = {{ {', '.join(sorted(addresses))} }}")
    return [*body, "  }"]


def _chain(name: str, rules: list[str]) -> list[str]:
    body = [f"    {line}" for rule in rules for line in rule.splitlines()]
    return [f"  chain {name} {{", *body, "  }"]


def _match(rule: Rule, side: str) -> str:
    """The statements that accept what a rule allows, one for each network and group."""
    protocol = _PROTOCOLS.get(rule.protocol, rule.protocol)
    parts = ""
    if protocol in _WITH_PORTS:
        parts = f" {protocol} dport {_ports(rule)}"
    elif protocol == "icmp" and rule.from_port not in (None, -1):
        parts = f" icmp type {rule.from_port}"
    elif protocol != "-1":
        parts = f" ip protocol {protocol}"
    lines = [f"ip {side} {network}{parts} accept" for network in rule.networks]
    lines += [f"ip {side} @{group}{parts} accept" for group in rule.groups]
    return "\n".join(lines)


def _ports(rule: Rule) -> str:
    low, high = rule.from_port, rule.to_port
    if low in (None, -1):
        return "0-65535"
    return str(low) if low == high else f"{low}-{high}"


def _source_check(vpc: Vpc) -> list[str]:
    """An interface sends from its own addresses, on connections that are open, too.

    The chain is before those that let pass what belongs to a tracked connection.
    """
    lines, jumps = [], []
    for each in vpc.interfaces:
        if each.checked:
            end = cable_end(each.id)
            addresses = ", ".join(each.addresses)
            lines += _chain(f"own-{end}", [f"ip saddr != {{ {addresses} }} drop"])
            jumps.append(f'"{end}" : jump own-{end}')
    check = ["type filter hook forward priority -20; policy accept;"]
    if jumps:
        check.append(f"iifname vmap {{ {', '.join(jumps)} }}")
    return [*lines, *_chain("own", check)]


def _forward(vpc: Vpc) -> list[str]:
    """Both ends of a packet's way: what its sender may send, then what its receiver takes."""
    ends = [cable_end(each.id) for each in vpc.interfaces]
    tracked = ["ct state established,related accept", "ct state invalid drop"]
    leaving = [f'"{end}" : jump from-{end}' for end in ends]
    arriving = [f'"{end}" : jump to-{end}' for end in ends]
    outward = sorted(each.address for each in vpc.public().values())
    egress = [*tracked, f'iifname "{UPLINK}" accept']
    ingress = list(tracked)
    if ends:
        egress.append(f"iifname vmap {{ {', '.join(leaving)} }}")
        ingress.append(f"oifname vmap {{ {', '.join(arriving)} }}")
    if outward:
        ingress.append(f'oifname "{UPLINK}" ip saddr {{ {", ".join(outward)} }} accept')
    return [
        *_chain("egress", ["type filter hook forward priority -10; policy drop;", *egress]),
        *_chain("ingress", ["type filter hook forward priority 0; policy drop;", *ingress]),
    ]


def _translation(vpc: Vpc) -> list[str]:
    """One to one between public and private addresses, at the router's way out."""
    pairs = sorted((public, each.address) for public, each in vpc.public().items())
    inward = ["type nat hook prerouting priority dstnat;"]
    outward = ["type nat hook postrouting priority srcnat;"]
    if pairs:
        to_private = ", ".join(f"{public} : {private}" for public, private in pairs)
        to_public = ", ".join(f"{private} : {public}" for public, private in pairs)
        inward.append(f'iifname "{UPLINK}" dnat to ip daddr map {{ {to_private} }}')
        outward.append(f'oifname "{UPLINK}" snat to ip saddr map {{ {to_public} }}')
    return [*_chain("inward", inward), *_chain("outward", outward)]


CLOUD_RULES = """\
table ip cloud
delete table ip cloud
table ip cloud {
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "world0" oifname "v*" accept
    iifname "v*" oifname "v*" accept
  }
}
"""
"""Between VPCs only public addresses are routed; towards the operator only answers go."""
