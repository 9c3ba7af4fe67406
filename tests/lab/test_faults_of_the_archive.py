"""The archive of binary logs while S3, its host, the clock there or the peer fails.

Each fault is seen to bite. Then nothing has counted that is not whole in the bucket, nothing went
that was not, and when the fault has ended all arrives.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from archive import (
    TIMERS,
    all_closed_logs_are_safe,
    logs,
    objects,
    prefix,
    s3_away,
)
from clocks import wrong_clock
from hosts import Node
from labs import NODES, Lab, eventually
from load import Load
from steps import HOST, RING_NODE, UNREACHABLE, Steps, parts, schedule

pytestmark = pytest.mark.backups

NODE, PEER = "node-1", "node-2"
MIB = 1 << 20
PART = 15 * MIB  # of an object: s3cmd's own
SERVICE = "mysql-ring-archive.service"
VOLUME = "/srv/mysql-ring"
FILL = f"{VOLUME}/filled-by-a-test"
INTERVALS = 3
NOT_THERE = 1236  # a slave's, when its master has not what it asks for


@pytest.fixture
def load(by_hand: Steps, tmp_path: Path) -> Iterator[Load]:
    """Both nodes take writes."""
    with Load([Node(by_hand.lab, name) for name in NODES], tmp_path) as load:
        yield load


def archive(lab: Lab, node: str) -> dict[str, Any] | None:
    """What the node says of its archive."""
    return lab.status(node)["backups"]["archive"]


def cases(lab: Lab, node: str) -> set[str]:
    return {each["case"] for each in lab.status(node)["problems"]}


def close_log(lab: Lab, node: str) -> str:
    """Closes the open log; its name."""
    lab.sql(node, "FLUSH LOCAL BINARY LOGS")
    return logs(lab, node)[-2]


@contextmanager
def large_log(steps: Steps, name: str, mib: int) -> Iterator[str]:
    """A closed log of so many MiB, which nothing makes smaller: the only one that is not safe."""
    steps.run(name, "archive", "")
    table = f"app.large_{time.time_ns()}"
    with Node(steps.lab, name).session(seconds=60) as cursor:
        cursor.execute(f"CREATE TABLE {table} (id INT AUTO_INCREMENT PRIMARY KEY, data LONGBLOB)")
        for _ in range(mib):
            cursor.execute(f"INSERT INTO {table} (data) VALUES (%s)", (os.urandom(MIB),))
        try:
            yield close_log(steps.lab, name)
        finally:
            cursor.execute(f"DROP TABLE {table}")


@contextmanager
def filled(lab: Lab, name: str, *, percent: int = 0, left: int = 0) -> Iterator[None]:
    """So much of the data volume is used, or so many bytes are left."""
    node = Node(lab, name)
    block, blocks, free = map(int, node.run("stat", "-fc", "%S %b %a", VOLUME).split())
    more = free * block - left
    if percent:
        used = blocks - int(node.run("stat", "-fc", "%f", VOLUME))
        more = ((used + free) * percent // 100 - used) * block
    try:
        node.run("fallocate", "--length", str(more), FILL)
        yield
    finally:
        # XFS frees a removed file's blocks later, a truncated one's at once.
        node.run("truncate", "--size", "0", FILL)
        node.run("rm", "--force", FILL)


def is_due(lab: Lab, name: str) -> None:
    """The open log is as old as the last closed one."""
    node = Node(lab, name)
    node.run("touch", "--date=-1 hour", f"/var/log/mysql/{logs(lab, name)[-2]}")


def test_while_s3_is_away_for_several_intervals_health_says_so_and_afterwards_all_arrives(
    by_hand: Steps, load: Load
) -> None:
    lab = by_hand.lab
    by_hand.run(NODE, "archive", "")
    before = objects(lab, prefix(lab, NODE))
    with s3_away(lab, NODE):
        lab.ssh(NODE, f"sudo systemctl start {TIMERS.split()[0]}")
        closed = []
        for _ in range(INTERVALS):
            load.advance()
            closed.append(close_log(lab, NODE))
        eventually(
            lambda: lab.status(NODE),
            lambda said: (
                "archive fails" in [each["case"] for each in said["problems"]]
                and said["backups"]["archive"]["failing_s"] >= INTERVALS * 10
                and said["backups"]["archive"]["waiting"] >= INTERVALS
            ),
            "a verdict that says that the archive fails, of a pass that saw all logs",
            seconds=180,
        )
        assert objects(lab, prefix(lab, NODE)) == before
    eventually(
        lambda: archive(lab, NODE),
        lambda state: state is not None and not state["waiting"] and not state["problem"],
        "nothing waits any more",
        seconds=180,
    )
    assert "archive fails" not in cases(lab, NODE)
    lab.ssh(NODE, f"sudo systemctl stop {TIMERS.split()[0]} {SERVICE}")
    by_hand.run(NODE, "archive", "")  # the stop may have cut a pass that had just closed a log
    assert set(closed) <= set(all_closed_logs_are_safe(lab, NODE))
    assert load.reckon() > 0


THROTTLED_SECONDS = 12


def test_a_pass_that_s3_throttles_goes_on_when_it_may(by_hand: Steps, table: str) -> None:
    lab = by_hand.lab
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('throttled')")
    log = close_log(lab, NODE)
    told = lab.folder / "cloud" / "daemon.log"
    begin = told.stat().st_size
    order = {"answer": "throttle", "seconds": THROTTLED_SECONDS, "actions": "GET|PUT|POST"}
    with lab.gates.fault(order):
        by_hand.run(NODE, "archive", "")
    with told.open(errors="replace") as stream:
        stream.seek(begin)
        assert "SlowDown, as ordered" in stream.read()
    assert log in all_closed_logs_are_safe(lab, NODE)


def uploads(lab: Lab) -> set[str]:
    """Keys that are being sent in parts, or were."""
    bucket = lab.outputs()["bucket"]["name"]
    listed = lab.aws("s3api", "list-multipart-uploads", "--bucket", bucket)
    return {each["Key"] for each in (listed or {}).get("Uploads", [])}


@pytest.mark.parametrize("how", ["killed", "cut off"])
def test_an_object_that_was_cut_in_its_middle_does_not_count_and_is_sent_again(
    by_hand: Steps, how: str
) -> None:
    """The answer to its first part is kept back."""
    lab = by_hand.lab
    with large_log(by_hand, NODE, 17) as log:
        key = f"{prefix(lab, NODE)}{log}.zst"
        before = objects(lab, prefix(lab, NODE))
        with lab.gates.api(after="PUT") as gate:
            lab.ssh(NODE, f"sudo systemctl start --no-block {SERVICE}")
            gate.wait("s3 PUT: 200")
            assert key in uploads(lab)
            if how == "killed":
                lab.ssh(NODE, f"sudo systemctl kill --signal=KILL {SERVICE}")
                gate.lift()
            else:
                with s3_away(lab, NODE):
                    gate.lift()
                    ended(lab)
        ended(lab)
        assert "failed" in lab.ssh(NODE, f"systemctl show --property=ActiveState {SERVICE}")
        assert objects(lab, prefix(lab, NODE)) == before
        by_hand.run(NODE, "archive", "")
        assert objects(lab, prefix(lab, NODE))[key] > 16 * MIB
        assert log in all_closed_logs_are_safe(lab, NODE)


def ended(lab: Lab) -> None:
    """Waits for the end of the pass that systemd has started."""
    eventually(
        lambda: lab.ssh(NODE, f"systemctl show --value --property=ActiveState {SERVICE}").strip(),
        lambda state: state in ("inactive", "failed"),
        "the end of the pass",
        seconds=120,
    )


@pytest.mark.parametrize("shift", ["+3600", "-3600"])
def test_from_a_host_whose_clock_is_an_hour_wrong_nothing_is_sent_and_nothing_goes(
    by_hand: Steps, table: str, shift: str
) -> None:
    lab = by_hand.lab
    with wrong_clock(lab, NODE, shift) as tool:
        eventually(
            lambda: lab.run_sql(NODE, "SELECT 1", expect=None).returncode,
            lambda code: code == 0,
            "the server",
        )
        lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('at another time')")
        log = close_log(lab, NODE)
        had, before = logs(lab, NODE), objects(lab, prefix(lab, NODE))
        words = tool.words(NODE, "/opt/mysql-ring/current/ring-node archive")
        said = parts(lab.run_on(NODE, words, expect=HOST).stderr)
        assert "RequestTimeTooSkewed" in said["found"]
        assert "clock" in said["next_step"]
        lab.ssh(NODE, tool.words(NODE, "/opt/mysql-ring/current/ring-node purge"))
        assert set(had) <= set(logs(lab, NODE))
        assert objects(lab, prefix(lab, NODE)) == before
        state = archive(lab, NODE)
        assert state is not None
        assert state["problem"]
    by_hand.wait_until_whole()
    by_hand.run(NODE, "archive", "")
    assert log in all_closed_logs_are_safe(lab, NODE)


def test_a_disk_too_full_for_a_new_log_is_freed_of_logs_that_are_safe(by_hand: Steps) -> None:
    lab = by_hand.lab
    with large_log(by_hand, NODE, 48) as log:
        eventually(
            lambda: lab.slave_status(PEER)["Relay_Master_Log_File"],
            lambda file: file > log,
            "the peer has executed it",
        )
        by_hand.run(NODE, "schedule", schedule(by_hand, NODE, archive_interval=10))
        lab.ssh(NODE, f"sudo systemctl stop {TIMERS} {SERVICE}")
        with filled(lab, NODE, left=48 * MIB):
            is_due(lab, NODE)
            still_open = logs(lab, NODE)[-1]
            said = by_hand.run(NODE, "archive", "", expect=HOST)
            assert "MiB are free" in said["found"]
            assert logs(lab, NODE)[-1] == still_open, "no log was begun"
            assert f"{prefix(lab, NODE)}{log}.json" in objects(lab, prefix(lab, NODE))
            assert log not in logs(lab, NODE), "it went before its time"
            assert "data volume critical" in cases(lab, NODE)
            by_hand.run(NODE, "archive", "")
            assert logs(lab, NODE)[-1] > still_open
        assert "data volume critical" not in cases(lab, NODE)


def test_a_pass_on_a_disk_without_any_room_ends_and_leaves_the_server_alone(
    by_hand: Steps, load: Load
) -> None:
    lab = by_hand.lab
    log = close_log(lab, NODE)
    node = Node(lab, NODE)
    with filled(lab, NODE, left=2 * MIB):
        node.run("sh", "-c", f"dd if=/dev/zero of={FILL}.more bs=64K 2>&1 || true")
        try:
            eventually(
                lambda: cases(lab, NODE),
                lambda found: {"data volume critical", "statement hangs"} <= found,
                "a server that waits for room",
                seconds=60,
            )
            assert lab.run_on(
                NODE, f"{RING_NODE} archive", expect=None, timeout=300
            ).returncode in (HOST, UNREACHABLE)
        finally:
            node.run("rm", "--force", f"{FILL}.more")
    load.advance(seconds=100)  # 5.6 looks once a minute whether there is room
    by_hand.wait_until_whole()
    by_hand.run(NODE, "archive", "")
    assert log in all_closed_logs_are_safe(lab, NODE)
    assert load.reckon() > 0


def test_logs_of_a_dead_peer_stay_until_the_disk_is_critical_and_then_only_safe_ones_go(
    by_hand: Steps, tmp_path: Path
) -> None:
    lab = by_hand.lab
    with Load([Node(lab, NODE)], tmp_path) as load:
        by_hand.run(NODE, "archive", "")
        by_hand.run(NODE, "purge", "")
        lab.ssh(PEER, "sudo systemctl stop mysql")
        unread = logs(lab, NODE)[-1]
        for _ in range(3):
            load.advance()
            close_log(lab, NODE)
        by_hand.run(NODE, "archive", "")
        had = logs(lab, NODE)
        assert had.index(unread) < len(had) - 3
        report = by_hand.run(NODE, "purge", "")
        assert "the peer cannot be asked" in str(report["notes"])
        with filled(lab, NODE, percent=85):
            assert "data volume filling" in cases(lab, NODE)
            by_hand.run(NODE, "purge", "")
            assert logs(lab, NODE)[: len(had)] == had
        with filled(lab, NODE, percent=97):
            assert "data volume critical" in cases(lab, NODE)
            not_safe = close_log(lab, NODE)
            by_hand.run(NODE, "purge", "")
            assert logs(lab, NODE)[0] == not_safe
            assert "peer given up" in cases(lab, NODE)
        lab.ssh(PEER, "sudo systemctl start mysql")
        eventually(
            lambda: lab.slave_status(PEER)["Last_IO_Errno"],
            lambda number: number == str(NOT_THERE),
            "a slave that finds nothing to go on with",
        )
        by_hand.run(PEER, f"rejoin --discard {PEER}", "")
        by_hand.run(NODE, "rejoin", "")
        by_hand.wait_until_whole()
        by_hand.run(NODE, "purge", "")
        assert "peer given up" not in cases(lab, NODE)
        for node in NODES:
            by_hand.run(node, "archive", "")
            all_closed_logs_are_safe(lab, node)
        load.nodes = [Node(lab, name) for name in NODES]
        assert load.reckon() > 0
