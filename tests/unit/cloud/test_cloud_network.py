"""What the routers are told: packet filter, DHCP, names; and the snapshot behind it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cloud.names import Names, cable_end, guest_interface, vpc_link
from cloud.network import firewall, namespaces, resolver
from cloud.network.router import Routers
from cloud.wanted import Group, Interface, Rule, Subnet, Vpc

pytestmark = pytest.mark.unit

NODE_1 = Interface(
    "eni-00000000000000001", "02:00:00:00:00:01", "192.168.100.10", "subnet-1", "vpc-1", "i-1", 0,
    ("sg-client",), public="203.0.113.1",
)  # fmt: skip
NODE_2 = Interface(
    "eni-00000000000000002", "02:00:00:00:00:02", "192.168.100.11", "subnet-1", "vpc-1", "i-2", 1,
    ("sg-client",), checked=False,
)  # fmt: skip
SSH = Rule("tcp", 22, 22, ("198.51.100.0/24",))
MYSQL = Rule("tcp", 3306, 3306, (), ("sg-client",))
ANY = Rule("-1", None, None, ("0.0.0.0/0",))


def vpc(routed: bool = True) -> Vpc:
    return Vpc(
        "vpc-1",
        "eu-central-1",
        (Subnet("subnet-1", "192.168.100.0/24", routed),),
        (NODE_1, NODE_2),
        (Group("sg-client", (SSH, MYSQL), (ANY,)),),
    )


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_a_groups_rules_become_accepting_lines() -> None:
    rules = lines(firewall.ruleset(vpc()))
    assert "ip saddr 198.51.100.0/24 tcp dport 22 accept" in rules
    assert "ip saddr @sg-client tcp dport 3306 accept" in rules
    assert "ip daddr 0.0.0.0/0 accept" in rules
    assert "elements = { 192.168.100.10, 192.168.100.11 }" in rules


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule("udp", 100, 200, ("10.0.0.0/8",)), "ip saddr 10.0.0.0/8 udp dport 100-200 accept"),
        (Rule("icmp", -1, -1, ("10.0.0.0/8",)), "ip saddr 10.0.0.0/8 ip protocol icmp accept"),
        (Rule("icmp", 8, -1, ("10.0.0.0/8",)), "ip saddr 10.0.0.0/8 icmp type 8 accept"),
        (Rule("50", None, None, ("10.0.0.0/8",)), "ip saddr 10.0.0.0/8 ip protocol 50 accept"),
        (Rule("6", 1, 1, ("10.0.0.0/8",)), "ip saddr 10.0.0.0/8 tcp dport 1 accept"),
    ],
)
def test_every_kind_of_rule_has_its_line(rule: Rule, expected: str) -> None:
    made = Vpc("vpc-1", "r", (), (), (Group("sg-1", (rule,)),))
    assert expected in lines(firewall.ruleset(made))


def test_what_no_rule_allows_is_dropped_at_both_ends() -> None:
    text = firewall.ruleset(vpc())
    for each in (NODE_1, NODE_2):
        for way in ("from", "to"):
            body = text.partition(f"chain {way}-{cable_end(each.id)} {{")[2].partition("}\n")[0]
            assert body.split()[-1] == "drop"
    assert text.count("policy drop") == 2


def test_a_checked_interface_sends_from_its_own_addresses_only() -> None:
    text = firewall.ruleset(vpc())
    assert "ip saddr != { 192.168.100.10 } drop" in text
    assert "ip saddr != { 192.168.100.11 } drop" not in text


def test_a_public_address_counts_only_with_a_route_to_a_gateway() -> None:
    assert "dnat to ip daddr map { 203.0.113.1 : 192.168.100.10 }" in firewall.ruleset(vpc())
    assert "203.0.113.1" not in firewall.ruleset(vpc(routed=False))


@pytest.mark.parametrize("routed", [True, False])
def test_nft_takes_the_rules(routed: bool, tmp_path: Path) -> None:
    nft = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert nft, "nft is missing: apt-get install nftables"
    file = tmp_path / "rules"
    file.write_text(firewall.ruleset(vpc(routed)) + firewall.CLOUD_RULES)
    # A user and network namespace of its own: nothing of the machine is asked or changed.
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", nft, "-c", "-f", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_dhcp_gives_every_interface_its_address_and_the_router_of_its_subnet() -> None:
    hosts = lines(resolver.dhcp_hosts(vpc()))
    assert hosts == [
        "02:00:00:00:00:01,192.168.100.10",
        "02:00:00:00:00:02,192.168.100.11",
    ]
    config = lines(resolver.vpc_config(vpc(), {"a.example"}, Path("/x")))
    assert "dhcp-option=tag:subnet-1,option:router,192.168.100.1" in config
    assert "dhcp-range=set:subnet-1,192.168.100.0,static,255.255.255.0,3600" in config


def test_only_aws_and_the_mirror_have_names() -> None:
    assert resolver.names({"b.example", "a.example"}) == [
        "address=/amazonaws.com/192.0.2.10",
        "address=/a.example/192.0.2.20",
        "address=/b.example/192.0.2.20",
        "address=/#/",
    ]


def test_hosts_have_the_private_names_of_ec2() -> None:
    assert resolver.hosts(vpc()).splitlines()[0] == (
        "192.168.100.10 ip-192-168-100-10.eu-central-1.compute.internal ip-192-168-100-10"
    )
    assert resolver.domain("us-east-1") == "ec2.internal"


@pytest.mark.parametrize("config", ["vpc", "world"])
def test_dnsmasq_takes_the_configuration(config: str, tmp_path: Path) -> None:
    dnsmasq = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin")
    assert dnsmasq, "dnsmasq is missing: apt-get install dnsmasq-base"
    text = {
        "vpc": resolver.vpc_config(vpc(), {"a.example"}, tmp_path),
        "world": resolver.world_config({"a.example"}, tmp_path),
    }[config]
    file = tmp_path / "dnsmasq.conf"
    file.write_text(text)
    done = subprocess.run(
        [dnsmasq, "--test", f"--conf-file={file}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_names_fit_and_differ_between_labs(tmp_path: Path) -> None:
    one, two = Names.of(tmp_path / "one"), Names.of(tmp_path / "two")
    assert one.cloud != two.cloud
    assert one.host("i-0123456789abcdef0") == f"mr{one.lab}-9abcdef0"
    assert len(cable_end("eni-0123456789abcdef0")) <= 15
    assert len(vpc_link("vpc-0123456789abcdef0")) <= 15
    assert [guest_interface(index) for index in (0, 1)] == ["ens5", "ens6"]


def test_the_snapshot_tells_what_the_api_asks_for(
    cloud: Any, ec2: Any, network: Any, make_network: Any
) -> None:
    network.route_out()
    other = make_network("10.10.1.0/24")
    group = network.group("client")
    permission = {
        "IpProtocol": "tcp", "FromPort": 3306, "ToPort": 3306,
        "UserIdGroupPairs": [{"GroupId": group}],
    }  # fmt: skip
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    client = network.interface("192.168.100.10", [group])
    replication = other.interface("10.10.1.10")
    allocation = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=allocation["AllocationId"], NetworkInterfaceId=client)
    instance = network.run(client, UserData="#!/bin/sh\n")
    ec2.attach_network_interface(InstanceId=instance, NetworkInterfaceId=replication, DeviceIndex=1)
    ec2.reboot_instances(InstanceIds=[instance])

    snapshot = cloud.api.snapshot()
    host = snapshot.hosts[instance]
    assert (host.state, host.reboots, host.hostname) == ("pending", 1, "ip-192-168-100-10")
    assert host.user_data == b"#!/bin/sh\n"
    assert [(each.id, each.device_index) for each in host.interfaces] == [
        (client, 0),
        (replication, 1),
    ]
    assert set(snapshot.vpcs) == {network.vpc, other.vpc}
    client_vpc, replication_vpc = snapshot.vpcs[network.vpc], snapshot.vpcs[other.vpc]
    assert list(client_vpc.public()) == [allocation["PublicIp"]]
    assert not replication_vpc.subnets[0].routed
    rules = {each.id: each for each in client_vpc.groups}[group]
    assert rules.ingress == (Rule("tcp", 3306, 3306, (), (group,)),)
    assert [rule.networks for rule in rules.egress] == [("0.0.0.0/0",)]


def test_a_gateway_that_is_detached_routes_nothing(cloud: Any, ec2: Any, network: Any) -> None:
    gateway = network.route_out()
    network.run(network.interface())
    assert cloud.api.snapshot().vpcs[network.vpc].subnets[0].routed
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=network.vpc)
    assert not cloud.api.snapshot().vpcs[network.vpc].subnets[0].routed


def test_the_source_check_is_before_what_connection_tracking_lets_pass() -> None:
    text = firewall.ruleset(vpc())
    chains = {
        chain: text.partition(f"chain {chain} {{")[2].partition("}\n  ")[0]
        for chain in ("own", "egress")
    }
    (own,), (egress,) = (re.findall(r"priority (-?\d+)", chains[each]) for each in chains)
    assert int(own) < int(egress)
    assert "ct state" not in chains["own"]
    assert f'"{cable_end(NODE_1.id)}" : jump own-{cable_end(NODE_1.id)}' in chains["own"]
    assert cable_end(NODE_2.id) not in chains["own"]
    assert "saddr !=" not in chains["egress"].partition("chain own")[0]


@pytest.fixture
def plugged(kernel: Any) -> Routers:
    """The routers of a VPC whose two interfaces are plugged in; all asked so far is forgotten."""
    routers = Routers(Names("abcdef"))
    routers.add_missing(vpc())
    routers.apply(vpc())
    for each in vpc().interfaces:
        routers.plug(each, "mrabcdef-host", vpc())
    kernel.asked.clear()
    return routers


ROUTER, CLOUD = Names("abcdef").vpc("vpc-1"), Names("abcdef").cloud
ONE, TWO = (cable_end(each.id) for each in (NODE_1, NODE_2))


def holding(one: tuple[str, ...] = (), two: tuple[str, ...] = ()) -> Vpc:
    interfaces = (replace(NODE_1, secondary=one), replace(NODE_2, secondary=two))
    return replace(vpc(), interfaces=interfaces)


VIP = "192.168.100.50"


def test_an_interface_is_reached_from_when_it_is_plugged_in(kernel: Any) -> None:
    routers = Routers(Names("abcdef"))
    routers.add_missing(vpc())
    routers.apply(vpc())
    assert kernel.routes(ROUTER)[1:] == ["route replace unreachable 192.168.100.0/24"]
    routers.plug(NODE_1, "mrabcdef-host", vpc())
    assert kernel.routes(ROUTER) == [f"route replace 192.168.100.10/32 dev {ONE}"]


def test_the_router_follows_an_address_that_a_plugged_interface_gets_hands_on_and_loses(
    kernel: Any, plugged: Routers
) -> None:
    plugged.apply(holding(one=(VIP,)))
    assert kernel.routes(ROUTER) == [f"route replace {VIP}/32 dev {ONE}"]
    plugged.apply(holding(two=(VIP,)))
    assert kernel.routes(ROUTER) == [f"route replace {VIP}/32 dev {TWO}"]
    plugged.apply(holding())
    assert kernel.routes(ROUTER) == [f"route flush exact {VIP}/32"]
    plugged.apply(holding())
    assert kernel.routes(ROUTER) == []


def test_a_cable_that_is_laid_anew_has_its_routes_again(kernel: Any, plugged: Routers) -> None:
    plugged.apply(holding(one=(VIP,)))
    plugged.unplug(NODE_1.id)
    kernel.asked.clear()
    plugged.plug(NODE_1, "mrabcdef-host", holding(one=(VIP,)))
    assert kernel.routes(ROUTER) == [
        f"route replace 192.168.100.10/32 dev {ONE}",
        f"route replace {VIP}/32 dev {ONE}",
    ]


def test_a_cable_that_was_laid_by_half_is_taken_away_for_the_next_attempt(
    kernel: Any, plugged: Routers, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged.unplug(NODE_1.id)
    laid = namespaces.link

    def fail(namespace: str, commands: list[str]) -> None:
        laid(namespace, commands[:1])
        if commands[0].startswith("link add"):
            raise namespaces.CommandFailed("address add: no memory")

    monkeypatch.setattr(namespaces, "link", fail)
    with pytest.raises(namespaces.CommandFailed, match="no memory"):
        plugged.plug(NODE_1, "mrabcdef-host", vpc())
    assert ONE not in kernel.there
    kernel.asked.clear()
    monkeypatch.setattr(namespaces, "link", laid)
    plugged.plug(NODE_1, "mrabcdef-host", vpc())
    assert kernel.routes(ROUTER) == [f"route replace 192.168.100.10/32 dev {ONE}"]


def test_an_address_without_a_cable_is_unreachable(kernel: Any, plugged: Routers) -> None:
    plugged.unplug(NODE_1.id)
    kernel.asked.clear()
    plugged.apply(holding(one=(VIP,)))
    assert kernel.routes(ROUTER) == []


def test_a_change_of_routes_that_failed_is_tried_again(
    kernel: Any, plugged: Routers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise namespaces.CommandFailed("no")

    with monkeypatch.context() as broken:
        broken.setattr(namespaces, "link", fail)
        with pytest.raises(namespaces.CommandFailed):
            plugged.apply(holding(one=(VIP,)))
    plugged.apply(holding(one=(VIP,)))
    assert kernel.routes(ROUTER) == [f"route replace {VIP}/32 dev {ONE}"]


def test_the_cloud_leads_public_addresses_to_the_router_that_has_them(
    kernel: Any, plugged: Routers
) -> None:
    plugged.apply(replace(vpc(), interfaces=(replace(NODE_1, public=None), NODE_2)))
    assert kernel.routes(CLOUD) == ["route flush exact 203.0.113.1/32"]
    plugged.apply(vpc())
    (route,) = kernel.routes(CLOUD)
    assert route == f"route replace 203.0.113.1/32 via 100.64.0.2 dev {vpc_link('vpc-1')}"
