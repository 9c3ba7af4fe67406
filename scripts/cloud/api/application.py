"""The AWS API as a WSGI application: moto's, extended, one request at a time, kept on disk."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

from moto.ec2.exceptions import FilterNotImplementedError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from cloud.api import errors, identity, instances, later, tags, uploads, volumes
from cloud.api.objects import Content
from cloud.api.snapshot import take
from cloud.api.state import TOGETHER, Store, locked, regions
from cloud.wanted import Snapshot

log = logging.getLogger("cloud.api")

# A service's first request, in the order in which a program needs them: action and version.
FIRST = {
    "sts": ("GetCallerIdentity", "2011-06-15"),
    "ec2": ("DescribeRegions", "2016-11-15"),
    "iam": ("ListRoles", "2010-05-08"),
}

# What an unsigned request to another service than S3 names; a bucket may be called as a service.
HOST = re.compile(r"(ec2|iam|ssm|sts)(\.[a-z-]+-\d)?\.amazonaws\.com")

Answer = tuple[Iterable[bytes], str, Headers]

READING = ("Describe", "Get", "List", "Head", "Decode", "Simulate", "Lookup")


def _create(service: Any) -> Any:
    """moto's application for a service; moto names none when it does not know the host."""
    if service is None:
        raise NotImplementedError("moto does not know this service")
    return create_backend_app(service)


class Api:
    """One request to S3 and one to the other services at a time; a change is on disk before its
    answer leaves.

    A request's body is read before its turn comes, an object's bytes are sent after it: neither a
    slow sender nor a slow reader holds up anybody.
    """

    def __init__(self, store: Store, changed: Callable[[], None]) -> None:
        self.store = store
        self.changed = changed
        self.moto = DomainDispatcherApplication(_create)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(("/moto-api", "/latest/")):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not found\n"]
        environ = dict(environ)
        service = _scope(environ)
        try:
            upload = uploads.read(environ, service)
        except (uploads.Incomplete, OSError) as error:
            body, status, headers = _failure(environ, service, environ["REQUEST_METHOD"], error)
        else:
            body, status, headers = self._turn(environ, service, upload)
        start_response(status, headers.to_wsgi_list())
        return body

    def _turn(self, environ: dict[str, Any], service: str, upload: Content | None) -> Answer:
        """Carry out one request, and keep what it has changed unless it was refused."""
        _, action = identify(environ)
        with locked(service):
            try:
                body, status, headers = self._ask(environ, service, action)
                if changes(environ, service, action):
                    if int(status.split()[0]) < 400:
                        self._keep(TOGETHER[service])
                    size = int(environ.get("CONTENT_LENGTH") or 0)  # of what was read off
                    log.info("%s %s: %s, %d bytes", service, action, status.split()[0], size)
            finally:
                if upload is not None:
                    self.store.files.drop(upload)
        return body, status, headers

    def _ask(self, environ: dict[str, Any], service: str, action: str) -> Answer:
        try:
            return run_wsgi_app(self.moto, environ)
        except Exception as error:
            return _failure(environ, service, action, error)

    @contextlib.contextmanager
    def changing(self, *services: str) -> Iterator[None]:
        """Hold the state of services; what the block has done to it is kept and announced."""
        with locked(*services):
            yield
            self._keep(services)

    def _keep(self, services: tuple[str, ...]) -> None:
        if "ec2" in services:
            for backend in regions("ec2"):
                tags.prune(backend)
        self.store.save(services)
        if "ec2" in services:
            self.changed()

    def warm(self) -> None:
        """Have moto load what it loads at a service's first request, which takes a second."""
        for service, (action, version) in FIRST.items():
            scope = f"{identity.OPERATOR}/20100101/us-east-1/{service}/aws4_request"
            environ = EnvironBuilder(
                method="POST",
                base_url=f"https://{service}.us-east-1.amazonaws.com",
                data=f"Action={action}&Version={version}",
                content_type=errors.FORM,
                headers=[("Authorization", f"AWS4-HMAC-SHA256 Credential={scope}")],
            ).get_environ()
            with locked(service):
                run_wsgi_app(self.moto, environ)

    def snapshot(self) -> Snapshot:
        with locked("ec2"):
            return take(regions("ec2"))

    def carry_out_due(self) -> float | None:
        """Carry out the changes whose time has come; the seconds until the next one is due."""
        orders, waits = self.store.folder.parent / later.FILE, []
        for service in TOGETHER:
            if not later.awaited(regions(service)):
                continue  # nothing to wait for S3's turn for
            with locked(service):
                carried_out, wait = later.carry_out_due(regions(service), orders)
                if carried_out:
                    self._keep(TOGETHER[service])
            if wait is not None:
                waits.append(wait)
        return min(waits, default=None)

    def settle(self, instance_id: str, expected: str, state: str) -> bool:
        """Set an instance's final state, unless a request has changed its mind meanwhile."""
        with locked("ec2"):
            instance = _instance(instance_id)
            if instance is None or instance.state != expected:
                return False
            with self.changing("ec2"):
                instances.settle(instance, state)
        log.info("%s is %s", instance_id, state)
        return True

    def reach(self, resource_id: str, state: str) -> None:
        """Note what a volume, its attachment or a snapshot has come to, see `volumes.reach`."""
        with locked("ec2"):
            for backend in regions("ec2"):
                if volumes.reach(backend, resource_id, state):
                    self._keep(("ec2",))
                    log.info("%s is %s", resource_id, state)

    def halted(self, instance_id: str) -> None:
        """A host has switched itself off: what that means is the instance's own setting."""
        with locked("ec2"):
            instance = _instance(instance_id)
            if instance is None or instance.state not in ("pending", "running"):
                return
            with self.changing("ec2"):
                if instance.instance_initiated_shutdown_behavior == "terminate":
                    instance.terminate()
                else:
                    instance.stop()


