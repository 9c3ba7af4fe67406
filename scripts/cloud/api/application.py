"""The AWS API as a WSGI application: moto's, extended, one request at a time, kept on disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from moto.ec2.exceptions import FilterNotImplementedError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import EnvironBuilder, run_wsgi_app

from cloud.api import errors, instances, later, tags
from cloud.api.snapshot import take
from cloud.api.state import SERVICES, TOGETHER, Store, regions
from cloud.wanted import Snapshot

log = logging.getLogger("cloud.api")

# A service's first request, in the order in which a program needs them: action and version.
FIRST = {
    "sts": ("GetCallerIdentity", "2011-06-15"),
    "ec2": ("DescribeRegions", "2016-11-15"),
    "iam": ("ListRoles", "2010-05-08"),
}

READING = ("Describe", "Get", "List", "Head", "Decode", "Simulate", "Lookup")


def _create(service: Any) -> Any:
    """moto's application for a service; moto names none when it does not know the host."""
    if service is None:
        raise NotImplementedError("moto does not know this service")
    return create_backend_app(service)


class Api:
    """One request after the other; a change is on disk before its answer leaves.

    The server has read a request's body when it calls: a slow sender holds up nobody.
    """

    def __init__(self, store: Store, changed: Callable[[], None]) -> None:
        self.lock = threading.RLock()
        self.store = store
        self.changed = changed
        self.moto = DomainDispatcherApplication(_create)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(("/moto-api", "/latest/")):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not found\n"]
        service, action = identify(environ)
        answer = _Answer()
        with self.lock:
            try:
                body = answer.collect(self.moto(environ, answer.start))
            except Exception as error:
                body = answer.fail(environ, service, action, error)
            if changes(environ, service, action):
                if service == "ec2":
                    for backend in regions("ec2"):
                        tags.prune(backend)
                self.store.save(TOGETHER.get(service, SERVICES))
                log.info("%s %s: %s", service, action, answer.status.split()[0])
                if service == "ec2":
                    self.changed()
        start_response(answer.status, answer.headers)
        return [body]

    def warm(self) -> None:
        """Have moto load what it loads at a service's first request, which takes a second."""
        for service, (action, version) in FIRST.items():
            scope = f"warm/20100101/us-east-1/{service}/aws4_request"
            environ = EnvironBuilder(
                method="POST",
                base_url=f"https://{service}.us-east-1.amazonaws.com",
                data=f"Action={action}&Version={version}",
                content_type=errors.FORM,
                headers=[("Authorization", f"AWS4-HMAC-SHA256 Credential={scope}")],
            ).get_environ()
            with self.lock:
                run_wsgi_app(self.moto, environ)

    def snapshot(self) -> Snapshot:
        with self.lock:
            return take(regions("ec2"))

    def carry_out_due(self) -> float | None:
        """Carry out the changes whose time has come; the seconds until the next one is due."""
        waits = []
        with self.lock:
            for service in TOGETHER:
                orders = self.store.folder.parent / later.FILE
                carried_out, wait = later.carry_out_due(regions(service), orders)
                if carried_out:
                    self.store.save(TOGETHER[service])
                if wait is not None:
                    waits.append(wait)
        return min(waits, default=None)

    def settle(self, instance_id: str, expected: str, state: str) -> bool:
        """Set an instance's final state, unless a request has changed its mind meanwhile."""
        with self.lock:
            for backend in regions("ec2"):
                instance = backend.get_instance_by_id(instance_id)
                if instance is not None and instance.state == expected:
                    instances.settle(instance, state)
                    self.store.save(("ec2",))
                    log.info("%s is %s", instance_id, state)
                    return True
        return False

    def halted(self, instance_id: str) -> None:
        """A host has switched itself off: what that means is the instance's own setting."""
        with self.lock:
            for backend in regions("ec2"):
                instance = backend.get_instance_by_id(instance_id)
                if instance is None or instance.state not in ("pending", "running"):
                    continue
                if instance.instance_initiated_shutdown_behavior == "terminate":
                    instance.terminate()
                else:
                    instance.stop()
                self.store.save(("ec2",))


class _Answer:
    """What an application said, collected so that it can be sent after the lock is free."""

    def __init__(self) -> None:
        self.status = "500 Internal Server Error"
        self.headers: list[tuple[str, str]] = []

    def start(self, status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
        self.status, self.headers = status, headers
        return lambda _data: None

    def collect(self, parts: Iterable[bytes]) -> bytes:
        try:
            return b"".join(parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()

    def fail(self, environ: dict[str, Any], service: str, action: str, error: Exception) -> bytes:
        if isinstance(error, FilterNotImplementedError):
            self.status, code = "400 Bad Request", "InvalidParameterValue"
            message = f"{error} is invalid, or one that the stand-in does not know."
        elif isinstance(error, NotImplementedError):
            self.status, code = "400 Bad Request", "InvalidAction"
            message = f"The action {action} is not valid for this web service ({service})."
        else:
            self.status, code = "500 Internal Server Error", "InternalError"
            message = "An internal error has occurred."
        log.error("%s %s: %s: %s", service, action, type(error).__name__, error, exc_info=error)
        self.headers, body = errors.write(environ, service, code, message)
        return body


def identify(environ: dict[str, Any]) -> tuple[str, str]:
    """The service and the action of a request, as far as its signature and form tell."""
    service = _scope(environ)
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return service, target.rpartition(".")[2]
    if environ.get("CONTENT_TYPE", "").startswith(errors.FORM):
        stream = environ["wsgi.input"]
        action = parse_qs(stream.read().decode("utf-8", "replace")).get("Action", [""])[0]
        stream.seek(0)
        if action:
            return service, action
    action = parse_qs(environ.get("QUERY_STRING", "")).get("Action", [""])[0]
    return service, action or environ.get("REQUEST_METHOD", "GET")


def _scope(environ: dict[str, Any]) -> str:
    """Service name in the credential scope: KEY/DATE/REGION/SERVICE/aws4_request."""
    text = environ.get("HTTP_AUTHORIZATION", "")
    scope = text.partition("Credential=")[2].split(",")[0]
    if not scope:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        scope = query.get("X-Amz-Credential", [""])[0]
    parts = scope.split("/")
    return parts[3].lower() if len(parts) == 5 else "s3"


def changes(environ: dict[str, Any], service: str, action: str) -> bool:
    """Whether a request may change the state."""
    if service not in TOGETHER:
        return False
    if service == "s3":
        return environ.get("REQUEST_METHOD") not in ("GET", "HEAD", "OPTIONS")
    return not action.startswith(READING)
