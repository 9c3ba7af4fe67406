"""remote.Command: a command on a host, over SSH; a connection of its own for each run."""

import threading
from typing import Any

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
from cloud.providers.command.connection import CONNECTION, close, dial
from cloud.providers.resource import Call, ProviderError
from cloud.providers.schema import Table
from cloud.providers.values import reveal

_CHUNK = 65536
_POLL_SECONDS = 0.5


class RemoteCommand(CommandResource):
    type_name = "command:remote:Command"
    table = Table(
        source="pulumi-command provider/pkg/provider/remote/command.go",
        arguments=(*COMMAND, CONNECTION),
        outputs=(STDERR, STDOUT),
    )

    def create(self, inputs: dict[str, Any], call: Call) -> tuple[str, dict[str, Any]]:
        state = kept(inputs)
        command = reveal(inputs.get("create"))
        result = run(command, reveal(inputs), {}, call) if command is not None else {}
        state.update({STDOUT: "", STDERR: "", **result})
        return resource_id(call.name), state

    def update(
        self, _resource_id: str, old: dict[str, Any], inputs: dict[str, Any], call: Call
    ) -> dict[str, Any]:
        state, command = kept(inputs), inputs.get("update")
        command = reveal(command if command is not None else inputs.get("create"))
        previous = {name: old.get(name, "") for name in (STDOUT, STDERR)}
        result = previous
        if command is not None:
            result = run(command, reveal(inputs), reveal(old), call)
        state.update(result)
        return state

    def delete(self, _resource_id: str, state: dict[str, Any], call: Call) -> None:
        values = reveal(state)
        if values.get("delete") is not None:
            run(values["delete"], values, values, call)


def run(command: str, inputs: dict[str, Any], old: dict[str, Any], call: Call) -> dict[str, str]:
    """Runs the command on the host and gives its output."""
    transport = dial(inputs["connection"], call)
    try:
        return _session(transport, command, inputs, old, call)
    finally:
        close(transport)


def _session(
    transport: Any, command: str, inputs: dict[str, Any], old: dict[str, Any], call: Call
) -> dict[str, str]:
    import paramiko

    output = Output(call, inputs.get("logging"))
    try:
        channel = _open(transport, inputs, old, call)
        channel.exec_command(command)
        _talk(channel, inputs.get("stdin") or "", output, call)
    except (OSError, EOFError, paramiko.SSHException) as error:
        reason = str(error) or type(error).__name__
        raise ProviderError(failure(reason, command, output)) from None
    output.close()
    status = channel.recv_exit_status()
    if status == -1:
        raise ProviderError(
            failure(
                "wait: remote command exited without exit status or exit signal", command, output
            )
        )
    if status != 0:
        reason = f"Process exited with status {status}"
        raise ProviderError(failure(reason, command, output))
    return {STDOUT: output.text(STDOUT), STDERR: output.text(STDERR)}


def _open(transport: Any, inputs: dict[str, Any], old: dict[str, Any], call: Call) -> Any:
    """A session with the command's variables set. paramiko closes a session in which one was
    refused, so those that may be refused get another try without it."""
    variables, previous = environment(inputs, old)
    while True:
        channel = transport.open_session()
        refused = next(
            (name for name in variables if not _set_variable(channel, name, variables[name])), None
        )
        if refused is None:
            return channel
        _refused(refused, refused in previous, call)
        del variables[refused]


def _set_variable(channel: Any, name: str, value: str) -> bool:
    """Asks the server for the variable and waits for its answer, which paramiko's own call does
    not do: a refusal is an error here."""
    import paramiko
    from paramiko.common import cMSG_CHANNEL_REQUEST

    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("env")
    message.add_boolean(True)
    message.add_string(name)
    message.add_string(value)
    channel._event_pending()
    channel.transport._send_user_message(message)
    try:
        channel._wait_for_event()
    except paramiko.SSHException:
        return False
    return True


def _refused(name: str, previous: bool, call: Call) -> None:
    text = (
        f"Unable to set '{name}'. This only works if your SSH server is configured to accept "
        "these variables via AcceptEnv. Alternatively, if a Bash-like shell runs the command on "
        "the remote host, you could prefix the command itself with the variables in the form "
        "'VAR=value command'"
    )
    call.log("warning" if previous else "error", text)
    if not previous:
        raise ProviderError(
            f'could not set environment variable "{name}": ssh: setenv failed. {text}'
        )


def _talk(channel: Any, stdin: str, output: Output, call: Call) -> None:
    def feed() -> None:
        try:
            channel.sendall(stdin.encode())
            channel.shutdown_write()
        except OSError:
            return

    def drain(receive: Any, stream: str) -> None:
        while data := receive(_CHUNK):
            output.feed(stream, data)

    threads = [
        threading.Thread(target=feed, daemon=True),
        threading.Thread(target=drain, args=(channel.recv, STDOUT), daemon=True),
        threading.Thread(target=drain, args=(channel.recv_stderr, STDERR), daemon=True),
    ]
    for thread in threads:
        thread.start()
    for thread in threads[1:]:
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            if call.cancelled.is_set():
                channel.close()
                raise ProviderError(f"{call.name}: cancelled while the command was running")
