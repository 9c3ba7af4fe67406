"""Instances and volumes are lost and replaced under a ring that takes writes.

A data volume outlives its instance: then nothing is copied. Only the volume's own loss costs a
copy.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import is_back, nothing_is_lost
from hosts import Node
from labs import NODES, Lab, hostname, resource, step_name
from load import Load
from rebuild import fill
from updates import UP_COMMAND, Update
from waits import BOOT_SECONDS, HEALED_SECONDS, NOTICED_SECONDS, within

pytestmark = pytest.mark.updates

Figure = Callable[[str, float], None]

VOLUME = "/srv/mysql-ring"
RECORDS = "cd /etc/mysql-ring && find . -type f ! -name '.*.new' | sort | xargs sha256sum"


@dataclass(frozen=True)
class Data:
    """What a node's data is, as told by the API, by its server and by its volume."""

    volume_id: str
    server_uuid: str
    incarnation: str


def data(ring: Lab, name: str) -> Data:
    node = Node(ring, name)
    return Data(
        ring.outputs()["nodes"][name]["dataVolumeId"],
        node.rows("SELECT @@server_uuid AS uuid")[0]["uuid"],
        node.run("readlink", "-f", f"{VOLUME}/current").strip(),
    )


def both(ring: Lab) -> dict[str, Data]:
    return {name: data(ring, name) for name in NODES}


def instances(ring: Lab) -> dict[str, str]:
    return {name: ring.outputs()["nodes"][name]["instanceId"] for name in NODES}


def state(ring: Lab, instance: str) -> str:
    answer = ring.aws("ec2", "describe-instances", "--instance-ids", instance)
    return answer["Reservations"][0]["Instances"][0]["State"]["Name"]


def said(ring: Lab, name: str, verb: str) -> dict[str, Any]:
    """What the last run of a step printed."""
    (step,) = (
        each["outputs"]["stdout"]
        for each in ring.state()["resources"]
        if each["urn"].endswith(f"::{step_name(name, verb)}")
    )
    return json.loads(step)


def seeded(ring: Lab, name: str) -> str:
    """How the last `seed` of a node ended."""
    return said(ring, name, "seed")["outcome"]


def up(ring: Lab, *more: str, expect: int | None = 0) -> str:
    done = ring.run(*UP_COMMAND, "--color", "never", *more, timeout=1200, expect=expect)
    return done.stdout + done.stderr


def go_on(ring: Lab, load: Load) -> None:
    """The writers write on, where the nodes are now."""
    load.nodes = [Node(ring, name) for name in NODES]
    for writer, node in zip(load.writers, load.nodes, strict=True):
        writer.node = node


def is_well(ring: Lab) -> None:
    """The verdict of both nodes: no problem, and their gates are open."""
    for name in NODES:
        within(
            HEALED_SECONDS,
            f"{name} healthy",
            lambda name=name: Node(ring, name).status(),
            lambda told: told["healthy"] and told["gate"] == "open",
        )


def write_is_refused(load: Load) -> None:
    """Both nodes refuse writers, and acknowledge nothing meanwhile."""
    failed = [writer.failures for writer in load.writers]
    for writer, before in zip(load.writers, failed, strict=True):
        within(
            NOTICED_SECONDS, "writers are refused", lambda w=writer, b=before: w.failures > b + 1
        )
    acknowledged = [writer.acknowledged for writer in load.writers]
    failed = [writer.failures for writer in load.writers]
    for writer, before in zip(load.writers, failed, strict=True):
        within(NOTICED_SECONDS, "and again", lambda w=writer, b=before: w.failures > b + 1)
    assert [writer.acknowledged for writer in load.writers] == acknowledged


def test_both_instances_replaced_in_one_up_keep_their_data_and_nothing_is_copied(
    ring: Lab, load: Load, figure: Figure
) -> None:
    before, old = both(ring), instances(ring)
    records = {name: Node(ring, name).run("sh", "-c", RECORDS) for name in NODES}
    begun = time.monotonic()
    with ring.gates.verb("volume") as gate:
        targets = [w for name in NODES for w in ("--replace", ring.urn(resource(name, "instance")))]
        update = Update(ring, *UP_COMMAND, *targets)
        gate.wait(by=update)
        for name in NODES:
            gate.wait(by=update, note=hostname(ring, name))
        write_is_refused(load)
    assert update.end() == 0, update.text[-4000:]
    figure("both replaced after", time.monotonic() - begun)
    assert not set(instances(ring).values()) & set(old.values())
    assert both(ring) == before
    assert {name: seeded(ring, name) for name in NODES} == dict.fromkeys(NODES, "joined")
    go_on(ring, load)
    is_well(ring)
    load.advance()
    assert load.reckon() > 0
    # What is on the root volume went with it, and the steps have made it anew.
    assert {name: Node(ring, name).run("sh", "-c", RECORDS) for name in NODES} == records


