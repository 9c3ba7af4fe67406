"""Routers: the cloud's own namespace, the world beside it, one namespace for each VPC in use.

A VPC's router has a cable to every interface of its hosts. The cables share the subnet's gateway
address; the router answers ARP for the neighbours (proxy ARP), so that hosts of one subnet reach
each other as on one network while every packet passes the router's filter.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from cloud.names import (
    API_ADDRESS,
    HOST_DNS_ADDRESS,
    METADATA_ADDRESS,
    MIRROR_ADDRESS,
    PUBLIC_NETWORK,
    UPLINK,
    WORLD_ADDRESS,
    WORLD_DNS_ADDRESS,
    WORLD_GATEWAY,
    WORLD_INTERFACE,
    WORLD_PREFIX,
    Names,
    cable_end,
    guest_interface,
    vpc_link,
)
from cloud.network import firewall, namespaces
from cloud.wanted import Interface, Snapshot, Vpc

log = logging.getLogger("cloud.network")

NO_IPV6 = {"ipv6.conf.all.disable_ipv6": "1", "ipv6.conf.default.disable_ipv6": "1"}
ROUTING = {
    **NO_IPV6,
    "ipv4.ip_forward": "1",
    "ipv4.conf.all.rp_filter": "0",
    "ipv4.conf.default.rp_filter": "0",
}
LINKS = ipaddress.ip_network("100.64.0.0/16")
"""Addresses of the cables between the cloud and the VPCs' routers (shared space, RFC 6598)."""


def make_cloud(names: Names) -> None:
    """Make the cloud's namespace and the world, joined by a cable."""
    namespaces.create(names.cloud, ROUTING)
    namespaces.create(names.world, NO_IPV6)
    services = (API_ADDRESS, MIRROR_ADDRESS, WORLD_DNS_ADDRESS)
    namespaces.link(
        names.cloud,
        [
            *(f"address add {address}/32 dev lo" for address in services),
            f"link add {WORLD_INTERFACE} type veth peer name eth0 netns {names.world}",
            f"address add {WORLD_GATEWAY}/{WORLD_PREFIX} dev {WORLD_INTERFACE}",
            f"link set {WORLD_INTERFACE} up",
            # A public address that nobody has: an error at once, rather than a packet in circles.
            f"route add unreachable {PUBLIC_NETWORK}",
        ],
    )
    namespaces.link(
        names.world,
        [
            f"address add {WORLD_ADDRESS}/{WORLD_PREFIX} dev eth0",
            "link set eth0 up",
            f"route add default via {WORLD_GATEWAY}",
        ],
    )
    namespaces.run_inside(names.cloud, ["nft", "-f", "-"], text=firewall.CLOUD_RULES)


@dataclass
class Router:
    """What the lab has made of a VPC so far."""

    vpc_id: str
    namespace: str
    link: int
    cables: dict[str, Interface] = field(default_factory=dict)
    """Cables that exist, by interface identifier."""
    rules: str = ""
    routes: Mapping[str, str] = field(default_factory=dict)
    public: Mapping[str, str] = field(default_factory=dict)
    """Routes of the cloud to the public addresses of the VPC."""

    @property
    def near(self) -> str:
        return str(LINKS[4 * self.link + 1])

    @property
    def far(self) -> str:
        return str(LINKS[4 * self.link + 2])


def routes(vpc: Vpc, cables: Container[str]) -> dict[str, str]:
    """What a VPC's router routes: the text of each route by its network.

    A neighbour that does not exist gets no answer to ARP: the route to it says unreachable.
    """
    ways = {subnet.network: f"unreachable {subnet.network}" for subnet in vpc.subnets}
    for interface in vpc.interfaces:
        if interface.id in cables:
            for address in interface.addresses:
                ways[f"{address}/32"] = f"{address}/32 dev {cable_end(interface.id)}"
    return ways


