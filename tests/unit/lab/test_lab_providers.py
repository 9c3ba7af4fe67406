"""Which plugins an `up` takes, and when it refuses."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from cloud.cli import bring_up
from cloud.cli.errors import MACHINE
from cloud.commands import main
from cloud.setup import plugins
from cloud.setup.entry import SetupError

pytestmark = pytest.mark.unit


def installed(home: Path, *names: str) -> dict[str, str]:
    for name in names:
        folder = home / "plugins" / f"resource-{name}-v{plugins.PLUGINS[name]}"
        folder.mkdir(parents=True)
        program = folder / f"pulumi-resource-{name}"
        program.touch(mode=0o755)
    return {"PULUMI_HOME": str(home)}


def test_official_plugins_that_are_missing_are_named_with_the_command(tmp_path: Path) -> None:
    caller = installed(tmp_path, "aws")
    with pytest.raises(SetupError) as refused:
        plugins.require(plugins.OFFICIAL, caller)
    text = str(refused.value)
    assert "command 1.2.1" in text
    assert "pulumi plugin install resource command 1.2.1" in text
    assert "resource aws" not in text


def other_version(folder: Path) -> None:
    folder.rename(folder.with_name("resource-command-v0.0.9"))


def cut_short(folder: Path) -> None:
    folder.with_name(folder.name + ".partial").touch()


def no_program(folder: Path) -> None:
    (folder / "pulumi-resource-command").chmod(0o644)


@pytest.mark.parametrize(
    ("spoil", "there", "command"),
    [
        (shutil.rmtree, "there is none", "resource command 1.2.1`"),
        (other_version, "there is 0.0.9", "resource command 1.2.1`"),
        (cut_short, "an install of it was cut short", "resource command 1.2.1 --reinstall`"),
        (no_program, "pulumi-resource-command is not a program", "command 1.2.1 --reinstall`"),
    ],
    ids=["none", "another version", "cut short", "not a program"],
)
def test_what_there_is_instead_of_the_version_wanted_is_said(
    tmp_path: Path, spoil: Callable[[Path], None], there: str, command: str
) -> None:
    caller = installed(tmp_path, "aws", "command")
    spoil(tmp_path / "plugins" / "resource-command-v1.2.1")
    with pytest.raises(SetupError) as refused:
        plugins.require(plugins.OFFICIAL, caller)
    text = str(refused.value)
    assert "command 1.2.1 (" in text
    assert there in text
    assert text.endswith(command)
    assert "resource aws" not in text


def test_official_plugins_that_are_installed_are_enough(tmp_path: Path) -> None:
    plugins.require(plugins.OFFICIAL, installed(tmp_path, "aws", "command"))


def test_without_a_wish_nothing_has_to_be_installed(tmp_path: Path) -> None:
    plugins.require(plugins.AUTO, installed(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "surroundings"),
    [
        (["up", "--providers", "official"], {}),
        (["up"], {"MYSQL_RING_PROVIDERS": "official"}),
    ],
    ids=["option", "variable"],
)
def test_an_up_with_official_plugins_that_are_missing_ends_before_anything_is_made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    surroundings: dict[str, str],
) -> None:
    monkeypatch.setattr(bring_up, "prepare", lambda _lab: pytest.fail("the set-up has begun"))
    places = {
        "MYSQL_RING_LAB": str(tmp_path / "lab"),
        "MYSQL_RING_CACHE": str(tmp_path / "cache"),
        **installed(tmp_path / "pulumi", "aws"),
    }
    before = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(main, arguments, env={**places, **surroundings})
    assert result.exit_code == MACHINE
    assert isinstance(result.exception, SystemExit)
    assert "found no official plugin command 1.2.1" in result.stderr
    assert "run `pulumi plugin install resource command 1.2.1`" in result.stderr
    assert "Traceback" not in result.output
    assert sorted(tmp_path.rglob("*")) == before
