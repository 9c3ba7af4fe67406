"""Binary logs of a ring in its bucket, and their purge: by the hosts' own s3cmd, with the role's
credentials, against the lab's S3."""

import json
from typing import Any

import pytest
from archive import TIMERS, logs, objects, prefix, s3_away
from labs import NODES, eventually, hostname
from steps import INPUT, REFUSED, UNREACHABLE, Steps, schedule

pytestmark = pytest.mark.backups

NODE, PEER = "node-1", "node-2"


def archive_until_due(steps: Steps, node: str) -> dict[str, Any]:
    """A pass that closed the open log, once that is due."""
    return eventually(
        lambda: steps.run(node, "archive", ""),
        lambda report: any("closed" in done for done in report["done"]),
        f"a pass on {node} that closes the open log",
        seconds=60,
    )


@pytest.mark.parametrize("node", NODES)
def test_every_closed_log_is_in_the_bucket_and_the_open_one_is_not(
    by_hand: Steps, node: str
) -> None:
    lab = by_hand.lab
    archive_until_due(by_hand, node)
    *closed, still_open = logs(lab, node)
    found = objects(lab, prefix(lab, node))
    names = {key.rpartition("/")[2] for key in found}
    for name in closed:
        assert {f"{name}.zst", f"{name}.json"} <= names
    assert not any(name.startswith(still_open) for name in names)


def test_the_timers_run_the_verbs(steps: Steps) -> None:
    lab = steps.lab
    for node in NODES:
        listed = lab.ssh(node, f"systemctl is-active {TIMERS}")
        assert listed.split() == ["active", "active"]
        eventually(
            lambda node=node: lab.status(node)["backups"],
            lambda found: found["archive"] is not None and found["archive"]["problem"] is None,
            f"a pass on {node} by its timer",
            seconds=120,
        )


BEFORE_ITS_STATE = r"(write|rename) /run/\S*purge"
WAITING = "sudo sh -c 'ls -l /proc/[0-9]*/fd' 2>&1 | grep -c mysql-ring-archive.lock || true"


def test_a_pass_that_begins_beside_a_purge_waits_for_its_end(by_hand: Steps) -> None:
    """The timers begin both at the same moment after each boot."""
    lab = by_hand.lab
    with lab.gates.verb("purge", BEFORE_ITS_STATE, host=hostname(lab, NODE)) as gate:
        purge = by_hand.begin(NODE, "purge", "")
        gate.wait(by=purge)
        archive = by_hand.begin(NODE, "archive", "")
        eventually(
            lambda: (archive.at_work, lab.ssh(NODE, WAITING).strip()),
            lambda seen: seen == (True, "2"),
            "both at the lock",
        )
        gate.lift()
        purge.end()
        assert json.loads(archive.end().splitlines()[-1])["waiting"] == 0


def test_what_the_peer_has_not_executed_is_not_purged(by_hand: Steps, table: str) -> None:
    lab = by_hand.lab
    lab.sql(PEER, "STOP SLAVE")
    try:
        lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('unread')")
        needed = lab.slave_status(PEER)["Relay_Master_Log_File"]
        archive_until_due(by_hand, NODE)
        archive_until_due(by_hand, NODE)
        assert logs(lab, NODE).index(needed) < len(logs(lab, NODE)) - 1
        by_hand.run(NODE, "purge", "")
        assert logs(lab, NODE)[0] == needed
    finally:
        lab.sql(PEER, "START SLAVE")
    by_hand.wait_until_whole()
    eventually(
        lambda: by_hand.run(NODE, "purge", "") and logs(lab, NODE),
        lambda left: needed not in left,
        "the logs that the peer has executed are purged",
        seconds=60,
    )


def test_while_s3_is_away_nothing_counts_and_nothing_goes_and_then_all_arrives(
    by_hand: Steps, table: str
) -> None:
    lab = by_hand.lab
    archive_until_due(by_hand, NODE)
    before = objects(lab, prefix(lab, NODE))
    with s3_away(lab, NODE):
        lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('while S3 is away')")
        lab.sql(NODE, "FLUSH LOCAL BINARY LOGS")
        had = logs(lab, NODE)
        problem = by_hand.run(NODE, "archive", "", expect=UNREACHABLE)
        assert "S3" in problem["expected"]
        by_hand.run(NODE, "purge", "")
        assert set(had) <= set(logs(lab, NODE))
        state = lab.status(NODE)["backups"]["archive"]
        assert state["problem"]
        assert state["waiting"] >= 1
    assert objects(lab, prefix(lab, NODE)) == before
    by_hand.run(NODE, "archive", "")
    found = objects(lab, prefix(lab, NODE))
    assert {f"{prefix(lab, NODE)}{name}.json" for name in had[:-1]} <= set(found)
    assert lab.status(NODE)["backups"]["archive"]["problem"] is None


def test_a_schedule_of_another_node_or_none_of_systemd_changes_nothing(by_hand: Steps) -> None:
    before = by_hand.lab.ssh(NODE, "cat /etc/mysql-ring/backup.json")
    wrong = schedule(by_hand, NODE, backup_schedule="at night")
    assert "backup_schedule" in by_hand.run(NODE, "schedule", wrong, expect=INPUT)["found"]
    other = schedule(by_hand, PEER)
    assert PEER in by_hand.run(NODE, "schedule", other, expect=REFUSED)["found"]
    assert by_hand.lab.ssh(NODE, "cat /etc/mysql-ring/backup.json") == before
