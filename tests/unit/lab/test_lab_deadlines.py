"""A program that does not end in time ends the command with a next step, not with a traceback."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cloud.bench import run as bench
from cloud.cli import pending, stack
from cloud.cli.errors import FAILED, LabError
from cloud.commands import main
from cloud.lab import Lab

pytestmark = pytest.mark.unit
URN = "urn:pulumi:lab::mysql-ring::aws:ec2/vpc:Vpc::client"
VPC = {"urn": URN, "type": "aws:ec2/vpc:Vpc", "id": "vpc-1", "custom": True}
LEFT = {"resources": [VPC], "pending_operations": [{"type": "deleting", "resource": VPC}]}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path / "lab", tmp_path / "cache", tmp_path)
    made.create()
    (made.folder / "toolchain").write_text("/cache/pulumi")
    made.stack_file.parent.mkdir(parents=True)
    made.stack_file.write_text(json.dumps({"checkpoint": {"latest": LEFT}}))
    return made


def test_a_pulumi_that_hangs_is_ended_and_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "argv_in_world", lambda _lab, _argv: ["sleep", "60"])
    with pytest.raises(LabError) as found:
        stack.run(lab, ["pulumi", "stack", "output", "--json"], 0.1)
    assert "`pulumi stack output` did not end within 0.1 s" in str(found.value)
    assert "run the command again" in str(found.value)


def test_outputs_that_do_not_come_are_an_error_with_a_next_step(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "argv_in_world", lambda _lab, _argv: ["sleep", "60"])
    monkeypatch.setattr(stack, "OUTPUT_SECONDS", 0.1)
    with pytest.raises(LabError, match="run the command again"):
        stack.outputs(lab)


def test_a_refresh_of_what_a_killed_update_left_may_take_longer_than_other_commands(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed: dict[str, float] = {}

    def run(_lab: Lab, argv: list[str], seconds: float, _stdin: str = "") -> Any:
        allowed[argv[1]] = seconds
        return subprocess.CompletedProcess(argv, 0, json.dumps({"deployment": LEFT}), "")

    monkeypatch.setattr(stack, "run", run)
    pending.settle(lab, lambda _text: None)
    assert allowed["refresh"] >= 4 * allowed["stack"]


def test_a_command_that_waited_in_vain_ends_with_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object) -> None:
        raise subprocess.TimeoutExpired(["nsenter", "--", "sh", "-c", "a\nb", "pulumi", "up"], 900)

    monkeypatch.setattr(bench, "bench", hang)
    result = CliRunner().invoke(main, ["bench"])
    assert result.exit_code == FAILED
    assert isinstance(result.exception, SystemExit)
    assert "did not end within 900 s" in result.output
    assert "pulumi up" in result.output
    assert "Traceback" not in result.output
