"""local.Command: a command on the machine that runs Pulumi."""

import contextlib
import fnmatch
import os
import re
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
from cloud.providers.schema import LIST, Argument, Table, check
from cloud.providers.values import Asset, reveal

_SHELL = ["/bin/sh", "-c"]
_CHUNK = 65536


class LocalCommand(CommandResource):
    type_name = "command:local:Command"
    table = Table(
        source="pulumi-command provider/pkg/provider/local/command.go",
        arguments=(
            *COMMAND,
            Argument("archivePaths", LIST),
            Argument("assetPaths", LIST),
            Argument("dir"),
            Argument("interpreter", LIST),
        ),
        outputs=("archive", "assets", STDERR, STDOUT),
    )

    def preview(
        self, old: dict[str, Any] | None, inputs: dict[str, Any], call: Call
    ) -> dict[str, Any]:
        state = super().preview(old, inputs, call)
        for name, paths in (("archive", "archivePaths"), ("assets", "assetPaths")):
            if paths not in inputs:
                state.pop(name, None)
        return state

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


def invoke(arguments: dict[str, Any], call: Call) -> dict[str, Any]:
    """local.run: one command, its output."""
    known = tuple(
        one
        for one in LocalCommand.table.arguments
        if one.name not in ("create", "update", "delete", "triggers")
    )
    values, failures = check((*known, Argument("command", required=True)), arguments)
    if failures:
        raise ProviderError("; ".join(f"{one.path}: {one.reason}" for one in failures))
    return {**values, **_run(values["command"], values, {}, call)}


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
    result: dict[str, Any] = {STDOUT: output.text(STDOUT), STDERR: output.text(STDERR)}
    if inputs.get("assetPaths") is not None:
        result["assets"] = _assets(folder, inputs["assetPaths"])
    if inputs.get("archivePaths") is not None:
        found = _assets(folder, inputs["archivePaths"])
        result["archive"] = Asset(True, (("assets", found),))
    return result


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


def _assets(folder: str, patterns: list[str]) -> dict[str, Asset]:
    """Files below the folder that the patterns take; `!` excludes, later rules win."""
    rules = [(one.startswith("!"), _glob(one.removeprefix("!"))) for one in patterns]
    found: dict[str, Asset] = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_dir():
            continue
        name = path.relative_to(folder).as_posix()
        for exclude, rule in rules:
            if not rule.fullmatch(name):
                continue
            if exclude:
                found.pop(name, None)
            else:
                found[name] = Asset(False, (("path", str(path)),))
    return found


def _glob(pattern: str) -> re.Pattern[str]:
    """`*` and `?` stay within one folder, `**` does not."""
    parts = []
    for piece in re.split(r"(\*\*|\*|\?|\[[^]]*\]|\{[^}]*\})", pattern):
        if piece == "**":
            parts.append(".*")
        elif piece == "*":
            parts.append("[^/]*")
        elif piece == "?":
            parts.append("[^/]")
        elif piece.startswith("["):
            parts.append(fnmatch.translate(piece).removeprefix("(?s:").removesuffix(r")\Z"))
        elif piece.startswith("{"):
            choices = (re.escape(one) for one in piece[1:-1].split(","))
            parts.append(f"(?:{'|'.join(choices)})")
        else:
            parts.append(re.escape(piece))
    return re.compile("".join(parts), re.DOTALL)
