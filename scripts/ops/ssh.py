"""Programs on the nodes, by OpenSSH's client."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ops.errors import HOST, OpsError
from ops.stack import Ring

CONNECT_SECONDS = 10
FAILED = 255  # ssh's own: the connection failed
LONGEST_ALIVE = 60  # seconds without an answer after which a connection counts as cut


class Done:
    """How a program on a node ended. `code` None: the connection failed, or was cut."""

    def __init__(self, code: int | None, stdout: str, stderr: str) -> None:
        self.code, self.stdout, self.stderr = code, stdout, stderr


class Transport(Protocol):
    def run(self, node: str, command: str, stdin: str, hear: Callable[[str], None]) -> Done:
        """Runs a shell's command line on a node until it ends. `hear` gets each line of its
        standard error as it comes."""
        ...

    def stop(self) -> None:
        """Ends all connections at once."""
        ...

    def close(self) -> None: ...


class Ssh:
    """The key is in a folder that only its owner can open, until `close`. Host keys are those of
    the stack, and no other is taken."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._running: set[subprocess.Popen[str]] = set()
        self._folder = Path(tempfile.mkdtemp(prefix="ring-", dir=os.environ.get("XDG_RUNTIME_DIR")))
        try:
            self._key = self._write("key", ring.key.rstrip("\n") + "\n")
            lines = (f"{node.known_hosts}\n" for node in ring.nodes.values())
            self._known_hosts = self._write("known_hosts", "".join(lines))
        except BaseException:
            self.close()
            raise

    def _write(self, name: str, text: str) -> Path:
        path = self._folder / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:
            file.write(text)
        return path

    def argv(self, node: str, command: str) -> list[str]:
        """What is given here goes before what the person's own ssh_config says, which may lead
        through another host."""
        options = {
            "IdentityFile": self._key,
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": self._known_hosts,
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": CONNECT_SECONDS,
            "ServerAliveInterval": LONGEST_ALIVE // 4,
            "ServerAliveCountMax": 4,
            "ForwardAgent": "no",
            "ForwardX11": "no",
            "LogLevel": "ERROR",
        }
        words = [f"-o{name}={value}" for name, value in options.items()]
        address = self._ring.nodes[node].address
        return ["ssh", "-T", *words, "--", f"{self._ring.login}@{address}", command]

    def run(self, node: str, command: str, stdin: str, hear: Callable[[str], None]) -> Done:
        try:
            process = subprocess.Popen(
                self.argv(node, command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        except FileNotFoundError:
            raise OpsError(
                "no program `ssh` on PATH", "OpenSSH's client", "install it", HOST
            ) from None
        self._running.add(process)
        try:
            return _ended(process, stdin, hear)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            self._running.discard(process)

    def stop(self) -> None:
        for process in tuple(self._running):
            with contextlib.suppress(OSError):
                process.kill()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _ended(process: subprocess.Popen[str], stdin: str, hear: Callable[[str], None]) -> Done:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    printed: list[str] = []
    reader = threading.Thread(target=lambda out: printed.append(out.read()), args=[process.stdout])
    reader.start()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(stdin)
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    lines = []
    for line in process.stderr:
        lines.append(line)
        hear(line)
    reader.join()
    code = process.wait()
    process.stdout.close()
    process.stderr.close()
    return Done(None if code == FAILED or code < 0 else code, "".join(printed), "".join(lines))
