"""Provider stand-ins against moto in this process: no network, no engine."""

from collections.abc import Iterator

import pytest
from moto import mock_aws
from provider_engine import Engine, shared


@pytest.fixture
def aws() -> Iterator[Engine]:
    with mock_aws():
        yield Engine(shared())
