"""The lab's command line: its arguments, its refusals and its exit codes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cloud.cli import check, connect, errors, nodes, take_down
from cloud.cli.check import Result
from cloud.commands import main
from cloud.lab import Lab
from cloud.setup import run

pytestmark = pytest.mark.unit
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("MYSQL_RING_LAB", str(tmp_path / "lab"))
    monkeypatch.setenv("MYSQL_RING_CACHE", str(tmp_path / "cache"))
    return CliRunner()


@pytest.mark.parametrize(
    "arguments",
    [
        ("preview", "--expect-no-changes"),
        ("--help",),
        ("up", "-y", "--", "--x"),
        ("config", "set", "a", "-1"),
    ],
)
def test_pulumi_gets_its_arguments_as_they_were_given(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    seen: list[tuple[str, ...]] = []
    monkeypatch.setattr(connect, "pulumi", lambda _lab, given: seen.append(given))
    result = runner.invoke(main, ["pulumi", *arguments])
    assert result.exit_code == 0, result.output
    assert seen == [arguments]


def test_ssh_gets_the_commands_options_too(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(connect, "ssh", lambda _lab, node, command: seen.append((node, command)))
    runner.invoke(main, ["ssh", "node-1", "ls", "-l", "/root"])
    runner.invoke(main, ["ssh", "node-2"])
    runner.invoke(main, ["ssh", "node-2", "--", "test", "--", "x"])
    assert seen == [
        ("node-1", ("ls", "-l", "/root")),
        ("node-2", ()),
        ("node-2", ("test", "--", "x")),
    ]


@pytest.mark.parametrize("command", [["pulumi", "up"], ["ssh", "node-1"], ["aws", "s3", "ls"]])
def test_a_command_that_needs_a_lab_says_how_to_bring_it_up(
    runner: CliRunner, command: list[str]
) -> None:
    result = runner.invoke(main, command)
    assert result.exit_code == errors.NOT_UP
    assert "scripts/lab up" in result.output


NO_PROCESS = 2**22 + 1
"""More than a process number can be (proc(5), pid_max)."""


@pytest.mark.parametrize(
    ("arguments", "pid", "said"),
    [
        (("destroy", "--yes"), NO_PROCESS, True),
        (("up",), NO_PROCESS, True),
        (("cancel", "--yes"), NO_PROCESS, False),
        (("destroy", "--yes"), os.getpid(), False),
    ],
    ids=["destroy", "up", "cancel", "of an update that runs"],
)
def test_before_pulumi_starts_the_lock_of_a_dead_update_is_named_with_the_labs_own_cancel(
    runner: CliRunner,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    pid: int,
    said: bool,
) -> None:
    lab = Lab(tmp_path / "lab", tmp_path / "cache")
    lab.create()
    (lab.folder / "toolchain").write_text("/cache/pulumi")
    lab.locks.mkdir(parents=True)
    (lab.locks / "1.json").write_text(json.dumps({"pid": pid}))
    started: list[list[str]] = []
    monkeypatch.setattr(connect, "require_up", lambda _lab: None)
    monkeypatch.setattr(connect, "_become", lambda argv, _env: started.append(argv))
    monkeypatch.chdir(ROOT)
    result = runner.invoke(main, ["pulumi", *arguments])
    assert result.exit_code == 0, result.output
    assert len(started) == 1
    assert started[0][-len(arguments) :] == list(arguments)
    assert (f"process {pid}" in result.stderr) == said
    assert ("run `scripts/lab pulumi cancel --yes`, then" in result.stderr) == said


def test_down_where_no_lab_is_says_so_and_succeeds(runner: CliRunner) -> None:
    result = runner.invoke(main, ["down"])
    assert result.exit_code == 0
    assert "Nothing is up" in result.output


def test_a_set_up_refuses_a_folder_that_is_not_a_labs(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(run, "prepare", lambda _lab: pytest.fail("the set-up has begun"))
    thesis = tmp_path / "lab" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("x")
    result = runner.invoke(main, ["setup"])
    assert result.exit_code == errors.USAGE
    assert [path.name for path in thesis.parent.iterdir()] == ["thesis.txt"]


def test_down_without_a_terminal_and_without_yes_changes_nothing(
    runner: CliRunner, tmp_path: Path
) -> None:
    lab = Lab(tmp_path / "lab", tmp_path / "cache")
    lab.create()
    result = runner.invoke(main, ["down"])
    assert result.exit_code == errors.NOT_CONFIRMED
    assert "--yes" in result.output
    assert lab.exists()


def test_down_refuses_a_folder_that_is_not_a_labs(runner: CliRunner, tmp_path: Path) -> None:
    thesis = tmp_path / "lab" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("x")
    result = runner.invoke(main, ["down", "--yes"])
    assert result.exit_code == errors.USAGE
    assert thesis.read_text() == "x"


def test_the_cache_loses_only_what_the_set_up_put_there(runner: CliRunner, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for name in ("base-0123456789ab", "pulumi-cli-0123456789ab", "locks", "photos", "base-new"):
        (cache / name).mkdir(parents=True)
    result = runner.invoke(main, ["down", "--yes", "--cache"])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in cache.iterdir()) == ["base-new", "photos"]


def test_a_cache_that_a_lab_runs_on_is_found(tmp_path: Path) -> None:
    image = tmp_path / "cache" / "base-0123456789ab" / "tree"
    script = "import time; print('up', flush=True); time.sleep(60)"
    argv = [sys.executable, "-c", script, "-m", "cloud.daemon", "--base", str(image)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            assert process.pid in take_down.daemons_on(tmp_path / "cache")
            assert take_down.daemons_on(tmp_path / "other") == []
        finally:
            process.kill()


def test_every_exit_code_is_in_the_help(runner: CliRunner) -> None:
    text = runner.invoke(main, ["--help"]).output
    for code, meaning in errors.MEANING.items():
        assert f"{code} {meaning}" in text


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help_of_test_names_every_tier(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr(check, "run", lambda *_: pytest.fail("it was passed on"))
    words = re.findall(r"[a-z]+", runner.invoke(main, ["test", option]).output)
    assert {*check.QUICK, *check.IN_A_LAB} <= set(words)


def test_pytest_gets_its_arguments_as_they_were_given(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(check, "run", lambda _lab, given: seen.append(given))
    runner.invoke(main, ["test", "tests/unit", "-k", "lab", "--help"])
    assert seen == [("tests/unit", "-k", "lab", "--help")]


def test_every_command_is_in_the_table_of_the_docs() -> None:
    text = (ROOT / "docs" / "lab" / "README.md").read_text()
    assert [name for name in main.commands if f"| `scripts/lab {name}" not in text] == []


def test_a_tier_that_ran_nothing_fails_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.summarize([Result("unit", 3, 0), Result("lab", 0, 0)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 1 failed"


def test_all_green_is_a_zero_and_the_last_line_has_the_totals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check.summarize([Result("lint", 4, 0), Result("unit", 38, 0)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "42 passed, 0 failed"


def test_a_skipped_test_counts_as_failed(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite tests="10" failures="1" errors="2" skipped="3"/></testsuites>'
    )
    assert check.counts(report) == (4, 6)


def test_a_failed_test_is_named_again_at_the_end_with_the_last_that_it_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.xml"
    said = "\n".join(["far above", *["between"] * check.LAST_LINES, "E   the cause"])
    report.write_text(
        '<testsuites><testsuite tests="2" failures="1">'
        f'<testcase classname="tests.lab.a" name="test_a"><failure>{said}</failure></testcase>'
        '<testcase classname="tests.lab.a" name="test_b"/></testsuite></testsuites>'
    )
    result = Result("lab", 1, 1, failures=check.failures(report))
    assert check.summarize([result, Result("unit", 3, 0)]) == 1
    printed = capsys.readouterr().out
    assert "== lab failed: tests.lab.a.test_a (failure)\n" in printed
    assert "E   the cause\n\nlab: 1 passed" in printed
    assert "far above" not in printed
    assert "test_b" not in printed


def test_every_shell_script_is_found_by_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/usr/bin/env bash\n")
    (tmp_path / "lib.sh").write_text("true\n")
    (tmp_path / "program").write_text("#!/usr/bin/env python3\n")
    (tmp_path / ".lab-test").mkdir()
    (tmp_path / ".lab-test" / "launcher").write_text("#!/bin/sh\n")
    assert [path.name for path in check.shell_files(tmp_path)] == ["lib.sh", "tool"]


def test_the_entry_itself_is_checked() -> None:
    assert ROOT / "scripts" / "lab" in set(check.shell_files(ROOT))


def test_an_unknown_node_is_answered_with_those_there_are() -> None:
    ring = nodes.Nodes.__new__(nodes.Nodes)
    ring.all = {"node-2": {}, "node-1": {}}
    with pytest.raises(errors.LabError, match=r"'node-3'.*node-1, node-2"):
        ring.check("node-3")
