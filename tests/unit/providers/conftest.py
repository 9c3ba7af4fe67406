"""Provider stand-ins against the stand-in's API in this process: no network, engine or hosts."""

from collections.abc import Iterator

import pytest
from cloud.aws import install
from moto import mock_aws
from provider_engine import Engine, shared


@pytest.fixture(scope="module")
def cloud() -> Iterator[None]:
    """The API, once per file: making its backends anew takes longer than most tests."""
    install()
    with mock_aws():
        yield


@pytest.fixture
def aws(cloud: None) -> Engine:  # noqa: ARG001
    return Engine(shared())
