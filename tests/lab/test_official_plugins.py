"""Plugins that the operator has installed by Pulumi's own command, and the engine that runs them.

The official ones cannot be had in a test. In their place stand programs of their names and versions
that write down from where they were started, and go on as the lab's stand-ins."""

import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloud.cli.errors import MACHINE
from cloud.setup.plugins import PLUGINS
from labs import UP_SECONDS, Lab
from waits import PATIENCE

pytestmark = pytest.mark.lab

NO_CHANGE = "Pulumi: no change."
INSTALL_SECONDS = 120
BESIDE = "stand-in"
"""A file of the plugin's folder that its program needs."""


def folder_name(name: str) -> str:
    return f"resource-{name}-v{PLUGINS[name]}"


def program_name(name: str) -> str:
    return f"pulumi-resource-{name}"


class Operator:
    """Someone with a PULUMI_HOME of their own, and a lab that is told of it."""

    def __init__(self, ring: Lab, folder: Path) -> None:
        self.ring = ring
        self.folder = folder
        self.home = folder / "pulumi"
        self.starts = folder / "starts"
        self.at_lab = ring.folder / "pulumi-home" / "plugins"

    def install(self, name: str) -> None:
        """By the command that the lab names, from an archive as the official ones are."""
        packed = self.folder / name
        packed.mkdir()
        stand_in = (self.at_lab / folder_name(name) / program_name(name)).read_text()
        assert f"cloud.providers.{name}" in stand_in
        (packed / BESIDE).write_text(stand_in)
        (packed / program_name(name)).write_text(
            f'#!/bin/sh\necho "$0" >>{self.starts}\nexec "$(dirname "$0")/{BESIDE}" "$@"\n'
        )
        archive = self.folder / f"{name}.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            for path in packed.iterdir():
                path.chmod(0o755)
                tar.add(path, path.name)
        program = Path((self.ring.folder / "toolchain").read_text().strip(), "pulumi")
        words = ["resource", name, PLUGINS[name], "--file", str(archive)]
        subprocess.run(
            [program, "plugin", "install", *words],
            env={
                "PATH": os.environ["PATH"],
                "PULUMI_HOME": str(self.home),
                "PULUMI_SKIP_UPDATE_CHECK": "true",
            },
            cwd=self.folder,
            check=True,
            timeout=INSTALL_SECONDS * PATIENCE,
        )

    def started(self) -> set[str]:
        """From where the programs were started since it was asked last."""
        found = set(self.starts.read_text().splitlines()) if self.starts.exists() else set()
        self.starts.unlink(missing_ok=True)
        return found

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.ring.run("up", "--providers", "official", timeout=UP_SECONDS)


@pytest.fixture
def operator(ring: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    made = Operator(ring, tmp_path)
    monkeypatch.setitem(ring.environment, "PULUMI_HOME", str(made.home))
    yield made
    monkeypatch.undo()
    ring.up()  # the lab's own stand-ins are back


def programs(operator: Operator) -> set[str]:
    return {str(operator.at_lab / folder_name(name) / program_name(name)) for name in PLUGINS}


def test_the_engine_runs_the_plugins_that_the_operator_has_installed(operator: Operator) -> None:
    for name in PLUGINS:
        operator.install(name)
    done = operator.up()
    for name in PLUGINS:
        assert f"the official {name} plugin is installed: it is used" in done.stderr
    assert NO_CHANGE in done.stdout
    assert operator.started() == programs(operator)


def test_a_plugins_folder_that_is_a_link_is_passed_over_by_the_engine_and_taken_by_the_lab(
    operator: Operator,
) -> None:
    store = operator.folder / "store"
    store.mkdir()
    for name in PLUGINS:
        operator.install(name)
        folder = operator.home / "plugins" / folder_name(name)
        folder.rename(store / folder.name)
        folder.symlink_to(store / folder.name)
    operator.up()
    assert operator.started() == programs(operator)
    for name in PLUGINS:
        folder = operator.at_lab / folder_name(name)
        folder.rename(operator.folder / f"taken-{name}")
        folder.symlink_to(store / folder.name)
    preview = ("preview", "--non-interactive", "--color", "never")
    refused = operator.ring.pulumi(*preview, expect=None)
    assert refused.returncode
    assert "no resource plugin 'pulumi-resource-" in refused.stdout + refused.stderr
    assert operator.started() == set()
    assert NO_CHANGE in operator.up().stdout
    assert operator.started() == programs(operator)
    operator.ring.pulumi(*preview)
    assert operator.started() == programs(operator)


def test_a_plugin_of_another_version_or_none_is_named_with_the_command_that_installs_it(
    operator: Operator,
) -> None:
    operator.install("aws")
    other = operator.home / "plugins" / "resource-aws-v0.0.9"
    (operator.home / "plugins" / folder_name("aws")).rename(other)
    before = operator.ring.stamp()
    refused = operator.ring.run("up", "--providers", "official", expect=MACHINE)
    assert f"aws {PLUGINS['aws']} (there is 0.0.9)" in refused.stderr
    assert f"command {PLUGINS['command']} (there is none)" in refused.stderr
    for name, version in PLUGINS.items():
        assert f"pulumi plugin install resource {name} {version}" in refused.stderr
    assert operator.started() == set()
    assert operator.ring.stamp() == before


def test_a_program_on_path_does_not_take_a_plugins_place(operator: Operator) -> None:
    for name in PLUGINS:
        operator.install(name)
    operator.up()
    operator.started()
    on_path = operator.ring.folder / "bin"
    on_path.mkdir()
    impostor = on_path / program_name("aws")
    impostor.write_text(f'#!/bin/sh\necho "$0" >>{operator.starts}\nexit 1\n')
    impostor.chmod(0o755)
    try:
        assert NO_CHANGE in operator.up().stdout
    finally:
        impostor.unlink()
        on_path.rmdir()
    assert operator.started() == programs(operator)
