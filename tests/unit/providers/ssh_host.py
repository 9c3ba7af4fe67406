"""A host to try the command stand-in on: an SSH server in this process, on loopback."""

import contextlib
import os
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_CONNECT_FAILED,
    OPEN_SUCCEEDED,
)
from paramiko.sftp import SFTP_OK

ACCEPTED = ("LC_OK",)


class _Server(paramiko.ServerInterface):
    def __init__(self, host: "SshHost") -> None:
        self.host = host
        self.environment: dict[str, str] = {}

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(
        self,
        chanid: int,  # noqa: ARG002
        origin: tuple[str, int],  # noqa: ARG002
        destination: tuple[str, int],
    ) -> int:
        self.host.forwarded.append(destination)
        if self.host.forwards_refused >= len(self.host.forwarded):
            return OPEN_FAILED_CONNECT_FAILED
        threading.Thread(target=_forward, args=(self.host, destination), daemon=True).start()
        return OPEN_SUCCEEDED

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username == self.host.user and key == self.host.client_key
        return AUTH_SUCCESSFUL if known else AUTH_FAILED

    def check_channel_env_request(self, channel: Any, name: bytes, value: bytes) -> bool:  # noqa: ARG002
        if name.decode() not in ACCEPTED:
            return False
        self.environment[name.decode()] = value.decode()
        return True

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        run = threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True)
        run.start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        stdin = b"".join(iter(lambda: channel.recv(65536), b""))
        done = subprocess.run(  # noqa: S602 (what a host does with a command)
            command,
            shell=True,
            input=stdin,
            capture_output=True,
            env={**os.environ, **self.environment},
            check=False,
        )
        channel.sendall(done.stdout)
        channel.sendall_stderr(done.stderr)
        channel.send_exit_status(done.returncode)
        channel.close()


def _forward(host: "SshHost", destination: tuple[str, int]) -> None:
    """Carries bytes between the client's channel and the destination, both ways."""
    sock = socket.create_connection(destination)
    channel = host.transports[-1].accept(10)

    def carry(source: Any, target: Any) -> None:
        with contextlib.suppress(OSError):  # the other way has ended
            while data := source.recv(65536):
                target.sendall(data)
        target.close()

    for pair in ((sock, channel), (channel, sock)):
        threading.Thread(target=carry, args=pair, daemon=True).start()


class _Files(paramiko.SFTPServerInterface):
    """The machine's own files; tests give absolute paths below their folder."""

    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(os.stat(path))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    lstat = stat

    def mkdir(self, path: str, attr: Any) -> int:  # noqa: ARG002
        try:
            os.mkdir(path)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return SFTP_OK

    def open(self, path: str, flags: int, attr: Any) -> Any:  # noqa: ARG002
        try:
            descriptor = os.open(path, flags, 0o644)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        handle = paramiko.SFTPHandle(flags)
        mode = "wb" if flags & os.O_WRONLY else "rb"
        handle.writefile = handle.readfile = os.fdopen(descriptor, mode)  # type: ignore[attr-defined]
        return handle


class SshHost:
    """Listens until closed. `refusals`: how many connections are dropped first."""

    user = "admin"

    def __init__(self, folder: Path, refusals: int = 0) -> None:
        self.client_key = paramiko.ECDSAKey.generate()
        self.host_key = paramiko.ECDSAKey.generate()
        self.refusals = refusals
        self.seen = 0
        self.forwards_refused = 0
        self.forwarded: list[tuple[str, int]] = []
        path = folder / "client.key"
        self.client_key.write_private_key_file(str(path))
        self.client_text = path.read_text()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.transports: list[paramiko.Transport] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def public_key(self) -> str:
        return f"{self.host_key.get_name()} {self.host_key.get_base64()}"

    def connection(self, **more: Any) -> dict[str, Any]:
        values = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "privateKey": self.client_text,
            "hostKey": self.public_key,
            "dialErrorLimit": 1,
        }
        return {key: value for key, value in {**values, **more}.items() if value is not None}

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.seen += 1
            if self.seen <= self.refusals:
                sock.close()
                continue
            transport = paramiko.Transport(sock)
            transport.add_server_key(self.host_key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files)
            self.transports.append(transport)
            try:
                transport.start_server(server=_Server(self), event=threading.Event())
            except (OSError, EOFError, paramiko.SSHException):
                continue

    def close(self) -> None:
        self._listener.close()
        for transport in self.transports:
            transport.close()
