"""The ways to a host besides a key given in the program: an agent's key, a proxy."""

import os
import re
import subprocess
import time
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
def remote(monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
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


@pytest.fixture
def agent(tmp_path: Path, host: SshHost) -> Iterator[str]:  # noqa: ARG001 (writes the key)
    """A real ssh-agent that holds the client's key."""
    path = str(tmp_path / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    key = tmp_path / "client.key"
    key.chmod(0o600)
    environment = {**os.environ, "SSH_AUTH_SOCK": path}
    started = time.monotonic()
    while not os.path.exists(path):
        assert time.monotonic() - started < 10, "ssh-agent did not start"
        time.sleep(0.01)
    subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True, timeout=10)
    yield path
    process.terminate()
    process.wait(timeout=10)


def run(remote: Engine, connection: dict[str, Any]) -> str:
    return remote.create(COMMAND, connection=connection, create="echo a").state["stdout"]


def test_an_agent_named_in_the_connection_has_the_key(
    remote: Engine, host: SshHost, agent: str
) -> None:
    assert run(remote, host.connection(privateKey=None, agentSocketPath=agent)) == "a"


def test_the_agent_of_the_environment_has_the_key(
    remote: Engine, host: SshHost, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", agent)
    assert run(remote, host.connection(privateKey=None)) == "a"


def test_an_agent_that_is_not_there_is_an_error_that_names_its_socket(
    remote: Engine, host: SshHost, tmp_path: Path
) -> None:
    missing = str(tmp_path / "no-agent")
    with pytest.raises(ProviderError, match=f"dial unix {re.escape(missing)}"):
        run(remote, host.connection(agentSocketPath=missing, dialErrorLimit=0))


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
