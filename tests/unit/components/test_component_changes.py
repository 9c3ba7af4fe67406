"""What a standing ring cannot take, decided from what stands and the settings."""

import json
from dataclasses import replace
from typing import Any

import pulumi
import pytest
import recording
from conftest import configured, ring_args
from recording import Recorded, answering

from components.changes import changes
from components.first_boot import address_in, user_data
from components.mysql.configuration import render, template
from components.problems import SettingsError
from components.ring import Ring
from components.settings import ARTICLE_NODES, NodeSettings, RingArgs
from components.standing import (
    INSTANCE,
    INTERFACE,
    STATE,
    STEP,
    SUBNET,
    VOLUME,
    VPC,
    Standing,
    StandingNode,
    read_standing,
    standing,
)

pytestmark = pytest.mark.unit

REGION = "eu-central-1"


def stands(node: NodeSettings, **changed: Any) -> StandingNode:
    """The node as a finished update leaves it."""
    whole = StandingNode(
        name=node.name,
        instance=True,
        seeded=True,
        instance_type="m6i.large",
        client_address=node.client_address,
        replication_interface=f"{node.replication_address}/24",
        root_volume_gib=20,
        data_volume_gib=20,
        data_volume_id=f"ring-{node.name}-data-volume-id",
        my_cnf=render(template(), node, {}),
    )
    return replace(whole, **changed)


ONE, TWO = (stands(node) for node in ARTICLE_NODES)
RING = Standing("192.168.100.0/24", "eu-central-1a", (ONE, TWO))
WITHOUT = {
    "instance": False,
    "seeded": False,
    "client_address": None,
    "root_volume_gib": None,
    "data_volume_gib": None,
}
UNBORN = replace(RING, nodes=(replace(ONE, **WITHOUT), replace(TWO, **WITHOUT)))
LOST_RING = replace(
    RING, nodes=(replace(ONE, data_volume_gib=None), replace(TWO, data_volume_gib=None))
)
YOUNG = replace(RING, nodes=(replace(ONE, seeded=False), replace(TWO, seeded=False)))

MOVED_CLIENTS = {
    "client_cidr": "192.168.7.0/24",
    "nodes": [
        replace(node, client_address=node.client_address.replace(".100.", ".7."))
        for node in ARTICLE_NODES
    ],
}
MOVED_REPLICATION = {
    "replication_cidr": "10.10.7.0/24",
    "nodes": [
        replace(node, replication_address=node.replication_address.replace(".1.", ".7."))
        for node in ARTICLE_NODES
    ],
}


def nodes(first: dict[str, Any] | None = None, second: dict[str, Any] | None = None) -> Any:
    one, two = ARTICLE_NODES
    return {"nodes": [replace(one, **(first or {})), replace(two, **(second or {}))]}


def refused(
    what: dict[str, Any], on: Standing = RING, region: str | None = REGION
) -> dict[str, str]:
    settings = RingArgs(**{"admin_cidrs": ["198.51.100.0/24"], **what})
    return {problem.setting: str(problem) for problem in changes(on, settings, region)}


@pytest.mark.parametrize(
    ("what", "setting", "stood", "next_step"),
    [
        ({"availability_zone": "eu-central-1b"}, "availabilityZone", "eu-central-1a", "dump"),
        (nodes(None, {"server_id": 7}), "nodes[1].serverId", "expected 2", "dump the data"),
        (nodes({"name": "db-1"}), "nodes.name", "node-1", "dump the data"),
        ({"root_volume_gib": 19}, "rootVolumeGib", "at least 20", "never shrinks"),
        ({"data_volume_gib": 19}, "dataVolumeGib", "at least 20", "never shrinks"),
    ],
)
def test_a_change_that_a_ring_cannot_take_names_what_stands_and_the_next_step(
    what: dict[str, Any], setting: str, stood: str, next_step: str
) -> None:
    found = refused(what)
    assert set(found) == {setting}
    assert stood in found[setting]
    assert next_step in found[setting]


def test_the_rings_own_bucket_is_not_left_for_another_one() -> None:
    on = replace(RING, bucket="ring-bucket-store-7")
    found = refused({"bucket_name": "logs-of-mine"}, on)
    assert set(found) == {"bucketName"}
    assert "ring-bucket-store-7" in found["bucketName"]
    assert refused({}, on) == {}
    assert refused({"bucket_name": "logs-of-mine"}) == {}


def test_another_region_is_refused_wherever_something_stands() -> None:
    for standing_now in (RING, UNBORN):
        assert set(refused({}, standing_now, "us-east-1")) == {"aws:region"}
    assert refused({}, RING, None) == {}


