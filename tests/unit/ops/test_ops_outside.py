"""The stack by Pulumi's command line, the nodes by OpenSSH's: with programs that a test puts in
their place."""

import ast
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ops import errors, nodes, stack
from ops.command import main
from ops.errors import OpsError
from ops.ssh import Ssh
from ops_ring import KEY, NODES, RING
from ring_node.base.errors import Exit
from waits import within

pytestmark = pytest.mark.unit
ROOT = Path(__file__).resolve().parents[3]
OUTPUTS = {
    "nodes": {
        name: {"publicAddress": node.address, "knownHosts": node.known_hosts}
        for name, node in NODES.items()
    },
    "login": "admin",
    "sshPrivateKey": KEY,
}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH but for the shell's own tools."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def put(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_the_stack_that_is_selected_is_read(programs: Path) -> None:
    put(programs, "pulumi", f"printf '%s\\n' \"$*\" > asked\ncat <<'E'\n{json.dumps(OUTPUTS)}\nE")
    assert stack.read(None, programs) == RING
    asked = (programs / "asked").read_text()
    assert asked == "stack output --json --show-secrets --non-interactive\n"
    stack.read("prod", programs)
    assert (programs / "asked").read_text().endswith(" --stack prod\n")


def test_a_stack_that_cannot_be_read_is_pulumis_own_words(programs: Path) -> None:
    put(programs, "pulumi", "echo 'error: no stack selected' >&2; exit 255")
    with pytest.raises(OpsError) as error:
        stack.read(None, programs)
    assert "no stack selected" in error.value.found
    assert "pulumi stack ls" in error.value.next_step


