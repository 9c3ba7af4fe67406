"""What a program in the lab sees of its caller, and which plugins and settings it gets."""

import json
import os
import stat
import sys
import time
from pathlib import Path

import pytest
import yaml
from cloud.cli import stack
from cloud.cli.errors import LabError
from cloud.cli.surroundings import VIRTUAL_ENVIRONMENT, argv_in_world, environment
from cloud.lab import CHECKOUT, Lab
from cloud.setup import plugins, run
from cloud.setup.archive import FILE_NAME
from cloud.setup.entry import Entry, Report, SetupError
from cloud.setup.toolchain import parse_version

pytestmark = pytest.mark.unit


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path / "lab", tmp_path / "cache", tmp_path / "checkout")
    made.create()
    made.checkout.mkdir()
    (made.folder / "toolchain").write_text("/cache/pulumi")
    return made


def test_no_credential_of_the_caller_gets_into_the_lab(lab: Lab) -> None:
    caller = {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_PROFILE": "work",
        "AWS_ENDPOINT_URL": "https://elsewhere.example",
        "PULUMI_ACCESS_TOKEN": "pul-1",
        "PULUMI_CONFIG_PASSPHRASE": "p",
        "PYTHONPATH": "/elsewhere",
        "HOME": "/root",
        "SSH_AUTH_SOCK": "/run/agent",
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
    }
    found = environment(lab, caller)
    assert found["TERM"] == "xterm"
    assert found["LC_ALL"] == "C.UTF-8"
    assert found["HOME"] == str(lab.home)
    assert set(found) & set(caller) == {"TERM", "LC_ALL", "HOME"}
    assert not set(caller.values()) & {
        value for key, value in found.items() if key not in ("TERM", "LC_ALL")
    }


def test_the_backend_writes_no_side_files_that_a_killed_cli_would_leave_empty(lab: Lab) -> None:
    found = environment(lab, {})["PULUMI_BACKEND_URL"]
    assert found == f"file://{lab.state}?metadata=skip"


def test_the_cli_and_the_language_host_come_before_the_systems_programs(lab: Lab) -> None:
    path = environment(lab, {})["PATH"].split(os.pathsep)
    assert path.index("/cache/pulumi") < path.index("/usr/bin")
    assert path[0] == str(lab.bin), "nothing is there, unless a test puts it there"
    assert not lab.bin.exists()
    assert path[1] == str(Path(sys.prefix) / "bin")


def test_a_stand_in_is_installed_where_the_official_plugin_is_not(lab: Lab, tmp_path: Path) -> None:
    kinds = plugins.install(lab, {"HOME": str(tmp_path / "nobody")})
    assert set(kinds.values()) == {"stand-in"}
    for name, version in plugins.PLUGINS.items():
        folder = lab.pulumi_home / "plugins" / f"resource-{name}-v{version}"
        program = folder / f"pulumi-resource-{name}"
        assert os.access(program, os.X_OK)
        assert f"cloud.providers.{name}" in program.read_text()


def test_an_official_plugin_takes_the_place_of_the_stand_in_and_gives_it_back(
    lab: Lab, tmp_path: Path
) -> None:
    home = tmp_path / "pulumi"
    official = home / "plugins" / f"resource-aws-v{plugins.PLUGINS['aws']}"
    official.mkdir(parents=True)
    program = official / "pulumi-resource-aws"
    plugins.install(lab, {"PULUMI_HOME": str(home)})
    program.write_text("#!/bin/sh\n")
    assert plugins.install(lab, {"PULUMI_HOME": str(home)})["aws"] == "stand-in"
    program.chmod(0o755)
    kinds = plugins.install(lab, {"PULUMI_HOME": str(home)})
    assert kinds == {"aws": "official", "command": "stand-in"}
    installed = lab.pulumi_home / "plugins" / official.name
    assert installed.resolve() == installed
    assert (installed / program.name).read_text() == "#!/bin/sh\n"
    assert plugins.install(lab, {"HOME": "/nowhere"})["aws"] == "stand-in"
    assert "cloud.providers.aws" in (installed / "pulumi-resource-aws").read_text()
    assert program.read_text() == "#!/bin/sh\n"


