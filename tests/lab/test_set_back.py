"""An older volume in place of a node's own: one that was restored from a snapshot, or the one that
the node had before.

Only real servers on real volumes can show it: the data is whole, both threads may say Yes, and the
rows that are missing never come.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
import sameness
from clients import ClientHost, Loop
from ebs import Volumes, path, volumes_beside
from hosts import Node
from hosts_of_their_own import SSH_SECONDS, Host
from labs import NODES, Lab, eventually
from steps import REFUSED, RING_NODE, STEP_SECONDS, Steps
from test_volume_of_a_host import become

pytestmark = pytest.mark.data

SOUND, OLD = NODES
# What nobody should do: the volume is made to say that it is the one that is asked for.
RELABEL = """\
set -e
mount {device} /mnt
sed -i 's/{own}/{volume}/' /mnt/volume.json
umount /mnt
"""
WAY = r"on (node-\d): `sudo ring-node (.+?)`"
OPEN_SECONDS = 60


@dataclass
class Old:
    """The node whose volume changes, and an application that reads there all the time."""

    ring: Lab
    steps: Steps
    host: Host
    volumes: Volumes
    table: str
    loop: Loop

    def write(self) -> None:
        """One more row, written here; both nodes have it."""
        self.ring.sql(OLD, f"INSERT INTO {self.table} (node) VALUES ('{OLD}')")
        rows = self.rows(OLD)
        eventually(lambda: self.rows(SOUND), lambda found: found == rows, f"{rows} on {SOUND}")
        eventually(lambda: self.loop.answers[-1:], lambda last: last == [rows], f"{rows} read")

    def rows(self, node: str) -> int:
        return int(self.ring.value(node, f"SELECT COUNT(*) FROM {self.table}"))

    def gets(self, volume: str, instead_of: str) -> None:
        """The host is started with another volume, by the API alone: no step and no state of the
        stack says so."""
        self.ring.aws("ec2", "stop-instances", "--instance-ids", self.host.instance)
        become(self.ring, self.host.instance, "stopped")
        self.volumes.detach(instead_of)
        self.volumes.becomes(instead_of, "available")
        self.volumes.attach(volume, self.host)
        self.ring.aws("ec2", "start-instances", "--instance-ids", self.host.instance)
        eventually(
            lambda: self.host.run("true").returncode, lambda code: code == 0, "ssh", SSH_SECONDS
        )

    def refuses_to_serve(self) -> list[tuple[str, str]]:
        """Its server runs on the old data, and no client gets there. The way out that both nodes
        name: node and verb, in order."""
        self.host.root("systemctl start mysql mysql-ring-agent")
        assert self.rows(OLD) < self.rows(SOUND), "the fault bites"
        eventually(
            lambda: str(self.ring.status(OLD)["gate_why"]),
            lambda why: "older than what its peer has seen" in why,
            "a gate that is closed because its data is old",
            OPEN_SECONDS,
        )
        ways = set()
        for node in NODES:
            for verb in ("seed", "replicate"):
                error = self.steps.run(node, verb, expect=REFUSED)
                assert f"{OLD} was set back in time" in error["found"]
                ways.add(tuple(re.findall(WAY, error["next_step"])))
        answers, asked = self.loop.answers, len(self.loop.got)
        eventually(lambda: len(self.loop.got), lambda now: now > asked + 5, "it asks on")
        assert self.loop.answers == answers
        assert self.ring.status(OLD)["gate"] == "closed"
        (way,) = ways
        return list(way)

    def is_healed_by(self, way: list[tuple[str, str]]) -> None:
        assert way == [(OLD, f"rejoin --discard {OLD}"), (SOUND, "rejoin")]
        for node, words in way:
            self.ring.ssh(node, f"{RING_NODE} {words}", timeout=STEP_SECONDS)
        self.steps.wait_until_whole()
        for node in NODES:
            eventually(
                lambda node=node: self.ring.status(node),
                lambda said: said["healthy"] and said["gate"] == "open",
                f"{node} healthy",
                OPEN_SECONDS,
            )
        self.write()
        eventually(
            lambda: sameness.differences(*(everything(self.ring, node) for node in NODES)),
            lambda differences: not differences,
            "both nodes the same",
        )


def everything(ring: Lab, name: str) -> dict[str, Any]:
    """But for the accounts, which the ring makes for the node's own addresses."""
    node = Node(ring, name)
    accounts = {row["User"] for row in node.rows("SELECT User FROM mysql.user")}
    with node.session() as cursor:
        return sameness.everything(cursor.connection, accounts=accounts)


def test_a_node_on_an_older_volume_serves_nobody_until_it_has_copied_its_peer(
    ring: Lab, steps: Steps, table: str, client: ClientHost
) -> None:
    outputs = ring.outputs()["nodes"][OLD]
    own = outputs["dataVolumeId"]
    host = Host(ring, outputs["publicAddress"], outputs["instanceId"])
    asked = json.loads(steps.document(OLD, "volume"))
    reads = f"SELECT COUNT(*) FROM {table}"
    with volumes_beside(ring, host) as volumes, client.loop(OLD, reads) as loop:
        node = Old(ring, steps, host, volumes, table, loop)
        node.write()
        snapshot = volumes.snapshot(own)
        restored = volumes.make(asked["size_gib"], **{"snapshot-id": snapshot})
        ring.aws("ec2", "delete-snapshot", "--snapshot-id", snapshot)
        node.write()

        node.gets(restored, instead_of=own)
        document = json.dumps({**asked, "volume_id": restored})
        error = steps.run(OLD, "volume", document, expect=REFUSED)
        assert f"{restored} is a copy of {own} as of a moment that is past" in error["found"]
        assert "attach the right volume" in error["next_step"]
        assert f"of={path(restored)} " in error["next_step"]
        (problem, *_) = ring.status(OLD)["problems"]
        assert problem["case"] == "volume not mounted"
        assert host.run("pgrep -x mysqld").stdout == ""

        host.root(RELABEL.format(device=path(restored), own=own, volume=restored))
        steps.run(OLD, "volume", document)
        node.is_healed_by(node.refuses_to_serve())

        # By now the one that it had before is the older one, and another server's data.
        node.gets(own, instead_of=restored)
        steps.run(OLD, "volume")
        node.is_healed_by(node.refuses_to_serve())
        assert loop.answers == sorted(loop.answers), "no answer is older than one before"
