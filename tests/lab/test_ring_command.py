"""The operator's command, as a person types it, against the ring's nodes."""

import json
import subprocess
from collections.abc import Iterator

import pytest
from labs import NODES, Lab, eventually
from ops import errors
from steps import Steps

pytestmark = pytest.mark.backups


def command(lab: Lab, *words: str, expect: int = errors.DONE) -> subprocess.CompletedProcess[str]:
    return lab.run("ring", *words, timeout=300, expect=expect)


@pytest.fixture
def dead(ring: Lab) -> Iterator[str]:
    """A node whose host is switched off."""
    node = "node-1"
    instance = ring.outputs()["nodes"][node]["instanceId"]
    ring.aws("ec2", "stop-instances", "--instance-ids", instance)
    try:
        eventually(
            lambda: ring.run("ssh", node, "true", expect=None).returncode,
            lambda code: code != 0,
            f"{node} is down",
            60,
        )
        yield node
    finally:
        eventually(
            lambda: (
                ring.run(
                    "aws", "ec2", "start-instances", "--instance-ids", instance, expect=None
                ).returncode
            ),
            lambda code: code == 0,
            f"{node} starts again",
            60,
        )
        Steps(ring).wait_until_whole()


def test_a_backup_that_is_taken_by_the_command_is_in_its_list_with_every_figure(
    steps: Steps, table: str
) -> None:
    lab = steps.lab
    lab.sql("node-1", f"INSERT INTO {table} (note) VALUES ('in the backup')")
    report = json.loads(command(lab, "backup", "now", "--json").stdout)
    _, node, _, name, _ = report["backup"]["key"].split("/")
    printed = command(lab, "backup", "list").stdout
    assert f"{node}/{name}" in printed
    listed = json.loads(command(lab, "backup", "list", "--json").stdout)
    assert set(listed["restored"]) == set(NODES)
    assert listed["silent"] == {}
    made = next(each for each in listed["backups"] if (each["node"], each["name"]) == (node, name))
    assert made["problem"] is None
    assert made["bytes"] == report["backup"]["bytes"]
    assert made["stored_bytes"] == report["backup"]["stored_bytes"]
    assert made["server_uuid"] == lab.value(node, "SELECT @@server_uuid")
    assert made["checked"]["tables"] == report["backup"]["tables_checked"]


def test_a_node_that_is_switched_off_is_named_and_the_other_one_does_the_work(
    ring: Lab, dead: str
) -> None:
    done = ring.run("ring", "backup", "list", "--json", timeout=300)
    assert list(json.loads(done.stdout)["silent"]) == [dead]
    assert f"{dead} does not answer over SSH" in done.stderr
    report = json.loads(ring.run("ring", "backup", "now", "--json", timeout=600).stdout)
    assert report["backup"]["key"].startswith("mysql/node-2/")


def test_what_is_wrong_with_the_words_is_said_at_once(steps: Steps) -> None:
    words = ("restore", "table", "orders", "--at", "2026-11-26T03:00", "--node", "node-3")
    done = command(steps.lab, *words, expect=errors.INPUT)
    for mistake in ("'orders' is not SCHEMA.TABLE", "no --as", "has no zone", "no node 'node-3'"):
        assert mistake in done.stderr


def test_a_ring_is_not_replaced_without_its_name(steps: Steps) -> None:
    lab = steps.lab
    command(lab, "backup", "now", "node-2")
    done = command(lab, "restore", "to-ring", "--latest", expect=errors.NOT_CONFIRMED)
    assert "lab/ring" in done.stderr
    dry = command(lab, "restore", "to-ring", "--latest", "--dry-run", "--json")
    assert [each["node"] for each in json.loads(dry.stdout)["would"]] == [
        "node-2",
        "node-1",
        "node-2",
        "node-1",
    ]
    for node in NODES:
        assert lab.status(node)["gate"] == "open"
