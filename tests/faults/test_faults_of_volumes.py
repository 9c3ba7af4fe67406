"""Instances and volumes are lost, replaced and detached under a ring that takes writes.

A data volume outlives its instance: then nothing is copied. Only the volume's own loss costs a
copy, and what keeps it from being deleted is `protectData`.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import is_back, nothing_is_lost
from hosts import Node
from labs import NODES, PEER, Lab, hostname, resource, step_name
from load import Load
from rebuild import fill
from updates import UP_COMMAND, Update
from waits import BOOT_SECONDS, HEALED_SECONDS, NOTICED_SECONDS, within

pytestmark = pytest.mark.updates

Figure = Callable[[str, float], None]

RING_NODE = "/opt/mysql-ring/current/ring-node"
VOLUME = "/srv/mysql-ring"
UNHEALTHY = 9
REFUSED = 3
RECORDS = "cd /etc/mysql-ring && find . -type f | sort | xargs sha256sum"


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


def seeded(ring: Lab, name: str) -> str:
    """How the last `seed` of a node ended."""
    (step,) = (
        each["outputs"]["stdout"]
        for each in ring.state()["resources"]
        if each["urn"].endswith(f"::{step_name(name, 'seed')}")
    )
    return json.loads(step)["outcome"]


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
            lambda said: said["healthy"] and said["gate"] == "open",
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


def test_another_instance_type_stops_and_starts_both_nodes_on_their_volumes(
    ring: Lab, load: Load
) -> None:
    before, old = both(ring), instances(ring)
    up(ring, "--config-file", str(ring.settings_with(instanceType="m6i.xlarge")))
    assert all(writer.failures for writer in load.writers), "both were away"
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


def test_a_volume_detached_under_its_server_ends_it_and_loses_nothing(
    ring: Lab, nodes: list[Node], load: Load, figure: Figure
) -> None:
    other, victim = nodes
    before = both(ring)
    volume = before[victim.name].volume_id
    snapshot = taken(ring, volume)
    restored = ""
    try:
        load.advance()
        old = victim.mysqld()
        ring.aws("ec2", "detach-volume", "--volume-id", volume, "--force")
        within(NOTICED_SECONDS, "the server ends", lambda: old not in victim.processes("mysqld"))
        within(NOTICED_SECONDS, "the writer is cut off", lambda: load.writers[1].failures > 1)
        acknowledged = load.writers[1].acknowledged
        failed = load.writers[0].failures

        (said,) = (each for each in verdict(victim)["problems"] if each["case"] == "volume broken")
        assert "Input/output error" in said["text"]
        assert "reboot this host" in said["next_step"]
        within(
            NOTICED_SECONDS,
            "the peer's verdict",
            lambda: {each["case"] for each in verdict(other)["problems"]},
            lambda cases: "peer silent" in cases,
        )

        # Its state as of an earlier moment, in its place: neither mounted nor served.
        halted(ring, victim)
        zone = ring.outputs()["network"]["zone"]
        restored = ring.aws(
            "ec2", "create-volume", "--availability-zone", zone, "--snapshot-id", snapshot,
        )["VolumeId"]  # fmt: skip
        volume_is(ring, restored, "available")
        attach(ring, restored, victim)
        ring.aws("ec2", "start-instances", "--instance-ids", victim.id)
        within(BOOT_SECONDS, "the host is back", victim.init)
        size = ring.aws("ec2", "describe-volumes", "--volume-ids", restored)["Volumes"][0]["Size"]
        document = json.dumps({"volume_id": restored, "size_gib": size})
        refusal = within(
            BOOT_SECONDS,
            "the verb's refusal",
            lambda: victim.run(
                "sh", "-c", f"{RING_NODE} volume 2>&1; [ $? = {REFUSED} ]", stdin=document
            ),
            pause=1,
        )[0]
        assert f"{restored} is a copy of {volume}" in refusal
        assert "set back in time" in refusal
        assert not victim.processes("mysqld")
        assert verdict(victim)["problems"][0]["case"] == "volume not mounted"

        # The next step of both: the right one attached.
        ring.aws("ec2", "detach-volume", "--volume-id", restored)
        volume_is(ring, restored, "available")
        assert load.writers[1].acknowledged == acknowledged
        assert load.writers[0].failures == failed, "the other node served all the time"
        begun = time.monotonic()
        attach(ring, volume, victim)
        is_back(nodes, 2 * BOOT_SECONDS)
        figure("ring whole after", time.monotonic() - begun)
        assert both(ring) == before
        is_well(ring)
        opened = victim.run("journalctl", "--boot", "--unit=mysql-ring-agent", "--output=cat")
        assert "gate: opened: this node has applied what its peer had written" in opened
        load.advance()
        assert load.reckon() > 0
    finally:
        if restored:
            ring.run("aws", "ec2", "delete-volume", "--volume-id", restored, expect=None)
        ring.aws("ec2", "delete-snapshot", "--snapshot-id", snapshot)


def verdict(node: Node) -> dict[str, Any]:
    """What `status` prints of a node that is not healthy."""
    return json.loads(node.run("sh", "-c", f"{RING_NODE} status; [ $? = {UNHEALTHY} ]"))


def taken(ring: Lab, volume: str) -> str:
    """A snapshot by the API of a volume in use."""
    made = ring.aws("ec2", "create-snapshot", "--volume-id", volume)["SnapshotId"]
    within(
        HEALED_SECONDS,
        f"{made} completed",
        lambda: ring.aws("ec2", "describe-snapshots", "--snapshot-ids", made)["Snapshots"][0],
        lambda found: found["State"] == "completed",
    )
    return made


def volume_is(ring: Lab, volume: str, state: str) -> None:
    within(
        HEALED_SECONDS,
        f"{volume} {state}",
        lambda: ring.aws("ec2", "describe-volumes", "--volume-ids", volume)["Volumes"][0]["State"],
        lambda found: found == state,
    )


def attach(ring: Lab, volume: str, node: Node) -> None:
    ring.aws(
        "ec2", "attach-volume", "--volume-id", volume, "--instance-id", node.id,
        "--device", "/dev/sdf",
    )  # fmt: skip
    volume_is(ring, volume, "in-use")


def halted(ring: Lab, node: Node) -> None:
    ring.aws("ec2", "stop-instances", "--instance-ids", node.id)
    within(
        BOOT_SECONDS,
        f"{node.name} stopped",
        lambda: ring.aws("ec2", "describe-instances", "--instance-ids", node.id)["Reservations"][0][
            "Instances"
        ][0]["State"]["Name"],
        lambda state: state == "stopped",
    )


def test_protected_data_is_deleted_by_no_update_until_the_setting_says_so(ring: Lab) -> None:
    volumes = {name: each.volume_id for name, each in both(ring).items()}
    kept = instances(ring)
    protected = str(ring.settings_with(protectData=True))
    up(ring, "--config-file", protected)
    victim = NODES[1]
    replace = ("--replace", f"**::{resource(victim, 'data-volume')}", "--config-file", protected)
    for command in (
        ("pulumi", "preview", "--color", "never", *replace),
        (*UP_COMMAND, "--color", "never", *replace),
        ("pulumi", "destroy", "--yes", "--non-interactive", "--color", "never"),
    ):
        done = ring.run(*command, timeout=1200, expect=None)
        printed = done.stdout + done.stderr
        assert done.returncode != 0, command
        assert re.search(r"protectData:DataVolume\$aws:ebs/volume", printed), printed[-4000:]
        assert "protect" in printed
        assert instances(ring) == kept, command
        assert {name: each.volume_id for name, each in both(ring).items()} == volumes, command
    assert "pulumi config set protectData false" in json.dumps(ring.outputs()["protection"])

    up(ring)  # protectData false, as the lab has it
    up(ring, "--replace", f"**::{resource(victim, 'data-volume')}")
    after = {name: each.volume_id for name, each in both(ring).items()}
    assert after[PEER[victim]] == volumes[PEER[victim]]
    assert after[victim] != volumes[victim]
    is_well(ring)
