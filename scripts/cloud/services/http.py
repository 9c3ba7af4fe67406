"""HTTP servers of the lab: WSGI applications, a thread for each connection, TLS in that thread."""

from __future__ import annotations

import logging
import shutil
import ssl
import tempfile
import threading
from collections.abc import Iterable
from typing import IO, Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.datastructures import Headers
from werkzeug.serving import ThreadedWSGIServer
from werkzeug.test import run_wsgi_app

log = logging.getLogger("cloud.http")

IDLE_SECONDS = 75.0
HANDSHAKE_SECONDS = 10.0
STOP_SECONDS = 5.0
IN_MEMORY_BYTES = 1 << 20
"""A longer body of a request lies on disk."""
POLL_SECONDS = 0.1
"""A server that is told to stop notices within this time."""


class _Handler(MotoRequestHandler):
    """One connection: request after request, without waiting for the network's acknowledgements.

    werkzeug's own loop closes the connection after each answer, which costs API clients a TLS
    handshake for each call. Here a request's body is read whole before the application runs, so
    the next request begins where this one ended.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS

    def run_wsgi(self) -> None:
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as body:
            environ = self.make_environ()
            self._read_body(environ, body)
            environ["wsgi.input"] = body
            environ["wsgi.input_terminated"] = True
            try:
                parts, status, headers = run_wsgi_app(self.server.app, environ)
            except Exception:
                log.exception("%s: %s failed", self.client_address[0], self.command)
                parts, status, headers = [], "500 Internal Server Error", Headers()
                self.close_connection = True
            try:
                self._send(parts, status, headers)
            finally:
                close = getattr(parts, "close", None)
                if close is not None:
                    close()

    def _read_body(self, environ: dict[str, Any], body: IO[bytes]) -> None:
        stream = environ["wsgi.input"]
        if environ.get("wsgi.input_terminated"):
            shutil.copyfileobj(stream, body)
        else:
            left = int(environ.get("CONTENT_LENGTH") or 0)
            while left and (piece := stream.read(min(left, IN_MEMORY_BYTES))):
                body.write(piece)
                left -= len(piece)
        environ["CONTENT_LENGTH"] = str(body.tell())
        body.seek(0)

    def _send(self, parts: Iterable[bytes], status: str, headers: Headers) -> None:
        """Piece by piece, when the application says how long its answer is."""
        code, _, reason = status.partition(" ")
        empty = self.command == "HEAD" or code in ("204", "304")
        if "Content-Length" not in headers and not empty:
            parts = [b"".join(parts)]
            headers.add("Content-Length", len(parts[0]))
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if not empty:
            for part in parts:
                self.wfile.write(part)

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
