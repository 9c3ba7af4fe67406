"""The operator's command, as a person types it, against the ring's nodes."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from labs import NODES, Lab, eventually
from ops import errors
from steps import Steps

pytestmark = pytest.mark.backups


def command(lab: Lab, *words: str, expect: int = errors.DONE) -> subprocess.CompletedProcess[str]:
    return lab.run("ring", *words, timeout=300, expect=expect)


def a_moment_between(lab: Lab) -> str:
    """All that was acknowledged before is at this second or earlier, all that comes is later."""
    seconds = int(lab.value("node-1", "SELECT CEIL(UNIX_TIMESTAMP(SYSDATE(6)))"))
    lab.value("node-1", f"SELECT SLEEP({seconds} + 1.1 - UNIX_TIMESTAMP(SYSDATE(6)))")
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def notes(lab: Lab, node: str, table: str) -> set[str]:
    return {row[0] for row in lab.sql(node, f"SELECT note FROM {table}")}


@pytest.fixture
def dead(ring: Lab) -> Iterator[str]:
    """A node whose host is switched off."""
    node = "node-1"
    instance = ring.outputs()["nodes"][node]["instanceId"]
    ring.aws("ec2", "stop-instances", "--instance-ids", instance)
    try:
        eventually(
            lambda: ring.run_on(node, "true", expect=None).returncode,
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


@pytest.fixture
def changed(steps: Steps, table: str) -> tuple[str, str]:
    """A table that a backup has empty, and a moment at which it had a row of each node, one of
    which was changed since."""
    lab = steps.lab
    command(lab, "backup", "now", "node-1")
    for node in NODES:
        lab.sql(node, f"INSERT INTO {table} (note) VALUES ('of {node}')")
    eventually(
        lambda: [notes(lab, node, table) for node in NODES],
        lambda found: found == [{"of node-1", "of node-2"}] * 2,
        "both rows on both nodes",
    )
    moment = a_moment_between(lab)
    lab.sql("node-2", f"UPDATE {table} SET note = 'a mistake' WHERE note = 'of node-1'")
    return table, moment


def test_a_table_of_a_minute_ago_comes_beside_the_present_one_on_both_nodes(
    steps: Steps, changed: tuple[str, str]
) -> None:
    lab, (table, moment) = steps.lab, changed
    before = f"{table}_before"
    try:
        done = command(lab, "restore", "table", table, "--as", before, "--at", moment)
        assert "has 2 rows of" in done.stdout
        for node in NODES:
            eventually(
                lambda node=node: notes(lab, node, before),
                lambda found: found == {"of node-1", "of node-2"},
                f"what was, on {node}",
            )
            assert notes(lab, node, table) == {"a mistake", "of node-2"}
        words = ("restore", "table", table, "--as", before, "--at", moment)
        assert "is there" in command(lab, *words, expect=errors.REFUSED).stderr
    finally:
        lab.sql("node-1", f"DROP TABLE IF EXISTS {before}")


def test_a_ring_is_put_back_to_a_minute_ago_by_one_command(
    steps: Steps, changed: tuple[str, str]
) -> None:
    lab, (table, moment) = steps.lab, changed
    uuids = {lab.value(node, "SELECT @@server_uuid") for node in NODES}
    words = ("restore", "to-ring", "--at", moment, "--yes-really", "lab/ring")
    command(lab, *words)
    steps.wait_until_whole()
    for node in NODES:
        assert notes(lab, node, table) == {"of node-1", "of node-2"}
        assert lab.value(node, "SELECT @@server_uuid") not in uuids
    lab.sql("node-2", f"INSERT INTO {table} (note) VALUES ('from here on')")
    eventually(
        lambda: notes(lab, "node-1", table),
        lambda found: "from here on" in found,
        "a row of node-2 on node-1",
    )


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
    would = [
        (each["node"], each["command"].split()[2:]) for each in json.loads(dry.stdout)["would"]
    ]
    assert would == [
        ("node-1", ["archive", "--now"]),
        ("node-2", ["archive", "--now"]),
        ("node-2", ["restore-ring"]),
        ("node-1", ["restore-ring"]),
        ("node-2", ["rejoin", "--discard", "node-2"]),
        ("node-1", ["rejoin"]),
    ]
    for node in NODES:
        assert lab.status(node)["gate"] == "open"
