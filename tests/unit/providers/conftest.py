"""Provider stand-ins against the stand-in's API in this process: no network, engine or hosts."""

from collections.abc import Iterator

import pytest
from cloud.api import objects
from cloud.aws import install
from moto import mock_aws
from provider_engine import Engine, shared


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The API, once per file: making its backends anew takes longer than most tests."""
    install()
    objects.use(tmp_path_factory.mktemp("objects"))
    with mock_aws():
        yield


@pytest.fixture
def aws(cloud: None) -> Engine:  # noqa: ARG001
    return Engine(shared())