def test_where_there_is_no_pulumi_its_place_is_named(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(OpsError, match="no program `pulumi`"):
        stack.read(None, programs)


@pytest.mark.parametrize("outputs", [{}, [], None, {"nodes": {}}, {**OUTPUTS, "nodes": {}}])
def test_outputs_of_something_else_are_no_ring(outputs: Any) -> None:
    with pytest.raises(OpsError, match="no nodes, login or key"):
        stack.parse(outputs)


def test_the_key_is_in_no_text_of_the_ring() -> None:
    assert "secret" not in repr(RING)


def test_the_key_is_in_a_private_file_and_nowhere_else_until_it_is_closed(
    programs: Path, tmp_path: Path
) -> None:
    put(programs, "ssh", 'for each; do echo "$each"; done; cat')
    way = Ssh(RING)
    done = way.run("node-2", "sudo true", "the document", lambda _: None)
    assert done.code == 0
    words = done.stdout.splitlines()
    assert words[-1] == "the document"
    assert words[-2] == "sudo true"
    assert words[-3] == "admin@203.0.113.2"
    assert "secret" not in "\n".join(words[:-1])
    options = dict(word[2:].split("=", 1) for word in words if word.startswith("-o"))
    assert options["StrictHostKeyChecking"] == "yes"
    key, known_hosts = Path(options["IdentityFile"]), Path(options["UserKnownHostsFile"])
    assert key.read_text() == KEY
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert known_hosts.read_text().splitlines() == [each.known_hosts for each in NODES.values()]
    way.close()
    assert [path for path in tmp_path.iterdir() if path.name.startswith("ring-")] == []


def test_standard_error_is_heard_line_by_line_while_the_program_runs(programs: Path) -> None:
    put(programs, "ssh", "echo first >&2; read word; echo $word; echo last >&2; exit 7")
    way = Ssh(RING)
    heard: list[str] = []
    try:
        done = way.run("node-1", "x", "out\n", heard.append)
    finally:
        way.close()
    assert (done.code, done.stdout, done.stderr) == (7, "out\n", "first\nlast\n")
    assert heard == ["first\n", "last\n"]


def test_a_connection_that_fails_is_not_taken_for_an_answer(programs: Path) -> None:
    put(programs, "ssh", "echo 'ssh: connect: refused' >&2; exit 255")
    way = Ssh(RING)
    try:
        done = way.run("node-1", "x", "", lambda _: None)
    finally:
        way.close()
    assert done.code is None
    with pytest.raises(OpsError, match="node-1 does not answer over SSH") as error:
        nodes.answer("node-1", "status", done)
    assert error.value.code == errors.UNREACHABLE


def test_the_verb_has_an_end_on_its_host() -> None:
    assert nodes.command("backups") == (
        "sudo timeout --kill-after=60 15m /opt/mysql-ring/current/ring-node backups"
    )


def test_the_launcher_names_what_is_missing(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "ring").write_text((ROOT / "scripts/ring").read_text())
    done = subprocess.run(
        ["bash", str(scripts / "ring")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == errors.HOST
    assert "pulumi install" in done.stderr


def test_the_launcher_starts_the_command_with_the_programs_python(tmp_path: Path) -> None:
    (tmp_path / "venv").symlink_to(sys.prefix)
    (tmp_path / "scripts").mkdir()
    for name in ("ring", "ops"):
        (tmp_path / "scripts" / name).symlink_to(ROOT / "scripts" / name)
    done = subprocess.run(
        ["bash", str(tmp_path / "scripts" / "ring"), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
        env={**os.environ, "PYTHONPATH": "/nowhere"},
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: ring " in done.stdout


def test_a_command_that_is_told_to_end_leaves_no_key(programs: Path, tmp_path: Path) -> None:
    put(programs, "pulumi", f"cat <<'E'\n{json.dumps(OUTPUTS)}\nE")
    put(programs, "ssh", f"touch {tmp_path}/begun-$$; exec sleep 600")
    argv = [sys.executable, "-m", "ops", "backup", "list"]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    process = subprocess.Popen(argv, env=surroundings, stderr=subprocess.PIPE, text=True)
    within(30, "both are asked", lambda: len(list(tmp_path.glob("begun-*"))) == 2)
    assert len(list(tmp_path.glob("ring-*"))) == 1
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == errors.INTERRUPTED, said
    assert "interrupted" in said
    assert list(tmp_path.glob("ring-*")) == []


def leaves() -> list[list[str]]:
    return [
        [group, name]
        for group, each in main.commands.items()
        for name in each.commands  # type: ignore[attr-defined]
    ]


@pytest.mark.parametrize("words", leaves(), ids=" ".join)
def test_the_help_of_every_command_has_an_example_and_the_exit_codes(words: list[str]) -> None:
    text = CliRunner().invoke(main, [*words, "--help"], prog_name="ring").output
    assert f"Example:\n    ring {' '.join(words)}" in text
    for code, meaning in errors.MEANING.items():
        assert f"{code} {meaning}" in text


def test_the_codes_of_verbs_are_those_of_the_node_tool() -> None:
    ours = {
        "OK": errors.DONE,
        "INTERNAL": errors.DEFECT,
        "INPUT": errors.INPUT,
        "REFUSED": errors.REFUSED,
        "UNREACHABLE": errors.UNREACHABLE,
        "HOST": errors.HOST,
        "SERVER": errors.SERVER,
        "BUSY": errors.BUSY,
        "DEADLINE": errors.DEADLINE,
        "UNHEALTHY": nodes.UNHEALTHY,
    }
    assert ours == {each.name: each.value for each in Exit}


def test_the_command_speaks_no_sql_and_imports_nothing_of_the_lab_or_the_node_tool() -> None:
    allowed = {"click", "rich", "ops", *sys.stdlib_module_names}
    for path in (ROOT / "scripts/ops").glob("*.py"):
        for each in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(each, ast.Import):
                names = [alias.name for alias in each.names]
            elif isinstance(each, ast.ImportFrom) and each.module:
                names = [each.module]
            assert {name.partition(".")[0] for name in names} <= allowed, path
