"""The instance metadata service, version 2, for the hosts of one VPC."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from werkzeug.wrappers import Request, Response

TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
MAX_TTL = 21600
VERSIONS = ("latest", "2021-03-23", "2021-07-15", "2022-09-24", "2016-09-02", "2009-04-04")

Tree = dict[str, Any]
"""Folders are dictionaries, entries are text or bytes."""


@dataclass(frozen=True)
class Instance:
    """What the service tells of one instance."""

    id: str
    tree: Tree = field(repr=False)
    tokens_required: bool
    enabled: bool = True


class Metadata:
    """WSGI application; `find` gives the instance that has an address, or nothing."""

    def __init__(
        self,
        find: Callable[[str], Instance | None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._now = now
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        instance = self._find(request.remote_addr or "")
        if instance is None:
            return _text("Not Found", 404)
        if not instance.enabled:
            return _text("Forbidden", 403)
        if "X-Forwarded-For" in request.headers:
            return _text("Forbidden", 403)
        parts = [part for part in request.path.split("/") if part]
        if parts[:1] and parts[0] not in VERSIONS:
            return _text("Not Found", 404)
        if parts[1:] == ["api", "token"]:
            return self._token(request, instance)
        if request.method not in ("GET", "HEAD"):
            return _text("Method Not Allowed", 405)
        if not self._allowed(request, instance):
            return _text("Unauthorized", 401)
        if not parts:
            return _text("\n".join(VERSIONS))
        return _read(instance.tree, parts[1:], request.path.endswith("/"))

    def _token(self, request: Request, instance: Instance) -> Response:
        if request.method != "PUT":
            return _text("Method Not Allowed", 405)
        text = request.headers.get(TTL_HEADER, "")
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_TTL):
            return _text("Bad Request", 400)
        token = secrets.token_urlsafe(40)
        now = self._now()
        with self._lock:
            self._tokens = {
                known: (owner, end) for known, (owner, end) in self._tokens.items() if end > now
            }
            self._tokens[token] = (instance.id, now + int(text))
        return Response(token, headers={TTL_HEADER: text}, mimetype="text/plain")

    def _allowed(self, request: Request, instance: Instance) -> bool:
        token = request.headers.get(TOKEN_HEADER)
        if token is None:
            return not instance.tokens_required
        with self._lock:
            owner, end = self._tokens.get(token, ("", 0.0))
        return owner == instance.id and end > self._now()


def _read(tree: Tree, parts: list[str], as_folder: bool) -> Response:
    value: Any = tree
    for part in parts:
        if not isinstance(value, dict) or part not in value:
            return _text("Not Found", 404)
        value = value[part]
    if isinstance(value, dict):
        if "" in value and not as_folder:
            return _text(value[""])
        return _text("\n".join(_listed(name, each) for name, each in value.items() if name))
    return _text(value)


def _listed(name: str, value: Any) -> str:
    if isinstance(value, dict):
        # A key of public-keys is listed with its name: "0=operator".
        label = value.get("")
        return f"{name}={label}" if label is not None else f"{name}/"
    return name


def _text(content: str | bytes, status: int = 200) -> Response:
    return Response(content, status=status, mimetype="text/plain")


def as_json(value: Any) -> str:
    """JSON as the service writes it, for people as well."""
    return json.dumps(value, indent=2)
