"""`scripts/lab status`: what it shows and how it ends, for every way that nodes answer."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cloud.cli import errors, show
from cloud.cli.errors import LabError
from cloud.cli.nodes import Nodes
from cloud.commands import main
from ring_nodes import node

pytestmark = pytest.mark.unit
Answer = dict[str, Any] | LabError
SILENT = LabError("node-2 did not answer `status` within 60 s; expected its state; look at it")


def state(**changes: Any) -> dict[str, Any]:
    healthy = {"healthy": True, "problems": [], "gate": "open", "gate_why": None}
    return {**healthy, "version": "5.6.24-log", **changes}


class Ring(Nodes):
    """Two nodes that answer as a test says; it notes what they were asked."""

    def __init__(self, status: dict[str, Answer], verify: dict[str, Answer]) -> None:
        self.all = {"node-1": node(1), "node-2": node(2)}
        self.outputs = {"nodes": self.all, "port": 3306, "users": {"application": ["app"]}}
        self.said = {"status": status, "verify": verify}
        self.asked: list[str] = []

    def tool(self, name: str, verb: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
        assert (document is not None) == (verb == "verify")
        self.asked.append(verb)
        answer = self.said[verb][name]
        if isinstance(answer, LabError):
            raise answer
        return answer


VERIFIED: dict[str, Answer] = {"node-1": {"lag_to_peer_ms": 11}, "node-2": {"lag_to_peer_ms": 8}}


def shown(monkeypatch: pytest.MonkeyPatch, ring: Ring) -> Result:
    monkeypatch.setattr(show, "require_up", lambda _lab: None)
    monkeypatch.setattr(show, "Nodes", lambda _lab: ring)
    return CliRunner().invoke(main, ["status"], env={"COLUMNS": "120"})


def test_a_healthy_ring_is_shown_with_a_row_that_went_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = shown(monkeypatch, Ring({"node-1": state(), "node-2": state()}, VERIFIED))
    assert result.exit_code == errors.DONE, result.output
    assert "after 11 ms" in result.output
    assert "scripts/lab mysql node-1" in result.output


def test_a_problem_is_shown_with_its_next_step_and_no_row_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = {"case": "disk low", "text": "the disk is full", "next_step": "make room"}
    sick = state(healthy=False, problems=[problem], gate="closed", gate_why="it catches up")
    ring = Ring({"node-1": state(), "node-2": sick}, {})
    result = shown(monkeypatch, ring)
    assert result.exit_code == errors.UNHEALTHY, result.output
    assert "node-2: the disk is full" in result.output
    assert "not tried" in result.output
    assert "verify" not in ring.asked


def test_a_node_that_does_not_answer_does_not_hide_the_other_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = shown(monkeypatch, Ring({"node-1": state(), "node-2": SILENT}, {}))
    assert result.exit_code == errors.UNHEALTHY, result.output
    assert "healthy" in result.output
    assert str(SILENT) in result.output


def test_nodes_that_call_themselves_healthy_and_lose_a_row_are_not_a_success(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost = LabError("`verify` on node-2 ended with 8: the row did not arrive; expected 0; look")
    answers = {"node-1": VERIFIED["node-1"], "node-2": lost}
    result = shown(monkeypatch, Ring({"node-1": state(), "node-2": state()}, answers))
    assert result.exit_code == errors.UNHEALTHY, result.output
    assert "the row did not arrive" in result.output


def test_where_nothing_is_up_the_next_step_is_named(tmp_path: Path) -> None:
    surroundings = {"MYSQL_RING_LAB": str(tmp_path / "lab")}
    result = CliRunner().invoke(main, ["status"], env=surroundings)
    assert result.exit_code == errors.NOT_UP
    assert "run `scripts/lab up`" in result.output
    assert not (tmp_path / "lab").exists()