def _instance(instance_id: str) -> Any | None:
    found = (backend.get_instance_by_id(instance_id) for backend in regions("ec2"))
    return next((instance for instance in found if instance is not None), None)


def _failure(environ: dict[str, Any], service: str, action: str, error: Exception) -> Answer:
    if isinstance(error, FilterNotImplementedError):
        status, code = "400 Bad Request", "InvalidParameterValue"
        message = f"{error} is invalid, or one that the stand-in does not know."
    elif isinstance(error, NotImplementedError):
        status, code = "400 Bad Request", "InvalidAction"
        message = f"The action {action} is not valid for this web service ({service})."
    elif isinstance(error, uploads.Incomplete):
        status, code = "400 Bad Request", "IncompleteBody"
        message = f"The request body terminated unexpectedly: {error}."
    else:
        status, code = "500 Internal Server Error", "InternalError"
        message = "An internal error has occurred."
    log.error("%s %s: %s: %s", service, action, type(error).__name__, error, exc_info=error)
    headers, body = errors.write(environ, service, code, message)
    return [body], status, Headers(headers)


def identify(environ: dict[str, Any]) -> tuple[str, str]:
    """The service and the action of a request, as far as its signature and form tell."""
    service = _scope(environ)
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return service, target.rpartition(".")[2]
    stream = environ["wsgi.input"]
    if environ.get("CONTENT_TYPE", "").startswith(errors.FORM) and stream.seekable():
        action = parse_qs(stream.read().decode("utf-8", "replace")).get("Action", [""])[0]
        stream.seek(0)
        if action:
            return service, action
    action = parse_qs(environ.get("QUERY_STRING", "")).get("Action", [""])[0]
    return service, action or environ.get("REQUEST_METHOD", "GET")


def _scope(environ: dict[str, Any]) -> str:
    """Service name in the credential scope, KEY/DATE/REGION/SERVICE/aws4_request, or the host."""
    text = environ.get("HTTP_AUTHORIZATION", "")
    scope = text.partition("Credential=")[2].split(",")[0]
    if not scope:
        query = parse_qs(environ.get("QUERY_STRING", ""))
        scope = query.get("X-Amz-Credential", [""])[0]
    parts = scope.split("/")
    if len(parts) == 5:
        return parts[3].lower()
    host = HOST.fullmatch(environ.get("HTTP_HOST", "").partition(":")[0].lower())
    return host[1] if host else "s3"


def changes(environ: dict[str, Any], service: str, action: str) -> bool:
    """Whether a request may change the state."""
    if service not in TOGETHER:
        return False
    if service == "s3":
        return environ.get("REQUEST_METHOD") not in ("GET", "HEAD", "OPTIONS")
    return not action.startswith(READING)
