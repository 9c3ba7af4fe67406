"""What counts as a server that runs, and what is in its way."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ring_node.base import paths
from ring_node.base.errors import NodeError
from ring_node.host import network, systemd
from ring_node.mysql import datadir, lifecycle

pytestmark = pytest.mark.unit

GREETING = b"\x4a\x00\x00\x00\x0a5.6.51\x00"
FULL = b"\x17\x00\x00\x00\xff\x10\x04Too many connections"
STOPPING = b"\x1d\x00\x00\x00\xff\x1d\x04Server shutdown in progress"  # 1053


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    # Not in pytest's own folder: the path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as found:
        monkeypatch.setattr(paths, "SOCKET", Path(folder, "mysqld.sock"))
        found.bind(str(paths.SOCKET))
        found.listen()
        yield found


@pytest.mark.parametrize(
    ("packet", "greets"),
    [(GREETING, True), (FULL, True), (STOPPING, None), (b"", None)],
    ids=["greets", "is full", "is being stopped", "hangs up"],
)
def test_a_server_runs_that_answers_even_when_it_is_full(
    listener: socket.socket, packet: bytes, greets: bool | None
) -> None:
    def answer() -> None:
        with listener.accept()[0] as connection:
            connection.sendall(packet)

    thread = threading.Thread(target=answer)
    thread.start()
    assert lifecycle.greets() is greets
    thread.join(timeout=5)


@pytest.mark.parametrize(
    ("state", "refused"), [("activating", False), ("active", False), ("inactive", True)]
)
def test_the_port_is_looked_at_only_while_the_server_is_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str, refused: bool
) -> None:
    ran: list[str] = []

    def attempt(command: list[str], **_: object) -> tuple[int, str, str]:
        ran.append(command[1])
        return 0, f"ActiveState={state}\nMainPID=1\n", ""

    for module in (lifecycle, systemd):
        monkeypatch.setattr(module, "attempt", attempt)
    monkeypatch.setattr(paths, "ERROR_LOG", tmp_path / "error.log")
    monkeypatch.setattr(lifecycle, "greets", lambda: True)
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        own.listen()
        port = own.getsockname()[1]
        look = network.refuse_taken_port
        monkeypatch.setattr(network, "refuse_taken_port", lambda _: look(port))
        if refused:
            with pytest.raises(NodeError) as caught:
                lifecycle.start()
            assert f"another program listens on port {port}" in caught.value.found
        else:
            lifecycle.start()
    assert ("start" in ran) is not refused


def test_a_data_directory_with_a_file_systems_own_folder_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "DATA", tmp_path)
    datadir.refuse_foreign_data()
    (tmp_path / "lost+found").mkdir()
    with pytest.raises(NodeError) as caught:
        datadir.refuse_foreign_data()
    assert "holds lost+found" in caught.value.found