def test_offsets_that_change_places_are_refused_on_both() -> None:
    found = refused(nodes({"auto_increment_offset": 2}, {"auto_increment_offset": 1}))
    assert set(found) == {"nodes[0].autoIncrementOffset", "nodes[1].autoIncrementOffset"}


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"nodes": list(ARTICLE_NODES[::-1])},
        {"availability_zone": "eu-central-1a"},
        {"root_volume_gib": 21, "data_volume_gib": 21},
        MOVED_CLIENTS,
        MOVED_REPLICATION,
        {"replication_cidr": "10.10.0.0/16"},
        nodes({"client_address": "192.168.100.20"}, {"client_address": "192.168.100.21"}),
        nodes({"replication_address": "10.10.1.20"}, {"replication_address": "10.10.1.21"}),
        {"instance_type": "t3.large", "databases": [], "users": [], "replication_user": "rep"},
    ],
)
def test_what_a_ring_can_take_is_not_refused(what: dict[str, Any]) -> None:
    assert refused(what) == {}


@pytest.mark.parametrize(
    "what",
    [
        {**MOVED_CLIENTS, "availability_zone": "eu-central-1b"},
        MOVED_REPLICATION,
        nodes({"server_id": 7, "auto_increment_offset": 2}, {"auto_increment_offset": 1}),
        {"root_volume_gib": 8, "data_volume_gib": 4},
    ],
)
def test_before_there_is_an_instance_everything_may_change(what: dict[str, Any]) -> None:
    assert refused(what, UNBORN) == {}
    assert refused(what, Standing()) == {}


def test_where_no_node_holds_data_the_next_step_costs_none() -> None:
    assert refused({"availability_zone": "eu-central-1b", **nodes({"server_id": 7})}, YOUNG) == {}
    found = refused(nodes({"name": "db-1"}), YOUNG)
    assert "no node holds data yet: `pulumi destroy`" in found["nodes.name"]


def test_what_a_destroy_has_left_holds_data() -> None:
    """Protected volumes stay when what stood on them is gone, and the steps with it."""
    left = {"instance": False, "seeded": False, "my_cnf": None}
    volumes = replace(RING, nodes=(replace(ONE, **left), replace(TWO, **left)))
    found = refused({"availability_zone": "eu-central-1b"}, volumes)
    assert "dump the data" in found["availabilityZone"]


def test_a_node_whose_volume_is_gone_holds_nothing() -> None:
    """It copies the other one, under whatever id."""
    lost = replace(RING, nodes=(replace(ONE, data_volume_gib=None), TWO))
    assert refused(nodes({"server_id": 7}), lost) == {}
    assert set(refused(nodes(None, {"server_id": 7}), lost)) == {"nodes[1].serverId"}


def test_a_host_is_told_the_address_that_is_read_back() -> None:
    assert address_in(user_data("key", "public", "02:00:00:00:00:01", "10.1.2.3/28")) == (
        "10.1.2.3/28"
    )
    assert address_in("") is None


OF_THE_RING = "mysql-ring:index:Ring$mysql-ring:index:Node$"


def state(*, ring: str = "ring") -> dict[str, Any]:
    """What the engine answers of a stack with one node, as far as it is looked at."""
    node, tags = ARTICLE_NODES[0], {"Ring": ring}
    made = {
        (VPC, f"{ring}-network-client-vpc"): {"cidrBlock": "192.168.100.0/24"},
        (SUBNET, f"{ring}-network-client-subnet"): {"availabilityZone": "eu-central-1a"},
        (INTERFACE, f"{ring}-node-1-client-interface"): {
            "privateIp": node.client_address,
            "tags": tags,
        },
        (INTERFACE, f"{ring}-node-1-replication-interface"): {
            "privateIp": node.replication_address,
            "tags": tags,
        },
        (INSTANCE, f"{ring}-node-1-instance"): {
            "arn": "arn:aws:ec2:eu-central-1:123456789012:instance/i-1",
            "instanceType": "m6i.large",
            "privateIp": node.client_address,
            "userData": user_data("key", "public", "02:00:00:00:00:01", "10.10.1.10/24"),
            "rootBlockDevice": {"volumeSize": 20.0},
            "tags": tags,
        },
        (VOLUME, f"{ring}-node-1-data-volume"): {
            "size": 20.0,
            "arn": "arn:aws:ec2:eu-central-1:123456789012:volume/ring-node-1-data-volume-id",
            "availabilityZone": "eu-central-1a",
            "tags": tags,
        },
        (STEP, f"{ring}-node-1-mysql-volume"): {"stdin": "{}", "triggers": ["i-1"]},
        (STEP, f"{ring}-node-1-mysql-config"): {
            "stdin": render(template(), node, {}),
            "triggers": ["i-1"],
        },
        (STEP, f"{ring}-replication-node-1-seed"): {
            "stdin": "{}",
            "triggers": ["i-1"],
        },
        (INTERFACE, f"{ring}-node-2-client-interface"): {
            "privateIp": "192.168.100.11",
            "tags": tags,
        },
    }
    return {
        f"urn:pulumi:test::mysql-ring::{OF_THE_RING}{kind}::{name}": {
            "type": kind,
            "outputs": outputs,
        }
        for (kind, name), outputs in made.items()
    }


