"""HTTP servers of the lab: WSGI applications, a thread for each connection, TLS in that thread."""

from __future__ import annotations

import io
import logging
import ssl
import threading
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

log = logging.getLogger("cloud.http")

IDLE_SECONDS = 75.0
HANDSHAKE_SECONDS = 10.0
STOP_SECONDS = 5.0
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
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        environ = self.make_environ()
        data = self._body(environ)
        environ["wsgi.input"] = io.BytesIO(data)
        environ["wsgi.input_terminated"] = True
        environ["CONTENT_LENGTH"] = str(len(data))
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
            started[:] = [(status, headers)]
            return lambda _data: None

        try:
            parts = self.server.app(environ, start_response)
            try:
                content = b"".join(parts)
            finally:
                close = getattr(parts, "close", None)
                if close is not None:
                    close()
            status, headers = started[0]
        except Exception:
            log.exception("%s: %s failed", self.client_address[0], self.command)
            status, headers, content = "500 Internal Server Error", [], b""
            self.close_connection = True
        self._send(status, headers, content)

    def _body(self, environ: dict[str, Any]) -> bytes:
        stream = environ["wsgi.input"]
        if environ.get("wsgi.input_terminated"):
            return stream.read()
        length = int(environ.get("CONTENT_LENGTH") or 0)
        return stream.read(length) if length else b""

    def _send(self, status: str, headers: list[tuple[str, str]], content: bytes) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            self.send_header(name, value)
        empty = self.command == "HEAD" or code in ("204", "304")
        if "content-length" not in names and not empty:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if content and not empty:
            self.wfile.write(content)

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
