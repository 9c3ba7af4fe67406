"""The stand-in's API in this process, the refusals in front of it, and clients of it.

Nothing here reaches a network: boto3's requests are answered in the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_world import REGION, World
from cloud.api import objects
from cloud.aws import install
from moto import mock_aws
from moto.s3.responses import S3Response

_moto_key_response = S3Response.key_response


def _key_response(self: Any, *arguments: Any) -> Any:
    """Here an object is sent at once; a server sends it in blocks."""
    status, headers, body = _moto_key_response(self, *arguments)
    return status, headers, b"".join(body) if isinstance(body, objects.Content) else body


@pytest.fixture(autouse=True)
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install()
    objects.use(tmp_path / "objects")
    monkeypatch.setattr(S3Response, "key_response", _key_response)
    with mock_aws():
        yield


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