def test_what_stands_is_read_from_the_engines_answer() -> None:
    two = StandingNode("node-2")
    assert standing("ring", state()) == replace(RING, nodes=(ONE, two))
    assert standing("ring", {}) == Standing()


@pytest.mark.parametrize("other", ["other", "ring-b", "rin"])
def test_another_ring_of_the_stack_is_not_this_one(other: str) -> None:
    both = {**state(), **state(ring=other)}
    assert standing("ring", both) == standing("ring", state())
    assert standing(other, both) == standing("ring", state())
    assert standing("ring", state(ring=other)) == Standing()


def test_a_node_whose_tag_was_removed_on_aws_still_stands() -> None:
    """A refresh takes the change over into the state."""
    there = state()
    for resource in there.values():
        resource["outputs"].pop("tags", None)
    assert standing("ring", there) == standing("ring", state())


def test_resources_beside_the_ring_are_none_of_its_nodes() -> None:
    own = {
        "urn:pulumi:test::mysql-ring::aws:ec2/instance:Instance::ring-app-instance": {
            "type": INSTANCE,
            "outputs": {"tags": {"Ring": "ring"}},
        },
        "urn:pulumi:test::mysql-ring::aws:ec2/vpc:Vpc::ring-network-client-vpc": {
            "type": VPC,
            "outputs": {"cidrBlock": "172.31.0.0/16"},
        },
    }
    assert standing("ring", {**state(), **own}) == standing("ring", state())


OLDEST = {
    "urn:pulumi:test::mysql-ring::mysql-ring:ring:Ring$mysql-ring:node:Node"
    "$aws:ec2/instance:Instance::node-1-instance": {"type": INSTANCE, "outputs": {}}
}


@pytest.mark.parametrize(
    ("there", "how"),
    [
        ({**state(), **OLDEST}, "mysql-ring:ring:Ring"),
        (
            {urn: each for urn, each in state().items() if "-volume" not in urn},
            "its data is on no volume",
        ),
    ],
)
def test_a_ring_of_an_older_version_is_not_replaced_in_silence(
    there: dict[str, Any], how: str
) -> None:
    with answering(lambda *_: {"outputs": there}), pytest.raises(pulumi.RunError) as caught:
        read_standing("ring")
    assert f"older version of this program in acme/mysql-ring/test ({how})" in str(caught.value)
    assert "dump the data and `pulumi destroy` with that version" in str(caught.value)


def test_a_ring_whose_volumes_are_lost_is_not_one_of_an_older_version() -> None:
    there = {urn: each for urn, each in state().items() if not urn.endswith("-data-volume")}
    with answering(lambda *_: {"outputs": there}):
        assert not read_standing("ring").nodes[0].holds_data


def test_the_names_that_are_looked_for_are_those_that_a_ring_gives(ring: Recorded) -> None:
    """Under other names nothing would stand, and nothing would be refused."""
    made = {
        f"{each.urn}": {
            "type": each.type,
            "outputs": {
                **each.inputs,
                "arn": f"arn:aws:ec2:eu-central-1:123456789012:instance/{each.name}-id",
                "privateIp": "192.168.100.10" if "node-1" in each.name else "192.168.100.11",
            },
        }
        for each in ring.resources
    }
    assert standing("ring", made) == RING


def test_a_node_whose_instance_is_gone_still_holds_data() -> None:
    """A refresh, or an interrupted replacement: its steps were done on an instance before."""
    there = {urn: each for urn, each in state().items() if not urn.endswith("-1-instance")}
    one, _ = standing("ring", there).nodes
    assert (one.instance, one.holds_data, one.server_id) == (False, True, 1)


