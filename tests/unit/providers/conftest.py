"""Provider stand-ins against moto in this process: no network, no engine."""

from collections.abc import Iterator

import pytest
from moto import mock_aws
from provider_engine import Engine, shared


@pytest.fixture(scope="module")
def cloud() -> Iterator[None]:
    """moto, once per file: making its backends anew takes longer than most tests."""
    with mock_aws():
        yield


@pytest.fixture
def aws(cloud: None) -> Engine:  # noqa: ARG001
    return Engine(shared())
