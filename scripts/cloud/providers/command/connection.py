"""The SSH connection: dialling with retries, host key, proxy."""

import contextlib
import io
import os
import socket
from collections.abc import Callable
from typing import Any

from cloud.providers.resource import Call, ProviderError
from cloud.providers.schema import INTEGER, NUMBER, OBJECT, Argument

DIAL_ERROR_LIMIT = 10
PER_DIAL_SECONDS = 15
_SSH_PORT = 22
_KEEPALIVE_SECONDS, _KEEPALIVE_PROBES = 15, 9  # Go's and Linux's defaults
# The pauses between dials in Pulumi's retry package: 0.1 s, half as long again each time, 5 s
# at most.
_FIRST_PAUSE, _FACTOR, _LONGEST_PAUSE = 0.1, 1.5, 5.0
# The order in which the official plugin's SSH library (golang.org/x/crypto/ssh) asks for host
# keys. A host with several keys shows the first of these that it has.
_HOST_KEY_ORDER = (
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-256",
    "rsa-sha2-512",
    "ssh-ed25519",
)
_ENDPOINT = (
    Argument("dialErrorLimit", INTEGER, default=DIAL_ERROR_LIMIT),
    Argument("host", required=True),
    Argument("hostKey"),
    Argument("perDialTimeout", INTEGER, default=PER_DIAL_SECONDS),
    Argument("port", NUMBER, default=_SSH_PORT),
    Argument("privateKey", required=True),
    Argument("user", default="root"),
)
CONNECTION = Argument(
    "connection",
    OBJECT,
    required=True,
    fields=(*_ENDPOINT, Argument("proxy", OBJECT, fields=_ENDPOINT)),
)


class DialError(Exception):
    """One attempt failed; the text holds no secret."""


def dial(connection: dict[str, Any], call: Call) -> Any:
    """A connected paramiko transport. Raises ProviderError once the limit of attempts is passed.
    To a host behind a proxy: first the proxy, then from there, each with attempts of its own."""
    import paramiko

    key = _private_key(paramiko, connection)
    _dial_agent()
    limit = connection.get("dialErrorLimit", DIAL_ERROR_LIMIT)
    proxy = connection.get("proxy")
    if not proxy:
        return _retried("Dial", limit, call, lambda: _direct(paramiko, connection, key))
    proxy_limit = proxy.get("dialErrorLimit", DIAL_ERROR_LIMIT)
    try:
        proxy_key = _private_key(paramiko, proxy)
        via = _retried("Dial proxy", proxy_limit, call, lambda: _direct(paramiko, proxy, proxy_key))
        try:
            return _retried(
                "Dial from proxy", limit, call, lambda: _through(paramiko, via, connection, key)
            )
        except BaseException:
            via.close()
            raise
    except ProviderError as error:
        raise ProviderError(f"proxy: {error}") from None


def _dial_agent() -> None:
    """The official plugin dials the agent that the environment names, though there is a key, and
    once; what it may be asked for is not modelled (provider/pkg/provider/remote/connection.go)."""
    path = os.environ.get("SSH_AUTH_SOCK")
    if not path:
        return
    try:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.connect(path)
    except OSError as error:
        raise ProviderError(f"dial unix {path}: connect: {_reason(error)}") from None


def _retried(what: str, limit: int, call: Call, attempt: Callable[[], Any]) -> Any:
    shown = "inf" if limit == -1 else str(limit)
    pause, dials = _FIRST_PAUSE, 0
    while True:
        dials += 1
        try:
            return attempt()
        except DialError as error:
            if limit != -1 and dials > limit:
                # the official text counts from zero here
                raise ProviderError(f"after {dials - 1} failed attempts: {error}") from None
        call.log("info", f"{what} {dials}/{shown} failed: retrying")
        call.pause(pause)
        pause = min(pause * _FACTOR, _LONGEST_PAUSE)


def _direct(paramiko: Any, connection: dict[str, Any], key: Any) -> Any:
    host, port, seconds = _target(connection)
    try:
        sock = socket.create_connection((host, port), timeout=seconds)
        # small messages, each answered: Nagle's algorithm costs 40 ms at every step
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # as Go's dialer does (net.Dialer.KeepAlive): a command that prints nothing for long must
        # not wait for a host that is gone
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_PROBES)
    except OSError as error:
        raise DialError(f"dial tcp {host}:{port}: {_reason(error)}") from None
    return _connected(paramiko, sock, connection, key)


def _through(paramiko: Any, via: Any, connection: dict[str, Any], key: Any) -> Any:
    host, port, seconds = _target(connection)
    try:
        sock = via.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=seconds)
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise DialError(f"dial tcp {host}:{port}: {_reason(error)}") from None
    transport = _connected(paramiko, sock, connection, key)
    transport.mysql_ring_proxy = via  # the way there, closed with the connection
    return transport


def close(transport: Any) -> None:
    transport.close()
    via = getattr(transport, "mysql_ring_proxy", None)
    if via is not None:
        via.close()


def _target(connection: dict[str, Any]) -> tuple[str, int, float | None]:
    seconds = connection.get("perDialTimeout", PER_DIAL_SECONDS) or None
    return connection["host"], int(connection.get("port", _SSH_PORT)), seconds


def _connected(paramiko: Any, sock: Any, connection: dict[str, Any], key: Any) -> Any:
    transport = paramiko.Transport(sock)
    seconds = connection.get("perDialTimeout", PER_DIAL_SECONDS) or None
    try:
        _handshake(paramiko, transport, connection, key, seconds)
    except (OSError, EOFError, paramiko.SSHException) as error:
        transport.close()
        raise DialError(f"ssh: handshake failed: {_reason(error)}") from None
    except DialError:
        transport.close()
        raise
    return transport


def _handshake(
    paramiko: Any,
    transport: Any,
    connection: dict[str, Any],
    key: Any,
    seconds: float | None,
) -> None:
    transport.banner_timeout = transport.handshake_timeout = seconds or 3600
    transport.auth_timeout = seconds or 3600
    options = transport.get_security_options()
    options.key_types = [one for one in _HOST_KEY_ORDER if one in options.key_types]
    transport.start_client(timeout=seconds)
    _check_host_key(transport, connection.get("hostKey"))
    with contextlib.suppress(paramiko.SSHException):
        transport.auth_publickey(connection.get("user", "root"), key)
    if not transport.is_authenticated():
        raise DialError(
            "ssh: handshake failed: ssh: unable to authenticate, attempted methods "
            "[none publickey], no supported methods remain"
        )


def _check_host_key(transport: Any, expected: str | None) -> None:
    if not expected:
        return
    fields = expected.split()
    if len(fields) < 2:
        raise ProviderError("hostKey: expected `TYPE BASE64` as in a host's .pub file")
    shown = transport.get_remote_server_key()
    if (shown.get_name(), shown.get_base64()) != (fields[0], fields[1]):
        raise DialError(
            "ssh: handshake failed: ssh: host key mismatch "
            f"(expected a key of type {fields[0]}, the host showed {shown.get_name()} "
            f"{shown.fingerprint})"
        )


def _private_key(paramiko: Any, connection: dict[str, Any]) -> Any:
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(connection["privateKey"]))
        except paramiko.PasswordRequiredException:
            raise ProviderError(
                "connection.privateKey is encrypted: expected a key without a password"
            ) from None
        except (paramiko.SSHException, ValueError, IndexError, TypeError):
            continue
    raise ProviderError(
        "connection.privateKey is not a key that SSH can use: expected the text of an Ed25519, "
        "ECDSA or RSA private key"
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error) or type(error).__name__
