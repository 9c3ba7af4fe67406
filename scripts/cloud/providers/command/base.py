"""What the command resources share: previews, ids, logging of output."""

import json
import secrets
from collections.abc import Callable, Iterable
from typing import Any

from cloud.providers.resource import Call, Resource
from cloud.providers.schema import BOOLEAN, MAP, STRING, Argument, Failure
from cloud.providers.values import UNKNOWN, Secret

STDOUT, STDERR, BOTH, NONE = "stdout", "stderr", "stdoutAndStderr", "none"
# An output line longer than this stops the official plugin's log (bufio.Scanner).
LONGEST_LINE = 64 * 1024
COMMAND = (
    Argument("addPreviousOutputInEnv", BOOLEAN, default=True),
    Argument("create"),
    Argument("delete"),
    Argument("environment", MAP),
    Argument("logging", STRING, choices=(STDOUT, STDERR, BOTH, NONE)),
    Argument("stdin"),
    Argument("triggers", "any", replace=True),
    Argument("update"),
)


def resource_id(name: str) -> str:
    """As the official plugin: the resource's name and 8 random hexadecimal digits."""
    return f"{name}{secrets.token_hex(4)}"


class CommandResource(Resource):
    """A resource whose outputs are its inputs and what a run of a command gave."""

    def check(self, inputs: dict[str, Any], call: Call) -> tuple[dict[str, Any], list[Failure]]:
        """Defaults become inputs, as the official plugin has it."""
        checked, failures = super().check(inputs, call)
        return _with_defaults(self.table.arguments, checked), failures

    def preview(
        self, old: dict[str, Any] | None, inputs: dict[str, Any], call: Call
    ) -> dict[str, Any]:
        state = kept(inputs)
        changed = old is None or bool(self.diff(old, inputs, call))
        for name in self.table.outputs:
            if changed:
                state[name] = UNKNOWN
            elif old is not None and name in old:
                state[name] = old[name]
        return state

    def read(
        self, resource_id: str, state: dict[str, Any], inputs: dict[str, Any], _call: Call
    ) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
        """A command has nothing to look at: what it did last is what it is."""
        return resource_id, state, inputs


def _with_defaults(arguments: Iterable[Argument], values: dict[str, Any]) -> dict[str, Any]:
    filled = dict(values)
    for argument in arguments:
        value = filled.get(argument.name)
        if value is None and argument.default is not None:
            filled[argument.name] = argument.default
        elif argument.fields and isinstance(value, dict):
            filled[argument.name] = _with_defaults(argument.fields, value)
        elif argument.fields and isinstance(value, Secret) and isinstance(value.value, dict):
            filled[argument.name] = Secret(_with_defaults(argument.fields, value.value))
    return filled


def kept(inputs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if not key.startswith("__")}


def environment(inputs: dict[str, Any], old: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Variables for the command, and which of them hold the previous run's output."""
    values = dict(inputs.get("environment") or {})
    previous = []
    if inputs.get("addPreviousOutputInEnv", True):
        for name in (STDOUT, STDERR):
            if old.get(name):
                variable = f"PULUMI_COMMAND_{name.upper()}"
                values[variable] = old[name]
                previous.append(variable)
    return values, previous


class Output:
    """Collects a command's output and shows the streams that `logging` names, line by line."""

    def __init__(self, call: Call, logging: str | None) -> None:
        shown = logging or BOTH
        self._shown = {STDOUT: shown in (STDOUT, BOTH), STDERR: shown in (STDERR, BOTH)}
        self._log: Callable[[str, str], None] = call.log
        self._parts: dict[str, list[bytes]] = {STDOUT: [], STDERR: []}
        self._all: list[bytes] = []
        self._rest = {STDOUT: b"", STDERR: b""}

    def feed(self, stream: str, data: bytes) -> None:
        self._parts[stream].append(data)
        self._all.append(data)
        if not self._shown[stream]:
            return
        *lines, rest = (self._rest[stream] + data).split(b"\n")
        self._rest[stream] = rest[:LONGEST_LINE]
        for line in lines:
            self._log("info", _decode(line[:LONGEST_LINE]))

    def close(self) -> None:
        for stream, rest in self._rest.items():
            if rest and self._shown[stream]:
                self._log("info", _decode(rest))

    def text(self, stream: str) -> str:
        return _decode(b"".join(self._parts[stream])).removesuffix("\n")

    def everything(self) -> str:
        return _decode(b"".join(self._all))


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def failure(reason: str, command: str, output: Output) -> str:
    """The official plugin's text, whole command and output included."""
    quoted = json.dumps(command, ensure_ascii=False)
    return f"{reason}: running {quoted}:\n{output.everything()}"
