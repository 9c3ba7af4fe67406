"""The lab's HTTP server: bodies in both directions, and clients that are slow or odd."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud.services.http import Server
from cloud.services.tls import Authority, ServerContexts

pytestmark = pytest.mark.unit

Serve = Callable[..., socket.socket]
LOCAL = "127.0.0.1"
NAME = "downloads.example"
DEADLINE = 20.0


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server of an application; the answer is a connection to it."""
    servers: list[Server] = []

    def start(app: Any, context: ssl.SSLContext | None = None) -> socket.socket:
        server = Server(LOCAL, 0, app, context)
        server.start("test")
        servers.append(server)
        return connect(server)

    yield start
    for server in servers:
        server.stop()


def connect(server: Server) -> socket.socket:
    return socket.create_connection((LOCAL, server.port), timeout=DEADLINE)


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read()]


def read_until(connection: socket.socket, end: bytes) -> bytes:
    text = b""
    while not text.endswith(end):
        piece = connection.recv(1)
        assert piece, text
        text += piece
    return text


def read_answer(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of one answer."""
    head = read_until(connection, b"\r\n\r\n")
    (length,) = (
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    )
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return head, body


def test_a_body_in_chunks_is_read_whole_and_the_next_request_begins_after_it(
    serve: Serve,
) -> None:
    with serve(echo) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nagain"
        )
        assert read_answer(connection)[1] == b"hello world"
        assert read_answer(connection)[1] == b"again"


def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(serve: Serve) -> None:
    with serve(echo) as connection:
        connection.sendall(
            b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        )
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"body")
        assert read_answer(connection)[1] == b"body"


def test_the_answer_to_head_has_the_length_and_no_body(serve: Serve) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "4")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"body"]

    with serve(app) as connection:
        connection.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"content-length: 4" in read_until(connection, b"\r\n\r\n").lower()
        assert read_answer(connection)[1] == b"body"


def test_an_answer_of_known_length_is_sent_piece_by_piece(serve: Serve) -> None:
    first_is_read = threading.Event()
    closed = threading.Event()

    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            yield b"first"
            assert first_is_read.wait(DEADLINE)
            yield b"second"

        def close(self) -> None:
            closed.set()

    def app(_: dict[str, Any], start_response: Any) -> Parts:
        start_response("200 OK", [("Content-Length", "11")])
        return Parts()

    with serve(app) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        read_until(connection, b"first")
        first_is_read.set()
        read_until(connection, b"second")
        assert closed.wait(DEADLINE)


def test_an_application_that_fails_answers_500_and_closes(serve: Serve) -> None:
    def app(_: dict[str, Any], start_response: Any) -> list[bytes]:
        del start_response
        raise RuntimeError("no answer")

    with serve(app) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head, body = read_answer(connection)
        assert head.startswith(b"HTTP/1.1 500 ")
        assert body == b""
        assert connection.recv(1) == b""


def test_a_client_that_stalls_in_its_handshake_holds_up_nobody(
    serve: Serve, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    contexts = ServerContexts(authority, tmp_path / "tls", lambda name: name == NAME)
    with serve(echo, contexts.context) as stalled:
        trust = ssl.create_default_context(cafile=str(authority.certificate_path))
        port = stalled.getpeername()[1]
        with (
            socket.create_connection((LOCAL, port), timeout=DEADLINE) as plain,
            trust.wrap_socket(plain, server_hostname=NAME) as connection,
        ):
            connection.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
            assert read_answer(connection)[1] == b"body"