def test_the_engine_finds_a_plugin_whose_official_folder_and_program_are_links(
    lab: Lab, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "program").write_text("one")
    (store / "program").chmod(0o755)
    folder = tmp_path / "whole"
    (folder / "schema").mkdir(parents=True)
    (folder / "schema" / "aws.json").write_text("{}")
    (folder / "pulumi-resource-aws").symlink_to(store / "program")
    official = tmp_path / "pulumi" / "plugins" / f"resource-aws-v{plugins.PLUGINS['aws']}"
    official.parent.mkdir(parents=True)
    official.symlink_to(folder)
    installed = lab.pulumi_home / "plugins" / official.name
    installed.parent.mkdir(parents=True)
    installed.symlink_to(official)  # as an earlier set-up left it

    def install() -> os.stat_result:
        kinds = plugins.install(lab, {"PULUMI_HOME": str(tmp_path / "pulumi")})
        assert kinds["aws"] == "official"
        # What the engine does: it goes through the folder's entries, and takes those of its kind.
        (found,) = (each for each in os.scandir(installed.parent) if each.name == official.name)
        assert found.is_dir(follow_symlinks=False)
        return (installed / "pulumi-resource-aws").lstat()

    first = install()
    assert stat.S_ISREG(first.st_mode)
    assert os.access(installed / "pulumi-resource-aws", os.X_OK)
    assert (installed / "schema" / "aws.json").read_text() == "{}"
    assert install().st_ino == first.st_ino, "what is there already is left alone"
    (store / "newer").write_text("another")
    (store / "newer").chmod(0o755)
    (store / "newer").rename(store / "program")
    install()
    assert (installed / "pulumi-resource-aws").read_text() == "another"


def test_the_pinned_plugins_are_those_of_the_program() -> None:
    pinned = (Path(__file__).resolve().parents[3] / "requirements.txt").read_text()
    for name, version in plugins.PLUGINS.items():
        assert f"pulumi-{name}=={version}\n" in pinned


def test_the_working_copy_of_the_settings_keeps_its_salt_and_follows_the_committed_file(
    lab: Lab,
) -> None:
    lab.committed_settings.write_text("config:\n  a: 1\n")
    stack.copy_settings(lab)
    assert lab.settings.read_text() == "config:\n  a: 1\n"
    lab.settings.write_text("config:\n  a: 1\nencryptionsalt: v1:abc\n")
    lab.committed_settings.write_text("config:\n  a: 2\n")
    stack.copy_settings(lab)
    assert lab.settings.read_text() == "config:\n  a: 2\nencryptionsalt: v1:abc\n"
    assert lab.settings.stat().st_mode & 0o777 == 0o600


def _lock(lab: Lab, pid: int) -> Path:
    lab.locks.mkdir(parents=True)
    path = lab.locks / "1234.json"
    path.write_text(json.dumps({"pid": pid, "username": "root", "hostname": "here"}))
    return path


def test_the_lock_of_an_update_that_died_is_removed_and_said(lab: Lab) -> None:
    said: list[str] = []
    path = _lock(lab, 2**22 + 1)
    stack.clear_stale_lock(lab, said.append)
    assert not path.exists()
    assert str(2**22 + 1) in said[0]


def test_the_lock_of_an_update_that_runs_is_kept(lab: Lab) -> None:
    path = _lock(lab, os.getpid())
    with pytest.raises(LabError, match=str(os.getpid())):
        stack.clear_stale_lock(lab, lambda _text: None)
    assert path.exists()


