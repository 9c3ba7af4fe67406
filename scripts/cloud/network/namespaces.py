"""Running programs and opening sockets inside network namespaces."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from cloud.names import NETNS_FOLDER, namespace_path

CLONE_NEWNET = 0x40000000
COMMAND_SECONDS = 20.0

T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


class CommandFailed(RuntimeError):
    """A system command ended with an error; the text holds its command and what it said."""


def run(argv: Sequence[str], *, text: str | None = None, seconds: float = COMMAND_SECONDS) -> str:
    """Run a command and return what it wrote to standard output."""
    try:
        done = subprocess.run(
            list(argv), input=text, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{' '.join(argv)}: no end within {seconds:g} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise CommandFailed(f"{' '.join(argv)}: status {done.returncode}: {said}")
    return done.stdout


def inside(namespace: str, argv: Sequence[str]) -> list[str]:
    """The command that runs another one in a namespace, the machine's /sys left as it is."""
    return ["nsenter", f"--net={namespace_path(namespace)}", "--", *argv]


def run_inside(namespace: str, argv: Sequence[str], *, text: str | None = None) -> str:
    return run(inside(namespace, argv), text=text)


def link(namespace: str, commands: Iterable[str]) -> None:
    """Run `ip` commands in a namespace, in one process."""
    script = "".join(f"{command}\n" for command in commands)
    if script:
        run(["ip", "-n", namespace, "-batch", "-"], text=script)


def existing() -> set[str]:
    """Names of all network namespaces of the machine."""
    return set(os.listdir(NETNS_FOLDER)) if NETNS_FOLDER.is_dir() else set()


def create(namespace: str, settings: dict[str, str]) -> None:
    """Make a namespace with its loopback up and these network settings (below /proc/sys/net)."""
    run(["ip", "netns", "add", namespace])
    pairs = [f"net.{name}={value}" for name, value in settings.items()]
    if pairs:
        run_inside(namespace, ["sysctl", "-qw", *pairs])
    link(namespace, ["link set lo up"])


def delete(namespace: str) -> None:
    if namespace in existing():
        run(["ip", "netns", "delete", namespace])


def enter(namespace: str) -> None:
    """Move the calling thread, and the threads it starts later, into a namespace."""
    with open(namespace_path(namespace), "rb") as handle:
        if _libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"cannot enter network namespace {namespace}: {os.strerror(code)}")


def call_inside(namespace: str, function: Callable[[], T]) -> T:
    """Call a function in a thread that lives in the namespace; sockets it opens stay there."""
    results: list[T] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            enter(namespace)
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body, name=f"in-{namespace}")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
