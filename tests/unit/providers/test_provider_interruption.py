"""The engine killed or interrupted while a plugin works: real plugin processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cloud.providers.protocol import provider_grpc, provider_pb2
from cloud.providers.values import encode_map

pytestmark = pytest.mark.unit
SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
URN = "urn:pulumi:s::p::command:local:Command::slow"
# Stands for the engine: starts the plugin as its child, tells its pid and port, and waits.
ENGINE = """
import subprocess, sys, time
plugin = subprocess.Popen(
    [sys.executable, "-m", "cloud.providers.command", "127.0.0.1:1"], stdout=subprocess.PIPE
)
print(plugin.pid, plugin.stdout.readline().decode(), flush=True)
time.sleep(600)
"""


class Plugin:
    def __init__(self) -> None:
        self.engine = subprocess.Popen(
            [sys.executable, "-c", ENGINE],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        )
        assert self.engine.stdout is not None
        pid, port = self.engine.stdout.readline().split()
        self.pid = int(pid)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{int(port)}")
        self.stub = provider_grpc.ResourceProviderStub(self.channel)

    def create(self, command: str) -> Any:
        properties = encode_map({"create": command, "logging": "none"})
        request = provider_pb2.CreateRequest(urn=URN, properties=properties)
        return self.stub.Create.future(request, timeout=60)

    def close(self) -> None:
        self.channel.close()
        self.engine.kill()
        self.engine.wait()
        if alive(self.pid):
            os.kill(self.pid, signal.SIGKILL)


@pytest.fixture
def plugin() -> Iterator[Plugin]:
    made = Plugin()
    yield made
    made.close()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait(what: str, seen: Callable[[], bool], seconds: float = 60) -> None:
    started = time.monotonic()
    while not seen():
        assert time.monotonic() - started < seconds, what
        time.sleep(0.05)


def slow_command(plugin: Plugin, folder: Path) -> tuple[Any, int]:
    """A create that is in the middle of its command, and the command's process."""
    file = folder / "pid"
    running = plugin.create(f"echo $$ > {file}.new; mv {file}.new {file}; sleep 600; echo done")
    wait("the command did not start", file.exists)
    return running, int(file.read_text())


def test_a_plugin_ends_with_its_killed_engine_and_so_does_what_it_runs(
    plugin: Plugin, tmp_path: Path
) -> None:
    _, command = slow_command(plugin, tmp_path)
    plugin.engine.kill()
    plugin.engine.wait()
    wait("the command goes on without an engine", lambda: not alive(command))
    wait("the plugin goes on without an engine", lambda: not alive(plugin.pid))


def test_a_plugin_stays_as_long_as_its_engine(plugin: Plugin) -> None:
    time.sleep(1.2)
    assert alive(plugin.pid)


def test_a_cancel_ends_a_running_command_at_once(plugin: Plugin, tmp_path: Path) -> None:
    running, command = slow_command(plugin, tmp_path)
    from google.protobuf import empty_pb2

    plugin.stub.Cancel(empty_pb2.Empty())
    with pytest.raises(grpc.RpcError):  # the command itself goes on for longer
        running.result(timeout=60)
    assert not alive(command)
