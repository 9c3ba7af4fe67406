"""HTTP servers of the lab: WSGI applications, a thread for each connection, TLS in that thread."""

from __future__ import annotations

import io
import logging
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import IO, Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.datastructures import Headers
from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import ThreadedWSGIServer
from werkzeug.test import run_wsgi_app
from werkzeug.wsgi import LimitedStream

log = logging.getLogger("cloud.http")

IDLE_SECONDS = 75.0
HANDSHAKE_SECONDS = 10.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.1
"""A server that is told to stop notices within this time."""
BLOCK = 1 << 20
"""Bytes of a body that are held in memory at a time."""
LINE = 8192
"""Longest line around a chunk."""


class _Chunked(io.RawIOBase):
    """A body in chunks, without them (RFC 9112, section 7.1). Trailing headers are left out."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left and not self._ended:
            self._begin()
        if self._ended:
            return 0
        block = self._read(self._stream.read, min(len(buffer), self._left))
        self._left -= len(block)
        if not block or (not self._left and self._line()):
            raise ClientDisconnected()
        buffer[: len(block)] = block
        return len(block)

    def _begin(self) -> None:
        try:
            self._left = int(self._line().partition(b";")[0], 16)
        except ValueError as error:
            raise ClientDisconnected() from error
        if not self._left:
            self._ended = True
            while self._line():
                pass

    def _line(self) -> bytes:
        line = self._read(self._stream.readline, LINE)
        if not line.endswith(b"\n"):
            raise ClientDisconnected()
        return line.strip()

    @staticmethod
    def _read(read: Callable[[int], bytes], size: int) -> bytes:
        try:
            return read(size)
        except OSError as error:
            raise ClientDisconnected() from error


class _Handler(MotoRequestHandler):
    """One connection: request after request, without waiting for the network's acknowledgements.

    werkzeug's own loop closes the connection after each answer, which costs API clients a TLS
    handshake for each call. Here a request's body is read to its end, whatever the application
    reads of it, so the next request begins where this one ended.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        environ["wsgi.input_terminated"] = True
        try:
            environ["wsgi.input"] = body = self._body()
            parts, status, headers = run_wsgi_app(self.server.app, environ)
        except ClientDisconnected:
            log.info("%s: %s ended early", self.client_address[0], self.command)
            self.close_connection = True
            return
        except Exception:
            log.exception("%s: %s failed", self.client_address[0], self.command)
            body, parts = io.BytesIO(), []
            status, headers = "500 Internal Server Error", Headers()
            self.close_connection = True
        try:
            self._send(status, headers, parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()
        self._finish(body)

    def _body(self) -> IO[bytes]:
        """A request's body: at hand where it is known to be small, else a stream of its bytes.

        Raises ClientDisconnected, as the stream does, when it ends early.
        """
        connection: Any = self.rfile
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return io.BufferedReader(_Chunked(connection), BLOCK)
        length = int(self.headers.get("Content-Length") or 0)
        stream: Any = LimitedStream(connection, length)
        return io.BufferedReader(stream, BLOCK) if length > BLOCK else io.BytesIO(stream.read())

    def _send(self, status: str, headers: Headers, parts: Iterable[bytes]) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        empty = self.command == "HEAD" or code in ("204", "304")
        if "Content-Length" not in headers and not empty:
            parts = [b"".join(parts)]
            headers["Content-Length"] = str(len(parts[0]))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if not empty:
            for part in parts:
                self.wfile.write(part)

    def _finish(self, body: IO[bytes]) -> None:
        """Read what the application has left of a body: the next request begins behind it."""
        try:
            while body.read(BLOCK):
                pass
        except ClientDisconnected:
            self.close_connection = True

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """No access log: the API logs each change itself."""
        del code, size

    def log(self, type: str, message: str, *args: Any) -> None:
        log.debug(f"{type}: {message}", *args)


class Server(ThreadedWSGIServer):
    """Listens where the calling thread is: start it inside the namespace that it serves."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: str, port: int, app: Any, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(address, port, app, handler=_Handler)
        # The scheme of the requests is told by this attribute; the handshake is made below.
        self.ssl_context = context
        self._thread: threading.Thread | None = None

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        if self.ssl_context is not None:
            try:
                request.settimeout(HANDSHAKE_SECONDS)
                request = self.ssl_context.wrap_socket(request, server_side=True)
            except OSError as error:
                log.info("%s: no TLS connection: %s", client_address[0], error)
                self.shutdown_request(request)
                return
        super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request
        log.warning("%s: request failed", client_address[0], exc_info=True)

    def start(self, name: str) -> None:
        self._thread = threading.Thread(
            target=self.serve_forever, args=(POLL_SECONDS,), name=name, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self.shutdown()
            self._thread.join(STOP_SECONDS)
        self.server_close()
