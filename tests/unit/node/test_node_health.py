"""The verdict: facts of a node in, what is wrong with it out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ring_node.mysql.conflicts import Conflict, Conflicts
from ring_node.mysql.shows import Coordinates
from ring_node.ring.health import (
    Beats,
    Disk,
    Facts,
    Server,
    Tables,
    Unanswered,
    notes,
    problems,
    unapplied,
)
from states import TORN_LOG, slave

pytestmark = pytest.mark.unit

GIB = 1 << 30
SERVER = Server(1, "uuid-of-me", "5.6.24-log", "YES", read_only=False, uptime_s=900)
HEALTHY = Facts(
    node="node-1",
    peer="node-2",
    disks=(Disk("/", 5 * GIB, 10 * GIB, "rootVolumeGib"),),
    server=SERVER,
    log_end=Coordinates("bin.000003", 900),
    slave=slave(),
    beats=Beats(0.4, 0.7),
    clock_difference=0.002,
)
DOWN = replace(HEALTHY, server=None, slave=None, log_end=None, beats=None)
AHEAD = Coordinates("bin.000009", 4000)
LOCKED = "Waiting for table metadata lock"


def facts(of: Facts = HEALTHY, **changes: Any) -> Facts:
    return replace(of, **changes)


def volume(free: int, size: int) -> tuple[Disk, ...]:
    return (Disk("/srv/mysql-ring", free, size, "dataVolumeGib"),)


SICK = {
    "the volume is not mounted": (
        facts(DOWN, mounted=False, initialised=False, admitted=False, service="inactive"),
        ["volume not mounted", "server down"],
        "mysql-ring-volume",
    ),
    "a volume that was detached under its server": (
        facts(
            DOWN, mounted=False, initialised=False, admitted=False, service="inactive",
            volume_broken="[Errno 5] Input/output error: '/srv/mysql-ring'",
        ),
        ["volume broken", "server down"],
        "Input/output error",
    ),
    "the disk of a small volume": (
        facts(disks=volume(GIB, 20 * GIB)), ["disk low"], "1024 MiB of 20480 MiB are free",
    ),
    "the disk of a large volume": (
        facts(disks=volume(9 * GIB, 1000 * GIB)), ["disk low"], "dataVolumeGib",
    ),
    "a disk that does not answer": (
        facts(host_silent="looking at the host was not done"), ["host hangs"], "not done",
    ),
    "no MySQL": (
        facts(DOWN, installed=False, initialised=False, admitted=False, service="absent"),
        ["server absent", "not joined"],
        "MySQL is not installed",
    ),
    "no data yet": (
        facts(DOWN, initialised=False, admitted=False, service="inactive"),
        ["server absent", "not joined"],
        "no data directory",
    ),
    "a new host whose update has not come so far as to name the peer": (
        facts(peer=None, gate="closed"), ["not joined"], "no record of its peer",
    ),
    "a server that is down": (
        facts(DOWN, service="failed"), ["server down"], "mysql.service is failed",
    ),
    "a server that starts": (
        facts(DOWN, service="activating", silent="no such file"), ["server silent"], "no such file",
    ),
    "a server that is stopped by a signal": (
        facts(DOWN, silent="nothing came"), ["server silent"], "nothing came",
    ),
    "a server without one connection left": (
        facts(DOWN, all_taken=True, silent="too many"), ["connections taken"], "root's spare one",
    ),
    "a server with root's connection left": (
        facts(server=replace(SERVER, connections=151)), ["connections taken"], "151 connections",
    ),
    "an agent that does not run": (
        facts(agent_service="failed", agent_silent="it was last heard of 90 s ago"),
        ["agent down"],
        "it is failed",
    ),
    "an agent that says nothing": (
        facts(agent_silent="it was last heard of 90 s ago"), ["agent silent"], "90 s ago",
    ),
    "a node that is being filled": (
        facts(admitted=False, gate="closed"), ["not joined"], "node-1 has not joined",
    ),
    "a gate that is closed": (
        facts(gate="closed", gate_why="3 MB to go", server=replace(SERVER, read_only=True)),
        ["gate closed"],
        "clients are turned away: 3 MB to go",
    ),
    "a gate that cannot be looked at": (
        facts(gate="unknown: no nft", gate_why="?"), ["gate closed"], "unknown: no nft",
    ),
    "behind a gate that is closed nobody beats": (
        facts(gate="closed", beats=Beats(None, 0.4)), ["gate closed"], "clients",
    ),
    "read_only by hand": (
        facts(server=replace(SERVER, read_only=True)), ["read only"], "read_only is 1",
    ),
    "no binary log": (
        facts(log_end=None), ["no binary log"], "rejoin --discard node-2",
    ),
    "no slave": (facts(slave=None), ["no slave"], "node-1 replicates from nobody"),
    "STOP SLAVE that waits": (
        facts(slave=None, unanswered=(Unanswered("SHOW SLAVE STATUS", "`STOP SLAVE` of root"),)),
        ["statement hangs"],
        "SHOW SLAVE STATUS gets no answer: `STOP SLAVE` of root",
    ),
    "a disk without room for the log": (
        facts(log_end=None, unanswered=(Unanswered("SHOW MASTER STATUS", "nothing came"),)),
        ["statement hangs"],
        "nothing came",
    ),
    "an IO thread that gave up without an error": (
        facts(slave=slave(io_running="No")), ["IO thread"], "has given up",
    ),
    "an IO thread that cannot read on": (
        facts(slave=slave(io_running="No", io_errno=1236, io_error="purged")),
        ["IO thread"],
        "error 1236: purged",
    ),
    "the peer's log ends in the middle of an event": (
        facts(slave=slave(io_running="No", io_errno=1236, io_error=TORN_LOG)),
        ["IO thread"],
        "MASTER_LOG_FILE = 'bin.000003', MASTER_LOG_POS = 4",
    ),
    "an IO thread that connects": (
        facts(slave=slave(io_running="Connecting", io_errno=2003, io_error="refused")),
        ["IO thread"],
        "Connecting, error 2003: refused",
    ),
    "an SQL thread with an error": (
        facts(slave=slave(sql_running="No", sql_errno=1050, sql_error="exists")),
        ["SQL thread"],
        "error 1050: exists",
    ),
    "a statement that was run on both nodes": (
        facts(slave=slave(sql_running="No", sql_errno=1396, sql_error="CREATE USER failed")),
        ["SQL thread"],
        "SET GLOBAL sql_slave_skip_counter = 1; START SLAVE. Otherwise resolve what it names",
    ),
    "a slave without TLS": (facts(slave=slave(ssl_allowed=False)), ["no TLS"], "without TLS"),
    "a slave behind a lock": (
        facts(slave=slave(sql_state=LOCKED), held_up_by="an open transaction of app@10.0.0.5"),
        ["slave held up"],
        f"({LOCKED}); what may hold it up: an open transaction of app@10.0.0.5",
    ),
    "far behind": (
        facts(slave=slave(seconds_behind=600), unapplied=7_000_000),
        ["behind"],
        "7000000 bytes that came from node-2 are not applied yet, and it is 600 s behind",
    ),
    "a peer that is silent": (
        facts(beats=Beats(0.4, 12.0), peer_problem="no route"),
        ["peer silent"],
        "was last seen 12 s ago to change here; its server cannot be asked: no route",
    ),
    "a peer whose clock is ahead is as silent": (
        facts(beats=Beats(0.4, 12.0), clock_difference=3600.0),
        ["peer silent", "clocks differ"],
        "was last seen 12 s ago",
    ),
    "a peer that was not seen at all": (
        facts(beats=Beats(0.0, None, watched=4.0)), ["peer silent"], "was not seen in 4 s",
    ),
    "a node that does not beat": (
        facts(beats=Beats(31.0, 0.2, own_problem="read only")), ["no heartbeat"], ": read only",
    ),
    "a peer's clock that is ahead": (
        facts(clock_difference=3600.0), ["clocks differ"], "3600.0 s ahead of this host's",
    ),
    "a peer's clock that is behind": (
        facts(clock_difference=-1.5), ["clocks differ"], "1.5 s behind this host's",
    ),
    "rows that were passed over": (
        facts(
            conflicts=Conflicts(
                counts={"1032 app.a": 2, "1062 app.b": 5},
                last=Conflict("2026-11-26 00:02:33", "app.b", 1062, "Duplicate entry '7'"),
            )
        ),
        ["conflicts"],
        "7 rows that came from node-2 did not fit and were passed over, by error and table: "
        "1062 app.b (5), 1032 app.a (2); the last at 2026-11-26 00:02:33: Duplicate entry '7'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("found", "cases", "said"), SICK.values(), ids=SICK)
def test_what_is_wrong_is_said_with_its_cause_and_a_next_step(
    found: Facts, cases: list[str], said: str
) -> None:
    result = problems(found)
    assert [each.case for each in result] == cases
    assert any(said in text for each in result for text in (each.text, each.next_step))
    assert all(each.next_step for each in result)


SOUND = {
    "all is well": HEALTHY,
    "a peer whose clock is ten seconds behind and whose row changes is alive": facts(
        beats=Beats(0.4, 4.9), clock_difference=0.9
    ),
    "a slave that has much to apply and came by it a moment ago": facts(
        slave=slave(seconds_behind=29), unapplied=1 << 30
    ),
    "a slave that is behind by the clock and has nothing to apply": facts(
        slave=slave(seconds_behind=3600), unapplied=0
    ),
    "a lock that the slave gets": facts(slave=slave(sql_state=LOCKED)),
    "a tenth of a volume is free": facts(disks=volume(2 * GIB, 20 * GIB)),
    "10 GiB of a large volume are free": facts(disks=volume(10 * GIB, 1000 * GIB)),
    "tables that replicate badly": facts(tables=Tables(("app.m",), 49, 3)),
    "a host that no ring was named to": Facts(server=SERVER, agent_service="inactive"),
}


@pytest.mark.parametrize("found", SOUND.values(), ids=SOUND)
def test_a_node_that_works_has_no_problem(found: Facts) -> None:
    assert problems(found) == []


def test_what_is_worth_knowing_is_a_note() -> None:
    memory = tuple(f"app.m{number}" for number in range(7))
    said = notes(
        facts(
            tables=Tables(memory, 49, 3),
            conflicts=Conflicts(passed_over=5 << 20),
            restart_due=True,
            edited=True,
            not_looked_at=("the tables: nothing came",),
        )
    )
    text = "\n".join(said)
    assert "app.m0, app.m1, app.m2, app.m3, app.m4 and 2 more" in text
    for part in (
        "49 MyISAM",
        "3 tables without",
        "5 MiB of",
        "waits for its restart",
        "changed it by hand",
        "nothing came",
    ):
        assert part in text
    assert notes(HEALTHY) == []


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, 0),
        ({"read": Coordinates("bin.000002", 1345)}, 1000),
        ({"read": AHEAD, "relay_space": 9000, "relay_offset": 4000}, 5000),
        ({"read": AHEAD, "sql_state": "Slave has read all relay log; waiting"}, 0),
        ({"read": Coordinates("", 4)}, 0),
    ],
    ids=["nothing", "of one log", "of two logs", "half a transaction", "never connected"],
)
def test_bytes_that_came_and_are_not_applied_are_counted(
    changes: dict[str, Any], left: int
) -> None:
    assert unapplied(slave(**changes)) == left
