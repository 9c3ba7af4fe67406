"""The stand-in's API in this process, the refusals in front of it, and clients of it.

Nothing here reaches a network: boto3's requests are answered in the process. A run of the whole
tier fails unless every rule has refused a call: a rule that no test has seen is one that nobody
knows to work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_world import REGION, World
from cloud.api import objects
from cloud.aws import install
from cloud.refusals import guard
from moto import mock_aws
from moto.s3.responses import S3Response

HERE = Path(__file__).parent
LEFT_OUT = pytest.StashKey[bool]()
SILENT = pytest.StashKey[list[str]]()
SEEN: set[str] = set()
"""Rules that have refused a call of a test in this folder."""


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.config.stash[LEFT_OUT] = True


def whole_tier(session: pytest.Session) -> bool:
    """Whether every test of this folder was to run, and did."""
    files = {item.path for item in session.items}
    by_test = any("::" in argument for argument in session.config.args)
    left_out = by_test or session.config.stash.get(LEFT_OUT, session.config.option.collectonly)
    return not left_out and set(HERE.glob("test_*.py")) <= files


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.OK and whole_tier(session):
        silent = [rule.name for rule in guard.RULES if rule.name not in SEEN]
        session.config.stash[SILENT] = silent
        if silent:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for name in config.stash.get(SILENT, []):
        terminalreporter.write_line(f"FAILED {name}: no test has seen this rule refuse a call")


_moto_key_response: Any = S3Response.key_response


def _key_response(self: Any, *arguments: Any) -> Any:
    """Here an object is sent at once; a server sends it in blocks."""
    answer: Any = _moto_key_response(self, *arguments)
    status, headers, body = answer
    return status, headers, b"".join(body) if isinstance(body, objects.Content) else body


@pytest.fixture(autouse=True)
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install()
    guard.FIRED.clear()
    objects.use(tmp_path / "objects")
    monkeypatch.setattr(S3Response, "key_response", _key_response)
    with mock_aws():
        yield
    SEEN.update(guard.FIRED)


@cache
def client(service: str) -> Any:
    """A client of the operator. Making one takes a second, so each is made once."""
    return boto3.client(
        service,
        region_name=REGION,
        aws_access_key_id="lab",
        aws_secret_access_key="lab",  # noqa: S106 (the lab's own)
    )


@pytest.fixture
def ec2() -> Any:
    return client("ec2")


@pytest.fixture
def iam() -> Any:
    return client("iam")


@pytest.fixture
def sts() -> Any:
    return client("sts")


@pytest.fixture
def s3() -> Any:
    return client("s3")


@pytest.fixture
def world(ec2: Any) -> World:
    return World(ec2)
