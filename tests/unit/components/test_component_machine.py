"""What the machine that runs Pulumi lacks is seen before anything is made, and named."""

import socket
from pathlib import Path
from typing import Any

import pytest
from bare_machine import strip
from conftest import ring_args

from components.guard import flaws, with_losses
from components.keys import why_no_key
from components.problems import Problem
from components.standing import Standing

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def forgotten() -> Any:
    why_no_key.cache_clear()
    yield
    why_no_key.cache_clear()


def found(standing: Standing) -> list[Problem]:
    return with_losses([], standing, ring_args(), "eu-central-1")


def test_an_agent_that_does_not_answer_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "agent"
    monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    (problem,) = flaws("ring", ring_args(), "eu-central-1")
    assert str(place) in problem.found
    assert "unset SSH_AUTH_SOCK" in problem.expected
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(place))
        (closed,) = flaws("ring", ring_args(), "eu-central-1")
        assert "refused" in closed.found
        agent.listen()
        assert flaws("ring", ring_args(), "eu-central-1") == []


def test_a_path_that_no_socket_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/" + "a" * 200)
    (problem,) = flaws("ring", ring_args(), "eu-central-1")
    assert "too long" in problem.found


def test_a_first_update_without_a_python_that_makes_keys_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(Standing()) == []
    why_no_key.cache_clear()
    strip(tmp_path, monkeypatch)
    (problem,) = found(Standing())
    assert problem.setting == "scripts/keys"
    assert "the package cryptography" in problem.expected
    assert "pip install -r requirements.txt" in problem.expected
    assert found(Standing(zone="eu-central-1a")) == []
