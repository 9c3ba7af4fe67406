import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cloud.providers.command.connection import PER_DIAL_SECONDS
from cloud.providers.command.provider import CommandProvider
from cloud.providers.resource import ProviderError
from cloud.providers.values import Asset, Secret
from provider_engine import Engine
from ssh_host import SshHost

pytestmark = pytest.mark.unit
COMMAND = "command:remote:Command"
COPY = "command:remote:CopyToRemote"


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


def tree(folder: Path) -> list[str]:
    return sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file())


def archive(path: str, content: str = "hash") -> Asset:
    return Asset(True, (("hash", content), ("path", path)))


def test_a_command_gets_its_input_and_gives_its_output(remote: Engine, host: SshHost) -> None:
    made = remote.create(
        COMMAND,
        connection=Secret(host.connection()),
        create="cat; echo; echo $LC_OK; echo err >&2",
        stdin=Secret("hidden"),
        environment={"LC_OK": "yes"},
    )
    assert (made.state["stdout"], made.state["stderr"]) == ("hidden\nyes", "err")
    assert isinstance(made.state["connection"], Secret)


def test_a_failure_shows_command_output_and_exit_status(remote: Engine, host: SshHost) -> None:
    with pytest.raises(ProviderError) as raised:
        remote.create(COMMAND, connection=host.connection(), create="echo out; exit 4")
    text = str(raised.value)
    assert text == 'Process exited with status 4: running "echo out; exit 4":\nout\n'


def test_a_variable_that_the_host_refuses_is_an_error(remote: Engine, host: SshHost) -> None:
    with pytest.raises(ProviderError, match='"OTHER": ssh: setenv failed'):
        remote.create(
            COMMAND, connection=host.connection(), create="true", environment={"OTHER": "x"}
        )


def test_previous_output_that_the_host_refuses_is_a_warning(remote: Engine, host: SshHost) -> None:
    made = remote.create(COMMAND, connection=host.connection(), create="echo one")
    assert remote.update(made, create="echo two").state["stdout"] == "two"
    assert [severity for severity, _ in remote.lines].count("warning") == 1


def test_a_wrong_host_key_is_refused(remote: Engine, host: SshHost) -> None:
    other = paramiko.ECDSAKey.generate()
    connection = host.connection(hostKey=f"{other.get_name()} {other.get_base64()}")
    with pytest.raises(ProviderError, match="host key mismatch"):
        remote.create(COMMAND, connection=connection, create="true")


def test_a_host_without_a_given_key_is_not_verified(remote: Engine, host: SshHost) -> None:
    made = remote.create(COMMAND, connection=host.connection(hostKey=None), create="echo a")
    assert made.state["stdout"] == "a"


def test_a_key_that_the_host_does_not_know_is_refused(
    remote: Engine, host: SshHost, tmp_path: Path
) -> None:
    paramiko.ECDSAKey.generate().write_private_key_file(str(tmp_path / "other.key"))
    other = host.connection(privateKey=(tmp_path / "other.key").read_text(), dialErrorLimit=0)
    with pytest.raises(ProviderError, match="unable to authenticate"):
        remote.create(COMMAND, connection=other, create="true")


def test_a_key_with_a_password_is_refused(remote: Engine, host: SshHost, tmp_path: Path) -> None:
    host.client_key.write_private_key_file(str(tmp_path / "other.key"), password="hidden")  # noqa: S106
    closed = host.connection(privateKey=(tmp_path / "other.key").read_text())
    with pytest.raises(ProviderError, match=r"connection\.privateKey is encrypted"):
        remote.create(COMMAND, connection=closed, create="true")


@pytest.mark.parametrize("name", ["agentSocketPath", "password", "privateKeyPassword"])
def test_another_way_to_prove_who_one_is_is_refused_by_name(
    remote: Engine, host: SshHost, name: str
) -> None:
    found = remote.refusals(COMMAND, connection=host.connection(**{name: "x"}), create="true")
    assert list(found) == [f"connection.{name}"]


def test_an_agent_that_the_environment_names_has_to_answer(
    remote: Engine, host: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "agent"
    monkeypatch.setenv("SSH_AUTH_SOCK", str(place))
    with pytest.raises(ProviderError) as raised:
        remote.create(COMMAND, connection=host.connection(), create="true")
    assert str(raised.value) == f"dial unix {place}: connect: no such file or directory"
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(place))
        agent.listen()
        remote.create(COMMAND, connection=host.connection(), create="true")


def test_a_key_that_is_none_is_refused_and_not_shown(remote: Engine, host: SshHost) -> None:
    with pytest.raises(ProviderError, match=r"connection\.privateKey") as raised:
        remote.create(COMMAND, connection=host.connection(privateKey="no key"), create="true")
    assert "no key" not in str(raised.value)


def test_dialling_goes_on_until_the_host_answers(remote: Engine, tmp_path: Path) -> None:
    host = SshHost(tmp_path, refusals=2)
    try:
        connection = host.connection(dialErrorLimit=2)
        assert remote.create(COMMAND, connection=connection, create="echo a").state["stdout"] == "a"
    finally:
        host.close()
    assert ("info", "Dial 1/2 failed: retrying") in remote.lines