def test_a_lock_older_than_the_process_with_its_number_is_stale(lab: Lab) -> None:
    path = _lock(lab, os.getpid())
    long_ago = time.time() - 10**6
    os.utime(path, (long_ago, long_ago))
    stack.clear_stale_lock(lab, lambda _text: None)
    assert not path.exists()


def test_the_summary_and_the_steps_are_read_from_the_event_log(tmp_path: Path) -> None:
    urn = "urn:pulumi:lab::mysql-ring::aws:ec2/vpc:Vpc::client"
    component, custom = (
        "urn:pulumi:lab::mysql-ring::mysql-ring:index:Network::net",
        {"custom": True},
    )
    events = [
        {"timestamp": 90, "resourcePreEvent": {"metadata": {"urn": component, "new": {}}}},
        {"timestamp": 100, "resourcePreEvent": {"metadata": {"urn": urn, "new": custom}}},
        {"timestamp": 103, "resOutputsEvent": {"metadata": {"urn": urn}}},
        {"timestamp": 104, "resOutputsEvent": {"metadata": {"urn": component}}},
        {"timestamp": 104, "summaryEvent": {"resourceChanges": {"create": 2, "same": 5}}},
    ]
    path = tmp_path / "events.json"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    update = stack.read_events(path)
    assert update.changes == {"create": 2, "same": 5}
    assert update.changed == 2
    assert update.seconds == {"client": 3}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.259.0\n", (3, 259, 0)),
        ("go1.26.8", (1, 26, 8)),
        ("go1.25", (1, 25, 0)),
        ("devel", None),
    ],
)
def test_versions_are_read_from_what_programs_print(
    text: str, version: tuple[int, int, int] | None
) -> None:
    assert parse_version(text) == version


def test_an_archive_that_the_settings_do_not_expect_is_named_with_both_checksums(
    tmp_path: Path,
) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"archive")
    with pytest.raises(SetupError) as refused:
        run.check_archive(tmp_path, "md5:0")
    assert "md5:0" in str(refused.value)
    assert "md5:888d0ee361af3603736f32131e7b20a2" in str(refused.value)
    run.check_archive(tmp_path, "md5:888d0ee361af3603736f32131e7b20a2")


def test_an_entry_is_built_after_those_it_stands_on(tmp_path: Path) -> None:
    order: list[str] = []

    def builder(name: str) -> Entry:
        def build(_folder: Path, _report: Report) -> None:
            order.append(name)

        return Entry(name, "0", build)

    jobs = [run.Job(builder("mirror"), after=("base",)), run.Job(builder("base"))]
    assert set(run.build_all(jobs, tmp_path)) == {"mirror", "base"}
    assert order == ["base", "mirror"]
    assert run.build_all(jobs, tmp_path) == {}
    assert len(order) == 2


def test_one_failed_entry_ends_the_set_up_with_its_message(tmp_path: Path) -> None:
    def fail(_folder: Path, _report: Report) -> None:
        raise SetupError("no npm")

    with pytest.raises(SetupError, match="no npm"):
        run.build_all([run.Job(Entry("archive", "0", fail))], tmp_path)


def test_a_command_for_the_world_keeps_its_arguments_apart(tmp_path: Path) -> None:
    made = argv_in_world(Lab(tmp_path, tmp_path), ["echo", "two words", "$HOME"])
    assert made[0] == "nsenter"
    assert made[-3:] == ["echo", "two words", "$HOME"]
    assert made[-6:-3] == [str(tmp_path / "cloud"), sys.prefix, str(CHECKOUT / "venv")]


def test_the_virtual_environment_of_each_project_is_the_one_that_the_lab_lays_there() -> None:
    for file in (CHECKOUT / "Pulumi.yaml", *(CHECKOUT / "examples").glob("*/Pulumi.yaml")):
        options = yaml.safe_load(file.read_text())["runtime"]["options"]
        place = (file.parent / options["virtualenv"]).resolve()
        assert place == CHECKOUT / VIRTUAL_ENVIRONMENT, file
