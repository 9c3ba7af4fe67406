"""What the preview says that an update does to the nodes that stand."""

from dataclasses import replace
from typing import Any

import pulumi
import pytest
import recording
from conftest import ring_args
from test_component_changes import (
    LOST_RING,
    MOVED_CLIENTS,
    MOVED_REPLICATION,
    ONE,
    RING,
    TWO,
    UNBORN,
    YOUNG,
    nodes,
    state,
)

from components.effects import effects, stops
from components.ring import Ring
from components.settings import RestoreSettings
from components.standing import Standing

pytestmark = pytest.mark.unit

LOST = replace(RING, nodes=(replace(ONE, data_volume_gib=None), TWO))
ENDED = replace(RING, nodes=(ONE, replace(TWO, instance=False, client_address=None)))
ANEW = "its instance is made anew, its data volume stays, and nothing is copied"


def said(what: dict[str, Any], on: Standing = RING) -> list[str]:
    return list(effects(on, ring_args(**what)))


@pytest.mark.parametrize(
    ("what", "on", "lines"),
    [
        ({}, RING, []),
        ({"tags": {"a": "b"}, "databases": []}, RING, []),
        (MOVED_CLIENTS, RING, [f"node-1: {ANEW}", f"node-2: {ANEW}"]),
        (MOVED_REPLICATION, RING, [f"node-1: {ANEW}", f"node-2: {ANEW}"]),
        (
            {"replication_cidr": "10.10.0.0/16"},
            RING,
            [f"node-1: {ANEW}", f"node-2: {ANEW}"],
        ),
        (nodes({"client_address": "192.168.100.20"}), RING, [f"node-1: {ANEW}"]),
        (nodes(None, {"replication_address": "10.10.1.20"}), RING, [f"node-2: {ANEW}"]),
        ({}, ENDED, ["node-2: a new instance takes its data volume over, and nothing is copied"]),
        (
            {},
            LOST,
            [
                "node-1: its data volume is gone, a new one is made with a new instance, and it "
                "copies node-2"
            ],
        ),
        (
            {"restore_from": RestoreSettings(moment="nothing")},
            LOST_RING,
            [
                f"{node}: its data volume is gone, a new one is made with a new instance, and it "
                "is EMPTY, as no other node holds data"
                for node in ("node-1", "node-2")
            ],
        ),
        (
            {"mysql_settings": {"tmp_table_size": "48M", "wait_timeout": "600"}},
            RING,
            [
                f"{node}: its server is set to another my.cnf while it runs, and restarts only "
                f"where it does not take that, {peer} serving meanwhile"
                for node, peer in (("node-1", "node-2"), ("node-2", "node-1"))
            ],
        ),
        (
            {"mysql_settings": {"tmp_table_size": "48M", "back_log": "70"}},
            RING,
            [
                "node-1: its server restarts with another my.cnf, node-2 serves meanwhile",
                "node-2: its server restarts with another my.cnf, node-1 serves meanwhile",
            ],
        ),
        (
            {"mysql_settings": {"innodb_buffer_pool_size": "256M"}},
            ENDED,
            [
                "node-1: its server restarts with another my.cnf, node-2 serves meanwhile",
                "node-2: a new instance takes its data volume over, and nothing is copied",
            ],
        ),
        (
            {"instance_type": "m6i.xlarge", "data_volume_gib": 30},
            RING,
            [
                f"{node}: its instance stops and starts as another type, {peer} serves meanwhile; "
                "its data volume grows in place"
                for node, peer in (("node-1", "node-2"), ("node-2", "node-1"))
            ],
        ),
        (
            {"instance_type": "m6i.xlarge"},
            ENDED,
            [
                "node-1: its instance stops and starts as another type, as node-2 is made anew, "
                "nobody serves meanwhile",
                "node-2: a new instance takes its data volume over, and nothing is copied",
            ],
        ),
        (MOVED_CLIENTS, UNBORN, []),
        (MOVED_CLIENTS, YOUNG, []),
    ],
)
def test_each_node_that_does_not_go_on_as_it_is_has_one_line(
    what: dict[str, Any], on: Standing, lines: list[str]
) -> None:
    assert said(what, on) == lines


@pytest.mark.parametrize(
    ("kind", "on", "stop"),
    [
        ("m6i.xlarge", RING, True),
        (pulumi.Output.from_input("m6i.xlarge"), RING, True),
        ("m6i.large", RING, False),
        ("m6i.xlarge", ENDED, False),
        ("m6i.xlarge", Standing(), False),
    ],
    ids=["another", "not known yet", "the same", "only one stands", "none stands"],
)
def test_both_instances_stop_only_where_both_stand_as_another_type(
    kind: Any, on: Standing, stop: bool
) -> None:
    assert stops(on, ring_args(instance_type=kind)) is stop


@pytest.mark.parametrize("kind", ["m6i.large", "m6i.xlarge"])
def test_the_second_instance_gets_another_type_when_the_first_node_serves_again(kind: str) -> None:
    there = state()
    (one,) = (urn for urn in there if urn.endswith("::ring-node-1-instance"))
    there[one.replace("node-1", "node-2")] = there[one]
    program = lambda: Ring("ring", ring_args(instance_type=kind)).outputs  # noqa: E731
    found = recording.run(program, state=there)
    first, second = (recording.SERVING.format(node) for node in ("node-1", "node-2"))
    assert (first in found.before("ring-node-2-instance")) is (kind == "m6i.xlarge")
    assert second not in found.before("ring-node-1-instance")


def test_a_value_that_is_not_known_yet_is_not_guessed_at() -> None:
    later = {"tmp_table_size": pulumi.Output.from_input("32M")}
    assert said({"mysql_settings": later, "instance_type": pulumi.Output.from_input("x")}) == []


@pytest.mark.parametrize("preview", [True, False])
def test_it_is_said_in_the_preview_alone(monkeypatch: pytest.MonkeyPatch, preview: bool) -> None:
    shown: list[str] = []
    monkeypatch.setattr(pulumi.log, "info", lambda text, *_: shown.append(text))

    def program() -> dict[str, Any]:
        moved = nodes({"client_address": "192.168.100.20"})
        return Ring("ring", ring_args(**moved)).outputs

    _, error = recording.attempt(program, state=state(), preview=preview)
    assert error is None
    assert shown == ([f"node-1: {ANEW}"] if preview else [])