def test_dialling_ends_at_the_limit(remote: Engine, host: SshHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    connection = host.connection(port=port, dialErrorLimit=2)
    with pytest.raises(ProviderError, match=r"after 2 failed attempts: .*connection refused"):
        remote.create(COMMAND, connection=connection, create="true")


def test_a_host_that_does_not_speak_ends_a_dial_in_time(remote: Engine, host: SshHost) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        connection = host.connection(port=port, dialErrorLimit=0, perDialTimeout=1)
        started = time.monotonic()
        with pytest.raises(ProviderError, match="after 0 failed attempts"):
            remote.create(COMMAND, connection=connection, create="true")
    assert time.monotonic() - started < PER_DIAL_SECONDS


def test_delete_runs_on_the_host(remote: Engine, host: SshHost, tmp_path: Path) -> None:
    made = remote.create(
        COMMAND, connection=host.connection(), create="true", delete=f"touch {tmp_path}/gone"
    )
    remote.delete(made)
    assert (tmp_path / "gone").exists()


def test_a_change_of_the_connection_is_an_update(remote: Engine, host: SshHost) -> None:
    made = remote.create(COMMAND, connection=Secret(host.connection()), create="true")
    other = Secret({**made.inputs["connection"].value, "dialErrorLimit": 7})
    assert remote.diff(made) == {}
    assert remote.diff(made, connection=other) == {"connection.dialErrorLimit": ("update", False)}
    assert remote.diff(made, triggers=["x"]) == {"triggers": ("add", True)}


@pytest.mark.parametrize(
    ("source", "exists", "expected"),
    [
        ("src/", False, ["a", "sub/b"]),
        ("src/", True, ["a", "sub/b"]),
        ("src", False, ["src/a", "src/sub/b"]),
        ("src", True, ["src/a", "src/sub/b"]),
    ],
)
def test_a_folder_is_laid_out_as_the_official_copy_does(
    remote: Engine,
    host: SshHost,
    tmp_path: Path,
    source: str,
    exists: bool,
    expected: list[str],
) -> None:
    (tmp_path / "src/sub").mkdir(parents=True)
    (tmp_path / "src/a").write_text("a")
    (tmp_path / "src/sub/b").write_text("b")
    target = tmp_path / "target"
    if exists:
        target.mkdir()
    remote.create(
        COPY,
        connection=host.connection(),
        source=archive(f"{tmp_path}/{source}"),
        remotePath=str(target),
    )
    assert tree(target) == expected


@pytest.mark.parametrize(("exists", "expected"), [(False, "target"), (True, "target/a")])
def test_a_file_goes_to_the_path_or_into_the_folder(
    remote: Engine, host: SshHost, tmp_path: Path, exists: bool, expected: str
) -> None:
    (tmp_path / "a").write_text("content")
    if exists:
        (tmp_path / "target").mkdir()
    remote.create(
        COPY,
        connection=host.connection(),
        source=Asset(False, (("path", f"{tmp_path}/a"),)),
        remotePath=f"{tmp_path}/target",
    )
    assert (tmp_path / expected).read_text() == "content"


def test_a_folder_does_not_go_over_a_file(remote: Engine, host: SshHost, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "target").write_text("a file")
    with pytest.raises(ProviderError, match="exists but is not a directory"):
        remote.create(
            COPY,
            connection=host.connection(),
            source=archive(f"{tmp_path}/src/"),
            remotePath=f"{tmp_path}/target",
        )


def test_a_copy_is_made_again_only_for_new_content_or_target(
    remote: Engine, host: SshHost, tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a").write_text("a")
    target = tmp_path / "target"
    made = remote.create(
        COPY,
        connection=host.connection(),
        source=archive(f"{tmp_path}/src/"),
        remotePath=str(target),
    )
    (target / "a").unlink()
    made = remote.update(made, connection={**made.inputs["connection"], "dialErrorLimit": 5})
    assert tree(target) == []
    remote.update(made, source=archive(f"{tmp_path}/src/", "another hash"))
    assert tree(target) == ["a"]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (Asset(False, (("text", "x"),)), "asset"),
        (Asset(True, (("assets", {}),)), "archive"),
        (Asset(True, (("uri", "https://x"),)), "archive"),
        ("files/", "source"),
    ],
)
def test_only_files_and_folders_are_sources(remote: Engine, source: Any, path: str) -> None:
    connection = {"host": "h", "privateKey": "k"}
    found = remote.refusals(COPY, connection=connection, source=source, remotePath="/x")
    assert list(found) == [path]


def test_a_connection_needs_a_host_and_a_key(remote: Engine) -> None:
    assert set(remote.refusals(COMMAND, connection={"port": 22}, create="true")) == {
        "connection.host",
        "connection.privateKey",
    }
    assert "connection.hots" in remote.refusals(COMMAND, connection={"host": "h", "hots": "x"})


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
