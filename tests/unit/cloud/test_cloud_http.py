"""The lab's HTTP servers: bodies and answers of every kind, and clients that stall or go."""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud.services import http as served
from cloud.services.http import BLOCK, Server
from cloud.services.tls import Authority, ServerContexts

pytestmark = pytest.mark.unit

HOST = "downloads.example"
SECONDS = 20
"""How long a test waits before it says that something hangs."""


class App:
    """Answers with method and digest of the body; notes what it has read to the end."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.ended = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            if environ["PATH_INFO"] == "/unread":
                start_response("503 Slow Down", [])
                return [b"not now"]
            digest, size = hashlib.sha256(), 0
            while block := environ["wsgi.input"].read(BLOCK):
                digest.update(block)
                size += len(block)
            self.bodies.append(digest.digest())
        finally:
            self.ended.set()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["REQUEST_METHOD"].encode(), b" ", str(size).encode()]


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(app: Any, context: ssl.SSLContext | None = None) -> Server:
        server = Server("127.0.0.1", 0, app, context)
        server.start("test")
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


class Line:
    """A connection on which every byte is ours."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)
        self.file = self.socket.makefile("rb")

    def send(self, text: str, *more: bytes) -> None:
        self.socket.sendall(text.replace("\n", "\r\n").encode() + b"".join(more))

    def head(self) -> tuple[str, dict[str, str]]:
        status = self.file.readline().decode().strip()
        headers = {}
        while line := self.file.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return status, headers

    def answer(self) -> tuple[str, bytes]:
        status, headers = self.head()
        return status, self.file.read(int(headers["content-length"]))

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def line(serve: Callable[..., Server], app: App) -> Iterator[Line]:
    connection = Line(serve(app))
    yield connection
    connection.close()


def test_a_client_that_asks_whether_to_go_on_is_told_so_once(line: Line, app: App) -> None:
    line.send("PUT / HTTP/1.1\nHost: a\nContent-Length: 4\nExpect: 100-continue\n\n")
    assert line.head() == ("HTTP/1.1 100 Continue", {})
    assert app.bodies == []
    line.send("", b"body")
    assert line.answer() == ("HTTP/1.1 200 OK", b"PUT 4")


def test_a_body_in_chunks_is_put_together(line: Line, app: App) -> None:
    line.send("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n")
    line.send("3;name=value\none\nA\n0123456789\n0\nTrailer: value\n\n")
    assert line.answer() == ("HTTP/1.1 200 OK", b"POST 13")
    assert app.bodies == [hashlib.sha256(b"one0123456789").digest()]
    line.send("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0\n\n")
    assert line.answer() == ("HTTP/1.1 200 OK", b"POST 0")


def test_a_large_body_in_chunks_is_put_together(line: Line, app: App) -> None:
    body = bytes(range(256)) * (3 * BLOCK // 256)
    line.send("PUT / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n")
    for start in range(0, len(body), 100_000):
        chunk = body[start : start + 100_000]
        line.send(f"{len(chunk):x}\n", chunk, b"\r\n")
    line.send("0\n\n")
    assert line.answer() == ("HTTP/1.1 200 OK", f"PUT {len(body)}".encode())
    assert app.bodies == [hashlib.sha256(body).digest()]


@pytest.mark.parametrize(
    "request_",
    [
        "Content-Length: 10\n\nshort",
        f"Content-Length: {3 * BLOCK}\n\nshort",
        "Transfer-Encoding: chunked\n\n5\nshort\n",
        "Transfer-Encoding: chunked\n\nA\nshort",
        "Transfer-Encoding: chunked\n\nA\n0123456789and more\n0\n\n",
        "Transfer-Encoding: chunked\n\nno size\nshort\n0\n\n",
    ],
)
def test_a_body_that_is_not_whole_is_never_taken_for_one(
    line: Line, app: App, request_: str
) -> None:
    line.send(f"PUT / HTTP/1.1\nHost: a\n{request_}")
    line.socket.shutdown(socket.SHUT_WR)
    assert line.file.read() == b""
    assert app.bodies == []


@pytest.mark.parametrize("size", [10, 3 * BLOCK])
def test_the_next_request_begins_behind_a_body_that_nobody_has_read(line: Line, size: int) -> None:
    for _ in range(2):
        line.send(f"PUT /unread HTTP/1.1\nHost: a\nContent-Length: {size}\n\n", bytes(size))
        assert line.answer() == ("HTTP/1.1 503 Slow Down", b"not now")
    line.send("GET / HTTP/1.1\nHost: a\n\n")
    assert line.answer() == ("HTTP/1.1 200 OK", b"GET 0")


def test_head_tells_the_length_and_sends_nothing(serve: Callable[..., Server]) -> None:
    def app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "8")])
        return [b"contents"]

    line = Line(serve(app))
    for _ in range(2):
        line.send("HEAD / HTTP/1.1\nHost: a\n\n")
        status, headers = line.head()
        assert (status, headers["content-length"]) == ("HTTP/1.1 200 OK", "8")
    line.send("GET / HTTP/1.1\nHost: a\n\n")
    assert line.answer() == ("HTTP/1.1 200 OK", b"contents")
    line.close()


def test_an_answer_is_sent_piece_by_piece_and_closed(serve: Callable[..., Server]) -> None:
    gate, closed = threading.Event(), threading.Event()

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            yield b"first"
            assert gate.wait(SECONDS)
            yield b"second"

        def close(self) -> None:
            closed.set()

    def app(_environ: dict[str, Any], start_response: Any) -> Pieces:
        start_response("200 OK", [("Content-Length", "11")])
        return Pieces()

    line = Line(serve(app))
    line.send("GET / HTTP/1.1\nHost: a\n\n")
    line.head()
    assert line.file.read(5) == b"first"
    assert not closed.is_set()
    gate.set()
    assert line.file.read(6) == b"second"
    assert closed.wait(SECONDS)
    line.close()


def test_an_answer_that_fails_on_its_way_is_cut_off(serve: Callable[..., Server]) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise EOFError("the file is shorter")

    def app(_environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "11")])
        return pieces()

    client = http.client.HTTPConnection("127.0.0.1", serve(app).port, timeout=SECONDS)
    client.request("GET", "/")
    with pytest.raises(http.client.IncompleteRead):
        client.getresponse().read()
    client.close()


def test_an_application_that_fails_is_an_error_of_the_server(serve: Callable[..., Server]) -> None:
    def app(_environ: dict[str, Any], _start_response: Any) -> list[bytes]:
        raise RuntimeError("a defect")

    client = http.client.HTTPConnection("127.0.0.1", serve(app).port, timeout=SECONDS)
    client.request("GET", "/")
    assert client.getresponse().status == 500
    client.close()


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's and a client's side."""
    authority = Authority(tmp_path)
    contexts = ServerContexts(authority, tmp_path / "tls", lambda name: name == HOST)
    trust = ssl.create_default_context(cafile=str(authority.certificate_path))
    return contexts.context, trust


def test_a_client_that_stalls_in_the_handshake_holds_up_nobody_and_is_dropped(
    serve: Callable[..., Server], app: App, tls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "HANDSHAKE_SECONDS", 1.0)
    server = serve(app, tls[0])
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=SECONDS) as stalled:
        with (
            socket.create_connection(address, timeout=SECONDS) as plain,
            tls[1].wrap_socket(plain, server_hostname=HOST) as connection,
        ):
            client = http.client.HTTPConnection(HOST)
            client.sock = connection
            client.request("GET", "/")
            assert client.getresponse().read() == b"GET 0"
        assert stalled.recv(1) == b"", "the server has closed the connection"