def follow(namespace: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Change the routes of a namespace. A route that the kernel has dropped is no error."""
    namespaces.link(
        namespace,
        [
            *(f"route flush exact {network}" for network in sorted(before.keys() - after.keys())),
            *(
                f"route replace {after[key]}"
                for key in sorted(after)
                if after[key] != before.get(key)
            ),
        ],
    )


class Routers:
    """All VPC routers of a lab, and the differences to what the API asks for."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.routers: dict[str, Router] = {}

    def add_missing(self, vpc: Vpc) -> None:
        """Make a VPC's router unless it is there."""
        if vpc.id not in self.routers:
            self.routers[vpc.id] = self._make(vpc)

    def superfluous(self, snapshot: Snapshot) -> list[str]:
        """VPCs whose router has no cable and no host that wants one."""
        return [
            vpc_id
            for vpc_id, router in self.routers.items()
            if vpc_id not in snapshot.vpcs and not router.cables
        ]

    def remove(self, vpc_id: str) -> None:
        router = self.routers.pop(vpc_id)
        namespaces.delete(router.namespace)
        log.info("%s: router removed", vpc_id)

    def plug(self, each: Interface, host_namespace: str, vpc: Vpc) -> None:
        """Lay a cable from the router into a host's namespace."""
        router = self.routers[each.vpc_id]
        end = cable_end(each.id)
        guest = guest_interface(each.device_index)
        subnet = vpc.subnet(each.subnet_id)
        if each.id in router.cables:
            self.unplug(each.id)
        commands = [
            f"link add {end} type veth peer name {guest} netns {host_namespace} address {each.mac}",
            f"address add {subnet.gateway}/{subnet.prefix_length} dev {end} noprefixroute",
            f"address add {subnet.resolver}/32 dev {end}",
            f"link set {end} up",
        ]
        router.cables[each.id] = each
        try:
            namespaces.link(router.namespace, commands)
        except namespaces.CommandFailed:
            self.unplug(each.id)  # half of a cable would be in the way of the next attempt
            raise
        self._route(router, vpc)
        # An answer for a neighbour would be delayed by up to 0.8 s.
        settings = [f"net.ipv4.conf.{end}.proxy_arp=1", f"net.ipv4.neigh.{end}.proxy_delay=0"]
        namespaces.run_inside(router.namespace, ["sysctl", "-qw", *settings])
        log.info("%s: %s is %s at %s", each.instance_id, each.id, guest, each.address)

    def unplug(self, eni_id: str) -> None:
        """Take a cable away, at both ends."""
        for router in self.routers.values():
            cable = router.cables.pop(eni_id, None)
            if cable is None:
                continue
            end = cable_end(eni_id)
            if end in _links(router.namespace):
                namespaces.link(router.namespace, [f"link delete {end}"])
            # The kernel drops the routes of a link with it.
            router.routes = {
                network: route
                for network, route in router.routes.items()
                if not route.endswith(f" dev {end}")
            }
            log.info("%s: %s unplugged", cable.instance_id, eni_id)

    def forget(self, instance_id: str) -> None:
        """The namespace of a host is gone, and its ends of the cables with it."""
        for router in self.routers.values():
            for eni_id, cable in list(router.cables.items()):
                if cable.instance_id == instance_id:
                    self.unplug(eni_id)

    def apply(self, vpc: Vpc) -> None:
        """Bring filter and routes of a VPC to what the API asks for."""
        router = self.routers[vpc.id]
        text = firewall.ruleset(vpc)
        if text != router.rules:
            namespaces.run_inside(router.namespace, ["nft", "-f", "-"], text=text)
            if router.rules:
                log.info("%s: rules changed", vpc.id)
            router.rules = text
        self._route(router, vpc)
        way = f"via {router.far} dev {vpc_link(vpc.id)}"
        public = {f"{address}/32": f"{address}/32 {way}" for address in vpc.public()}
        if public != router.public:
            follow(self.names.cloud, router.public, public)
            router.public = public
            log.info("%s: public addresses %s", vpc.id, ", ".join(sorted(vpc.public())) or "none")

    def _route(self, router: Router, vpc: Vpc) -> None:
        wanted = routes(vpc, router.cables)
        follow(router.namespace, router.routes, wanted)
        router.routes = wanted

    def _make(self, vpc: Vpc) -> Router:
        used = {router.link for router in self.routers.values()}
        number = next(number for number in range(LINKS.num_addresses // 4) if number not in used)
        router = Router(vpc.id, self.names.vpc(vpc.id), number)
        namespaces.delete(router.namespace)
        namespaces.create(router.namespace, ROUTING)
        device = vpc_link(vpc.id)
        namespaces.link(
            self.names.cloud,
            [
                f"link add {device} type veth peer name {UPLINK} netns {router.namespace}",
                f"address add {router.near}/30 dev {device}",
                f"link set {device} up",
            ],
        )
        namespaces.link(
            router.namespace,
            [
                f"address add {METADATA_ADDRESS}/32 dev lo",
                f"address add {HOST_DNS_ADDRESS}/32 dev lo",
                f"address add {router.far}/30 dev {UPLINK}",
                f"link set {UPLINK} up",
                f"route add default via {router.near}",
            ],
        )
        log.info("%s: router made", vpc.id)
        return router


def _links(namespace: str) -> set[str]:
    text = namespaces.run(["ip", "-n", namespace, "-o", "link", "show"])
    return {line.split(": ")[1].split("@")[0] for line in text.splitlines()}
