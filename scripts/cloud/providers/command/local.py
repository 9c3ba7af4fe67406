"""local.Command: a command on the machine that runs Pulumi."""

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, BinaryIO

from cloud.providers.command.base import (
    COMMAND,
    STDERR,
    STDOUT,
    CommandResource,
    Output,
    environment,
    failure,
    kept,
    resource_id,
)
from cloud.providers.resource import Call, ProviderError
from cloud.providers.schema import LIST, Argument, Table
from cloud.providers.values import reveal

_SHELL = ["/bin/sh", "-c"]
_CHUNK = 65536


class LocalCommand(CommandResource):
    type_name = "command:local:Command"
    table = Table(
        source="pulumi-command provider/pkg/provider/local/command.go",
        arguments=(
            *COMMAND,
            Argument("dir"),
            Argument("interpreter", LIST),
        ),
        outputs=(STDERR, STDOUT),
    )

    def create(self, inputs: dict[str, Any], call: Call) -> tuple[str, dict[str, Any]]:
        state = kept(inputs)
        command = reveal(inputs.get("create"))
        state.update(_run(command, reveal(inputs), {}, call) if command else _nothing({}))
        return resource_id(call.name), state

    def update(
        self, _resource_id: str, old: dict[str, Any], inputs: dict[str, Any], call: Call
    ) -> dict[str, Any]:
        command = reveal(inputs.get("update") or inputs.get("create"))
        previous = reveal(old)
        state = kept(inputs)
        state.update(_run(command, reveal(inputs), previous, call) if command else _nothing(old))
        return state

    def delete(self, _resource_id: str, state: dict[str, Any], call: Call) -> None:
        values = reveal(state)
        if values.get("delete"):
            _run(values["delete"], values, values, call)


def _nothing(old: dict[str, Any]) -> dict[str, Any]:
    return {name: old.get(name, "") for name in (STDOUT, STDERR)}


def _run(command: str, inputs: dict[str, Any], old: dict[str, Any], call: Call) -> dict[str, Any]:
    """Runs the command and gives its outputs; its failure carries its output."""
    variables, _ = environment(inputs, old)
    folder = inputs.get("dir") or str(Path.cwd())
    output = Output(call, inputs.get("logging"))
    argv = [*(inputs.get("interpreter") or _SHELL), command]
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.PIPE if inputs.get("stdin") else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ProviderError(failure(str(error.strerror), command, output)) from None
    status = _talk(process, inputs.get("stdin") or "", output, call)
    output.close()
    if status != 0:
        reason = f"exit status {status}" if status > 0 else f"signal: {-status}"
        raise ProviderError(failure(reason, command, output))
    return {STDOUT: output.text(STDOUT), STDERR: output.text(STDERR)}


def _talk(process: subprocess.Popen[bytes], stdin: str, output: Output, call: Call) -> int:
    """Feeds and drains the process; the engine's cancel ends it and what it started."""

    def drain(stream: BinaryIO, name: str) -> None:
        while data := os.read(stream.fileno(), _CHUNK):
            output.feed(name, data)

    def feed() -> None:
        if process.stdin is None:
            return
        try:
            process.stdin.write(stdin.encode())
            process.stdin.close()
        except BrokenPipeError:
            return

    threads = [threading.Thread(target=feed, daemon=True)]
    for stream, name in ((process.stdout, STDOUT), (process.stderr, STDERR)):
        if stream is not None:
            threads.append(threading.Thread(target=drain, args=(stream, name), daemon=True))
    for thread in threads:
        thread.start()
    while True:
        try:
            status = process.wait(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            if call.cancelled.is_set():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    return status