def test_a_ring_stays_in_its_zone_whatever_comes_first_in_the_list_of_zones() -> None:
    """A volume follows no subnet: it would be made anew with it."""
    there = state()
    for resource in there.values():
        if "availabilityZone" in resource["outputs"]:
            resource["outputs"]["availabilityZone"] = "eu-central-1b"
    made = recording.run(lambda: Ring("ring", ring_args()).outputs, state=there)
    for each in [*made.of_type(":Subnet"), *made.of_type(":Volume")]:
        assert each.inputs["availabilityZone"] == "eu-central-1b", each.name
        assert not [urn for urn in each.depends_on if "Subnet" in urn], each.name


def test_a_ring_stays_in_a_zone_that_has_its_instance_type_no_more() -> None:
    """AWS is not asked: nothing is launched."""
    there = state()
    both = {
        urn.replace("node-1", "node-2"): each
        for urn, each in there.items()
        if each["type"] == INSTANCE
    }
    program = lambda: Ring("ring", ring_args()).outputs  # noqa: E731
    made = recording.run(
        program, state={**there, **both}, offering={"m6i.large": ["eu-central-1b"]}
    )
    assert recording.OFFERINGS not in {token for token, _ in made.calls}
    assert {each.inputs["availabilityZone"] for each in made.of_type(":Volume")} == {
        "eu-central-1a"
    }


def test_a_ring_gets_no_instance_type_that_its_zone_lacks() -> None:
    """EC2 would stop the instances for it, and then not start them."""
    program = lambda: Ring("ring", ring_args(instance_type="m7i.large")).outputs  # noqa: E731
    taken = recording.run(program, state=state(), offering={"m7i.large": ["eu-central-1a"]})
    assert {each.inputs["instanceType"] for each in taken.of_type(":Instance")} == {"m7i.large"}
    made, error = recording.attempt(
        program, state=state(), offering={"m7i.large": ["eu-central-1b"]}
    )
    assert isinstance(error, SettingsError)
    assert "a type that eu-central-1a has" in str(error)
    assert not [each for each in made.resources if each.type.endswith(":Instance")]


def test_a_volume_alone_says_in_which_zone_the_ring_stands() -> None:
    there = {urn: each for urn, each in state().items() if "-subnet" not in urn}
    assert standing("ring", there).zone == "eu-central-1a"


def test_the_engine_is_asked_for_the_stack_that_is_updated() -> None:
    asked = []

    def answer(token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append((token, arguments))
        return {"name": arguments["stackName"], "outputs": state()}

    with answering(answer):
        assert read_standing("ring").nodes[0] == ONE
    assert asked == [(STATE, {"stackName": "acme/mysql-ring/test"})]


def test_a_state_that_cannot_be_read_stops_the_program_with_a_next_step() -> None:
    def fail(*_: object) -> dict[str, Any]:
        raise RuntimeError("passphrase must be set")

    with answering(fail), pytest.raises(pulumi.RunError) as caught:
        read_standing("ring")
    assert "passphrase must be set" in str(caught.value)
    assert "pulumi stack export" in str(caught.value)


def test_an_answer_without_resources_stops_the_program_and_tells_what_a_mock_has_to_say() -> None:
    with answering(lambda *_: {}), pytest.raises(pulumi.RunError, match="mock of `call`"):
        read_standing("ring")


def test_mistakes_and_changes_are_one_list() -> None:
    values = {"adminCidrs": [], "rootVolumeGib": 10}
    texts = {f"mysql-ring:{name}": json.dumps(value) for name, value in values.items()}
    pulumi.runtime.set_all_config(texts, [])
    with pytest.raises(SettingsError) as caught:
        configured(state())
    assert [problem.setting for problem in caught.value.problems] == ["adminCidrs", "rootVolumeGib"]


def test_what_cannot_be_read_is_in_one_list_with_what_would_be_lost() -> None:
    values = {"requireClientTls": "perhaps", "rootVolumeGib": 10}
    texts = {f"mysql-ring:{name}": json.dumps(value) for name, value in values.items()}
    pulumi.runtime.set_all_config({**texts, "mysql-ring:adminCidrs": '["10.0.0.0/8"]'}, [])
    with pytest.raises(SettingsError) as caught:
        configured(state())
    named = [problem.setting for problem in caught.value.problems]
    assert named == ["requireClientTls", "rootVolumeGib"]


def test_the_component_itself_refuses_what_would_lose_data_and_declares_nothing() -> None:
    """A program of others has no other guard."""

    def program() -> dict[str, Any]:
        return Ring("ring", ring_args(root_volume_gib=19)).outputs

    run, error = recording.attempt(program, state=state())
    assert isinstance(error, SettingsError)
    assert [problem.setting for problem in error.problems] == ["rootVolumeGib"]
    assert run.resources == []
    assert recording.run(program, state=state(ring="other")).of_type(":Instance")
