"""HTTP servers of the lab: WSGI applications, a thread for each connection, TLS in that thread."""

from __future__ import annotations

import logging
import ssl
import threading
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

log = logging.getLogger("cloud.http")

IDLE_SECONDS = 75.0
HANDSHAKE_SECONDS = 10.0
POLL_SECONDS = 0.1
"""A server that is told to stop notices within this time."""


class _Handler(MotoRequestHandler):
    """Answers without waiting for the network's acknowledgements, and without an access log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        return

    def log(self, type: str, message: str, *args: Any) -> None:
        log.debug(message, *args)


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
        log.warning("%s: request failed", client_address[0], exc_info=True)

    def start(self, name: str) -> None:
        self._thread = threading.Thread(
            target=self.serve_forever, args=(POLL_SECONDS,), name=name, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
