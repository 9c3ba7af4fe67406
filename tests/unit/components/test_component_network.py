"""The two networks: what may reach what, and how interfaces and addresses hang together."""

import pytest
from conftest import ADMIN, ring_args, stand_up
from recording import Recorded, attempt, run

from components.problems import SettingsError
from components.ring import Ring

pytestmark = pytest.mark.unit

Rule = tuple[str, str, int, int, str]
# Replication, and a copy of the data, each way to the other node's address alone.
BETWEEN_THE_NODES: set[Rule] = {
    (f"ring-network-{node}-replication-group", "tcp", port, port, f"{peer}/32")
    for node, peer in (("node-1", "10.10.1.11"), ("node-2", "10.10.1.10"))
    for port in (3306, 3307)
}


def rules(ring: Recorded, kind: str) -> set[Rule]:
    return {
        (
            rule.inputs["securityGroupId"].removesuffix("-id"),
            rule.inputs["ipProtocol"],
            int(rule.inputs["fromPort"]),
            int(rule.inputs["toPort"]),
            rule.inputs["cidrIpv4"],
        )
        for rule in ring.of_type(f":SecurityGroup{kind}Rule")
    }


def test_nothing_but_these_connections_is_let_in(ring: Recorded) -> None:
    assert rules(ring, "Ingress") == {
        ("ring-network-client-group", "tcp", 3306, 3306, "192.168.100.0/24"),
        ("ring-network-client-group", "tcp", 22, 22, ADMIN),
        *BETWEEN_THE_NODES,
    }


def test_nothing_but_these_connections_is_let_out(ring: Recorded) -> None:
    assert rules(ring, "Egress") == {
        ("ring-network-client-group", "tcp", 80, 80, "0.0.0.0/0"),
        ("ring-network-client-group", "tcp", 443, 443, "0.0.0.0/0"),
        *BETWEEN_THE_NODES,
    }


def test_no_security_group_carries_rules_of_its_own(ring: Recorded) -> None:
    for group in ring.of_type(":SecurityGroup"):
        assert not {"ingress", "egress"} & set(group.inputs)


def test_each_operator_range_gets_a_rule_of_its_own() -> None:
    both = stand_up(admin_cidrs=[ADMIN, "203.0.113.7/32"])
    ssh = {rule[4] for rule in rules(both, "Ingress") if rule[2] == 22}
    assert ssh == {ADMIN, "203.0.113.7/32"}


def test_mysql_is_open_to_the_client_ranges_and_to_no_other() -> None:
    other = stand_up(client_ranges=["10.40.0.0/16", "10.50.7.64/26"])
    mysql = {rule for rule in rules(other, "Ingress") if rule[2] == 3306} - BETWEEN_THE_NODES
    assert mysql == {
        ("ring-network-client-group", "tcp", 3306, 3306, "10.40.0.0/16"),
        ("ring-network-client-group", "tcp", 3306, 3306, "10.50.7.64/26"),
    }
    assert other.outputs["network"][0]["clientRanges"] == ["10.40.0.0/16", "10.50.7.64/26"]


def test_the_networks_are_two_vpcs_with_one_subnet_each_in_one_zone(ring: Recorded) -> None:
    vpcs = {each.name: each.inputs["cidrBlock"] for each in ring.of_type(":Vpc")}
    assert vpcs == {
        "ring-network-client-vpc": "192.168.100.0/24",
        "ring-network-replication-vpc": "10.10.1.0/24",
    }
    subnets = ring.of_type(":Subnet")
    assert {each.inputs["vpcId"] for each in subnets} == {f"{name}-id" for name in vpcs}
    assert {each.inputs["availabilityZone"] for each in subnets} == {"eu-central-1a"}


def test_a_zone_of_the_settings_is_used() -> None:
    moved = stand_up(availability_zone="eu-central-1c")
    zones = {each.inputs["availabilityZone"] for each in moved.of_type(":Subnet")}
    assert zones == {"eu-central-1c"}


def test_a_zone_that_lacks_the_instance_type_is_passed_over() -> None:
    program = lambda: Ring("ring", ring_args()).outputs  # noqa: E731
    offering = {"m6i.large": ["eu-central-1c", "eu-central-1b"]}
    ring = run(program, offering=offering)
    placed = [*ring.of_type(":Subnet"), *ring.of_type(":Volume")]
    assert {each.inputs["availabilityZone"] for each in placed} == {"eu-central-1b"}
    assert {each.inputs["instanceType"] for each in ring.of_type(":Instance")} == {"m6i.large"}