def test_a_terminated_instance_is_made_anew_on_its_volume_and_nothing_is_copied(
    ring: Lab, load: Load, figure: Figure
) -> None:
    before, old = both(ring), instances(ring)
    lost, other = NODES[1], NODES[0]
    ring.aws("ec2", "terminate-instances", "--instance-ids", old[lost])
    within(NOTICED_SECONDS, "its writer is cut off", lambda: load.writers[1].failures > 1)
    within(HEALED_SECONDS, "terminated", lambda: state(ring, old[lost]) == "terminated")
    failed, acknowledged = load.writers[0].failures, load.writers[0].acknowledged
    begun = time.monotonic()
    up(ring, "--refresh")
    figure("made anew after", time.monotonic() - begun)
    assert load.writers[0].failures == failed, "the other node served all the time"
    assert load.writers[0].acknowledged > acknowledged
    now = instances(ring)
    assert now[lost] != old[lost]
    assert now[other] == old[other]
    assert both(ring) == before
    assert seeded(ring, lost) == "joined"
    go_on(ring, load)
    is_well(ring)
    load.advance()
    assert load.reckon() > 0


def test_an_instance_made_anew_together_with_another_my_cnf_serves_before_the_other_restarts(
    ring: Lab, load: Load
) -> None:
    before, (anew, other) = both(ring), NODES
    changed = ring.settings_with(mysqlSettings={"back_log": "70"})
    up(ring, "--replace", ring.urn(resource(anew, "instance")), "--config-file", str(changed))
    assert both(ring) == before
    assert said(ring, anew, "restart")["done"] == ["no change"], "it began with the new file"
    done = said(ring, other, "restart")["done"]
    assert done == ["server restarted for a changed my.cnf, the peer serving meanwhile"]
    for name in NODES:
        assert ring.value(name, "SELECT @@back_log") == "70"
    go_on(ring, load)
    is_well(ring)
    load.advance()
    assert load.reckon() > 0


def test_another_instance_type_stops_one_node_and_the_other_one_when_that_is_back(
    ring: Lab, load: Load
) -> None:
    before, old = both(ring), instances(ring)
    first, second = load.writers
    changed = ("--config-file", str(ring.settings_with(instanceType="m6i.xlarge")))
    with ring.gates.verb("wait-serving") as back:
        update = Update(ring, *UP_COMMAND, *changed)
        back.wait(by=update)
        assert first.failures, "it was away"
        assert not second.failures, "the other one served all the time"
    assert update.end() == 0, update.text[-4000:]
    assert second.failures
    types = ring.aws("ec2", "describe-instances", "--instance-ids", *old.values())["Reservations"]
    assert {i["InstanceType"] for r in types for i in r["Instances"]} == {"m6i.xlarge"}
    assert instances(ring) == old
    is_back([Node(ring, name) for name in NODES], 2 * BOOT_SECONDS)
    assert both(ring) == before
    is_well(ring)
    load.advance()
    assert load.reckon() > 0


def test_a_lost_volume_is_made_anew_and_the_node_copies_its_peer_which_serves_on(
    ring: Lab, nodes: list[Node], tmp_path: Path, figure: Figure
) -> None:
    survivor, lost = nodes
    before = both(ring)
    table = fill(survivor)
    with Load([survivor], tmp_path) as load:
        begun = time.monotonic()
        up(ring, "--replace", f"**::{resource(lost.name, 'data-volume')}")
        figure("copied after", time.monotonic() - begun)
        assert load.writers[0].failures == 0
        after = both(ring)
        assert after[survivor.name] == before[survivor.name]
        for field in ("volume_id", "server_uuid", "incarnation"):
            assert getattr(after[lost.name], field) != getattr(before[lost.name], field)
        assert seeded(ring, lost.name) in ("copy", "copy_again")
        is_well(ring)
        nothing_is_lost(ring, load, table)
