"""Files that are whole or not there, deadlines, and the lock."""

from __future__ import annotations

import fcntl
import getpass
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ring_node.base import paths
from ring_node.base.errors import Exit, NodeError
from ring_node.base.lock import host_lock
from ring_node.base.report import Report
from ring_node.base.waiting import Deadline, poll
from ring_node.host import files
from ring_node.mysql import lifecycle
from ring_node.verbs import tools, wait_ready

pytestmark = pytest.mark.unit

ME = getpass.getuser()


def test_a_file_is_written_once_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert files.write(path, b"a", mode=0o600, owner=ME)
    assert not files.write(path, b"a", mode=0o600, owner=ME)
    assert files.write(path, b"a", mode=0o640, owner=ME)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "my.cnf"
    files.write(path, b"old", mode=0o644, owner=ME)

    def fail(_descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        files.write(path, b"new", mode=0o644, owner=ME)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["my.cnf"]


def test_a_link_is_replaced_at_once(tmp_path: Path) -> None:
    link = tmp_path / "current"
    assert files.link(link, tmp_path / "a")
    assert not files.link(link, tmp_path / "a")
    assert files.link(link, tmp_path / "b")
    assert os.readlink(link) == str(tmp_path / "b")


def test_polling_ends_with_its_deadline_and_looks_at_least_once() -> None:
    looks: list[int] = []
    assert poll(lambda: looks.append(1), Deadline(0)) is None
    assert looks == [1]


def test_a_second_verb_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as holder:
        holder.write("seed, process 1")
        holder.flush()
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(NodeError) as caught, host_lock(path, "tls", 0.05):
            pass
    assert caught.value.code is Exit.BUSY
    assert "seed" in caught.value.found


def test_the_lock_is_free_after_its_holder(tmp_path: Path) -> None:
    for _ in range(2):
        with host_lock(tmp_path / "lock", "seed", 0.05):
            pass


def test_a_server_that_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINPID", "4194305")  # above the kernel's largest process id
    monkeypatch.setattr(lifecycle, "greets", lambda: None)
    assert wait_ready.run() == 1


def test_a_report_without_changes_says_so() -> None:
    assert '"changed": false, "done": ["no change"]' in Report("seed").line()


@pytest.mark.parametrize(
    ("status", "notes"),
    [(0, []), (2, ["cloud-init had recoverable errors: status: done"])],
    ids=["done", "degraded"],
)
def test_a_first_boot_that_got_over_its_errors_is_one_to_build_on(
    monkeypatch: pytest.MonkeyPatch, status: int, notes: list[str]
) -> None:
    monkeypatch.setattr(tools, "attempt", lambda *_, **__: (status, "status: done\n", ""))
    report = Report("tools")
    tools._wait_for_first_boot(report)
    assert report.notes == notes


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One whose cloud-init has failed; where the link to the tool in use would be."""
    monkeypatch.setattr(tools, "attempt", lambda *_, **__: (1, "status: error\n", ""))
    link = tmp_path / "current"
    monkeypatch.setattr(paths, "CURRENT_RELEASE", link)
    return link


@pytest.mark.usefixtures("host")
def test_a_first_boot_that_failed_is_not_built_on() -> None:
    with pytest.raises(NodeError) as caught:
        tools._wait_for_first_boot(Report("tools"))
    assert "status: error" in caught.value.found


def test_a_host_that_was_built_on_is_not_given_up_for_a_later_boot(host: Path) -> None:
    host.symlink_to(host.parent / "release")
    report = Report("tools")
    tools._wait_for_first_boot(report)
    assert report.notes == ["cloud-init had errors since the first boot: status: error"]


@pytest.mark.parametrize("verb", ["tools", "wait_serving", "install", "status"])
def test_a_verb_that_runs_before_the_packages_are_there_needs_none_of_them(verb: str) -> None:
    """In a process of its own, where PyMySQL cannot be imported."""
    program = (
        "import sys; sys.modules['pymysql'] = None; sys.path[:0] = sys.argv[1:];"
        f" import ring_node.cli, ring_node.verbs.{verb}"
    )
    place = Path(tools.__file__).parents[2]
    subprocess.run([sys.executable, "-B", "-c", program, str(place)], check=True)
