from pathlib import Path
from typing import Any

import pytest
from cloud.providers.command.provider import CommandProvider
from cloud.providers.resource import ProviderError
from cloud.providers.values import UNKNOWN, Secret
from provider_engine import Engine

pytestmark = pytest.mark.unit
COMMAND = "command:local:Command"


@pytest.fixture
def local() -> Engine:
    return Engine(CommandProvider())


def test_output_is_kept_without_its_last_newline(local: Engine) -> None:
    made = local.create(COMMAND, create="printf 'a\\n\\n'; echo err >&2")
    assert (made.state["stdout"], made.state["stderr"]) == ("a\n", "err")
    assert made.id.startswith("node-1")


def test_defaults_become_inputs(local: Engine) -> None:
    assert local.checked(COMMAND, create="true")["addPreviousOutputInEnv"] is True


def test_the_surroundings_are_those_asked_for(local: Engine, tmp_path: Path) -> None:
    made = local.create(
        COMMAND,
        create="echo $0 $NAME; pwd; cat",
        interpreter=["/bin/bash", "-c"],
        environment={"NAME": "value"},
        dir=str(tmp_path),
        stdin=Secret("given"),
    )
    assert made.state["stdout"] == f"/bin/bash value\n{tmp_path}\ngiven"
    assert made.state["stdin"] == Secret("given")


def test_a_failure_shows_command_output_and_exit_status(local: Engine) -> None:
    with pytest.raises(ProviderError) as raised:
        local.create(COMMAND, create="echo out; echo err >&2; exit 3")
    text = str(raised.value)
    assert text.startswith('exit status 3: running "echo out; echo err >&2; exit 3":\n')
    assert {"out", "err"} <= set(text.split())


def test_an_update_runs_create_again_and_sees_the_previous_output(local: Engine) -> None:
    made = local.create(COMMAND, create="echo one")
    made = local.update(made, create="echo $PULUMI_COMMAND_STDOUT two")
    assert made.state["stdout"] == "one two"
    made = local.update(made, create="echo [$PULUMI_COMMAND_STDOUT]", addPreviousOutputInEnv=False)
    assert made.state["stdout"] == "[]"


def test_an_update_prefers_its_own_command(local: Engine) -> None:
    made = local.create(COMMAND, create="echo one", update="echo two")
    assert local.update(made, stdin="x").state["stdout"] == "two"


def test_delete_runs_its_command(local: Engine, tmp_path: Path) -> None:
    made = local.create(COMMAND, create="true", delete=f"touch {tmp_path}/gone")
    local.delete(made)
    assert (tmp_path / "gone").exists()


@pytest.mark.parametrize(
    ("logging", "shown"),
    [
        ("none", []),
        ("stdout", ["out"]),
        ("stderr", ["err"]),
        ("stdoutAndStderr", ["err", "out"]),
        (None, ["err", "out"]),
    ],
)
def test_logging_names_the_streams_that_are_shown(
    local: Engine, logging: str | None, shown: list[str]
) -> None:
    local.create(COMMAND, create="echo out; echo err >&2", logging=logging)
    assert sorted(text for _, text in local.lines) == shown


def test_any_change_is_an_update_and_triggers_replace(local: Engine) -> None:
    made = local.create(COMMAND, create="true", triggers=["a"])
    assert local.diff(made) == {}
    assert local.diff(made, stdin="x") == {"stdin": ("add", False)}
    assert local.diff(made, triggers=["b"]) == {"triggers": ("update", True)}


def test_a_preview_knows_inputs_and_not_outputs(local: Engine) -> None:
    resource = local.resource(COMMAND)
    inputs = local.checked(COMMAND, create="true")
    preview: dict[str, Any] = resource.preview(None, inputs, local.call())
    assert preview["create"] == "true"
    assert preview["stdout"] is UNKNOWN
    made = local.create(COMMAND, create="echo a")
    assert resource.preview(made.state, made.inputs, local.call())["stdout"] == "a"
    changed = {**made.inputs, "stdin": "x"}
    assert resource.preview(made.state, changed, local.call())["stdout"] is UNKNOWN


@pytest.mark.parametrize("name", ["creat", "assetPaths", "archivePaths"])
def test_an_argument_that_is_not_served_is_refused_by_name(local: Engine, name: str) -> None:
    assert name in local.refusals(COMMAND, **{name: ["*"]})


def test_a_function_is_refused_by_name(local: Engine) -> None:
    with pytest.raises(ProviderError, match="function 'command:local:run' is not in the stand-in"):
        local.provider.invoke("command:local:run", {}, local.call())


def test_cancelling_ends_the_command(local: Engine) -> None:
    call = local.call()
    call.cancelled.set()
    with pytest.raises(ProviderError, match="signal: 9"):
        local.resource(COMMAND).create({"create": "sleep 60"}, call)
