"""A host behind a proxy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud.providers.command.provider import CommandProvider
from cloud.providers.resource import ProviderError
from provider_engine import Engine
from ssh_host import SshHost

pytestmark = pytest.mark.unit
COMMAND = "command:remote:Command"


@pytest.fixture
def remote() -> Engine:
    return Engine(CommandProvider())


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SshHost]:
    host = SshHost(tmp_path)
    yield host
    host.close()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[SshHost]:
    (tmp_path / "proxy").mkdir()
    host = SshHost(tmp_path / "proxy")
    yield host
    host.close()


def run(remote: Engine, connection: dict[str, Any]) -> str:
    return remote.create(COMMAND, connection=connection, create="echo a").state["stdout"]


def test_a_proxy_is_the_way_to_the_host(remote: Engine, host: SshHost, proxy: SshHost) -> None:
    assert run(remote, host.connection(proxy=proxy.connection())) == "a"
    assert proxy.forwarded == [("127.0.0.1", host.port)]


def test_host_and_proxy_are_each_verified(remote: Engine, host: SshHost, proxy: SshHost) -> None:
    wrong = proxy.connection(hostKey=host.public_key, dialErrorLimit=0)
    with pytest.raises(ProviderError, match=r"^proxy: .*host key mismatch"):
        run(remote, host.connection(proxy=wrong))
    with pytest.raises(ProviderError, match=r"^proxy: .*host key mismatch"):
        run(
            remote,
            host.connection(hostKey=proxy.public_key, dialErrorLimit=0, proxy=proxy.connection()),
        )


def test_proxy_and_host_have_attempts_of_their_own(
    remote: Engine, host: SshHost, tmp_path: Path
) -> None:
    (tmp_path / "proxy").mkdir()
    proxy = SshHost(tmp_path / "proxy", refusals=2)
    proxy.forwards_refused = 1
    try:
        way = proxy.connection(dialErrorLimit=2)
        assert run(remote, host.connection(proxy=way)) == "a"
    finally:
        proxy.close()
    assert remote.lines[:3] == [
        ("info", "Dial proxy 1/2 failed: retrying"),
        ("info", "Dial proxy 2/2 failed: retrying"),
        ("info", "Dial from proxy 1/1 failed: retrying"),
    ]


def test_no_connection_to_a_proxy_outlives_the_command(
    remote: Engine, host: SshHost, proxy: SshHost
) -> None:
    run(remote, host.connection(proxy=proxy.connection()))
    for transport in proxy.transports:
        transport.join(5)
    assert not any(transport.is_active() for transport in proxy.transports)