@pytest.mark.parametrize("zone", ["", "eu-central-1a"])
def test_a_type_that_no_zone_to_choose_has_is_refused_before_there_is_a_host(zone: str) -> None:
    program = lambda: Ring("ring", ring_args(availability_zone=zone)).outputs  # noqa: E731
    made, error = attempt(program, offering={"m6i.large": ["eu-central-1c"]})
    assert isinstance(error, SettingsError)
    (problem,) = error.problems
    zones = zone or "eu-central-1a or eu-central-1b"
    assert (problem.setting, problem.found) == ("instanceType", "'m6i.large'")
    assert problem.expected == f"a type that {zones} has; eu-central-1c have it"
    assert not [each for each in made.resources if each.type.endswith(":Instance")]
    _, none = attempt(program, offering={"m6i.large": []})
    assert f"expected a type that {zones} has\n" in str(none)


def test_only_the_client_network_has_a_way_out(ring: Recorded) -> None:
    assert [each.inputs["vpcId"] for each in ring.of_type(":InternetGateway")] == [
        "ring-network-client-vpc-id"
    ]
    assert [each.inputs["subnetId"] for each in ring.of_type(":RouteTableAssociation")] == [
        "ring-network-client-subnet-id"
    ]


def test_what_goes_to_s3_from_the_client_network_does_not_leave_awss(ring: Recorded) -> None:
    (endpoint,) = ring.of_type(":VpcEndpoint")
    inputs = {name: value for name, value in endpoint.inputs.items() if name != "tags"}
    assert inputs == {
        "serviceName": "com.amazonaws.eu-central-1.s3",
        "vpcEndpointType": "Gateway",
        "vpcId": "ring-network-client-vpc-id",
        "routeTableIds": ["ring-network-routes-id"],
    }


@pytest.mark.parametrize(("node", "last"), [("node-1", "10"), ("node-2", "11")])
def test_each_interface_has_its_fixed_address_and_the_groups_of_its_network(
    ring: Recorded, node: str, last: str
) -> None:
    client = ring.named(f"ring-{node}-client-interface").inputs
    assert client["privateIps"] == [f"192.168.100.{last}"]
    assert client["subnetId"] == "ring-network-client-subnet-id"
    assert client["securityGroups"] == ["ring-network-client-group-id"]
    replication = ring.named(f"ring-{node}-replication-interface").inputs
    assert replication["privateIps"] == [f"10.10.1.{last}"]
    assert replication["subnetId"] == "ring-network-replication-subnet-id"
    assert replication["securityGroups"] == [f"ring-network-{node}-replication-group-id"]


def test_the_public_address_belongs_to_the_client_interface(ring: Recorded) -> None:
    association = ring.named("ring-node-1-public-address-association").inputs
    assert association["networkInterfaceId"] == "ring-node-1-client-interface-id"
    assert "instanceId" not in association


def test_first_boot_has_a_way_out(ring: Recorded) -> None:
    assert {
        "ring-network-gateway",
        "ring-network-default-route",
        "ring-network-client-routes",
        "ring-network-client-https",
        "ring-node-1-public-address-association",
    } <= ring.before("ring-node-1-instance")


def test_the_replication_interface_joins_a_launched_instance(ring: Recorded) -> None:
    attachment = ring.named("ring-node-1-replication-attachment")
    assert attachment.inputs["deviceIndex"] == 1
    assert attachment.inputs["instanceId"] == "ring-node-1-instance-id"
    assert attachment.inputs["networkInterfaceId"] == "ring-node-1-replication-interface-id"


@pytest.mark.parametrize(
    "name",
    [
        "ring-node-1-client-interface",
        "ring-node-1-replication-interface",
        "ring-node-1-instance",
        "ring-node-1-replication-attachment",
        "ring-node-1-public-address-association",
    ],
)
def test_what_holds_a_fixed_address_is_deleted_before_it_is_replaced(
    ring: Recorded, name: str
) -> None:
    assert ring.named(name).delete_before_replace
