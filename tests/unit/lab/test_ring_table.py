"""The table at the end of `scripts/lab up`, from answers as the nodes give them."""

import io
from typing import Any

import pytest
from cloud.cli.stack import Update
from cloud.cli.table import print_next, print_ring, print_timings
from cloud.cli.timings import Timings
from rich.console import Console
from ring_nodes import node

pytestmark = pytest.mark.unit


def status(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "verb": "status",
        "server_id": number,
        "version": "5.6.24-log",
        "healthy": True,
        "problems": [],
        "gate": "open",
        "gate_why": None,
        "slave": {"io": "Yes", "sql": "Yes", "ssl_allowed": True},
        "heartbeat_age_ms": 612.4,
        **changes,
    }


NODES = {"node-1": node(1), "node-2": node(2)}
VERIFIED = {
    "node-1": {"lag_to_peer_ms": 11.7, "lag_from_peer_ms": 9.1},
    "node-2": {"lag_to_peer_ms": 8.2, "lag_from_peer_ms": 12.0},
}


def printed(states: dict[str, Any], verified: dict[str, Any] = VERIFIED) -> dict[str, list[str]]:
    out = Console(file=io.StringIO(), width=120)
    print_ring(out, NODES, states, verified)
    assert isinstance(out.file, io.StringIO)
    rows = {}
    for line in out.file.getvalue().splitlines():
        cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
        if len(cells) == 3:
            rows[cells[0]] = cells[1:]
    return rows


def test_the_table_has_both_nodes_with_all_that_proves_the_ring() -> None:
    assert printed({"node-1": status(1), "node-2": status(2, heartbeat_age_ms=40.0)}) == {
        "verdict": ["healthy", "healthy"],
        "gate": ["open", "open"],
        "client address": ["192.168.100.11", "192.168.100.12"],
        "replication address": ["10.10.1.11", "10.10.1.12"],
        "public address": ["203.0.113.1", "203.0.113.2"],
        "instance": ["i-00000000000000001", "i-00000000000000002"],
        "server id": ["1", "2"],
        "MySQL": ["5.6.24-log", "5.6.24-log"],
        "threads (IO / SQL)": ["Yes / Yes", "Yes / Yes"],
        "replicates over TLS": ["Yes", "Yes"],
        "heartbeat from the peer": ["0.6 s old", "0.0 s old"],
        "row written here, read there": ["after 12 ms", "after 8 ms"],
    }


def test_a_node_that_does_not_replicate_is_shown_as_it_is() -> None:
    rows = printed(
        {
            "node-1": status(1, slave=None, heartbeat_age_ms=None),
            "node-2": status(2, slave={"io": "Connecting", "sql": "Yes", "ssl_allowed": False}),
        }
    )
    assert rows["threads (IO / SQL)"] == ["not configured", "Connecting / Yes"]
    assert rows["replicates over TLS"] == ["No", "No"]
    assert rows["heartbeat from the peer"] == ["none", "0.6 s old"]


def test_what_is_wrong_with_a_node_stands_below_the_table_with_the_next_step() -> None:
    problem = {"case": "disk low", "text": "the disk is [full]", "next_step": "make room"}
    sick = status(2, healthy=False, problems=[problem], gate="closed", gate_why="it catches up")
    del sick["version"], sick["slave"], sick["heartbeat_age_ms"]  # its server did not answer
    out = Console(file=io.StringIO(), width=120)
    print_ring(out, NODES, {"node-1": status(1), "node-2": sick}, VERIFIED)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert "1 problem, see below" in text
    assert "closed: it catches up" in text
    assert "node-2: the disk is [full]\n  next step: make room\n" in text
    assert "node-1:" not in text


def test_a_node_that_does_not_answer_is_shown_beside_the_one_that_does() -> None:
    rows = printed({"node-1": status(1)}, verified={})
    assert rows["verdict"] == ["healthy", "no answer"]
    assert rows["gate"] == ["open", "no answer"]
    assert rows["instance"] == ["i-00000000000000001", "i-00000000000000002"]
    assert rows["row written here, read there"] == ["not tried", "not tried"]


def test_a_heartbeat_from_the_future_is_not_shown_as_a_young_one() -> None:
    rows = printed({"node-1": status(1), "node-2": status(2, heartbeat_age_ms=-3600000.0)})
    assert rows["heartbeat from the peer"] == ["0.6 s old", "3600.0 s ahead of this clock"]


def test_what_to_try_next_names_no_password() -> None:
    out = Console(file=io.StringIO(), width=200)
    outputs = {
        "nodes": NODES,
        "port": 3306,
        "users": {"application": ["app"], "root": "root"},
        "passwords": {"app": "hunter2", "root": "hunter3"},
        "sshPrivateKey": "hunter4",
    }
    print_next(out, outputs)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert "scripts/lab mysql node-1" in text
    assert "192.168.100.11:3306 as app" in text
    assert "hunter" not in text


def test_the_slowest_steps_are_shown_below_the_phase_they_belong_to() -> None:
    out = Console(file=io.StringIO(), width=100)
    timings = Timings({"set-up": 30.0, "pulumi up": 40.0}, {"base": 25.0})
    steps = {f"step-{number}": float(number) for number in range(12)}
    print_timings(out, timings, Update({"create": 12}, steps))
    assert isinstance(out.file, io.StringIO)
    lines = [line.split() for line in out.file.getvalue().splitlines() if line.strip()]
    names = [line[0] for line in lines if len(line) in (2, 3)]
    assert names.index("set-up") < names.index("base") < names.index("pulumi")
    shown = [name for name in names if name.startswith("step-")]
    assert shown == [f"step-{number}" for number in range(11, 3, -1)]
