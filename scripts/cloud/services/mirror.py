"""The local mirror: files by host name and path, as the real servers of these names hold them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.security import safe_join
from werkzeug.utils import send_file
from werkzeug.wrappers import Request, Response


class Mirror:
    """WSGI application over `<root>/<host name>/<path>`: ranges, conditions, no listings."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> set[str]:
        """Host names that the mirror has a folder for."""
        if not self.root.is_dir():
            return set()
        return {entry.name for entry in self.root.iterdir() if entry.is_dir() and "." in entry.name}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            response: Any = self._answer(Request(environ))
        except HTTPException as error:
            response = error
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(["GET", "HEAD"])
        name = request.host.partition(":")[0].lower()
        if name not in self.names():
            raise NotFound(f"the mirror holds nothing of {name}")
        path = safe_join(str(self.root / name), request.path.lstrip("/"))
        if path is None or not Path(path).is_file():
            raise NotFound(f"the mirror does not hold {request.path} of {name}")
        return send_file(path, request.environ, conditional=True, etag=True)
