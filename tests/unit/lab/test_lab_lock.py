"""One command at a time works on a lab, and `down` can end the one that does."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloud.cli import lock
from cloud.cli.errors import BUSY, INTERRUPTED, USAGE, LabError
from cloud.lab import Lab
from cloud.processes import Process

pytestmark = pytest.mark.unit
SCRIPTS = Path(lock.__file__).parents[2]

HOLDER = textwrap.dedent(
    """
    import pathlib, signal, sys, time
    from cloud.cli import interrupt, lock
    from cloud.lab import Lab
    folder, ignore = pathlib.Path(sys.argv[1]), sys.argv[2] == "ignore"
    with lock.held(Lab(folder, folder), "scripts/lab up"), interrupt.as_exception():
        if ignore:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("held", flush=True)
        time.sleep(60)
    """
)

SLOW_DOWN = textwrap.dedent(
    """
    import time
    from cloud.commands import main
    from cloud.cli import take_down
    def hang(*_):
        print("held", flush=True)
        time.sleep(60)
    take_down._take_down = hang
    main(["down", "--yes"])
    """
)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "lab", tmp_path / "cache")


class Holder:
    def __init__(self, lab: Lab, mode: str, *, ignored: bool = False) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(lab.folder), mode],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            preexec_fn=(lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)) if ignored else None,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "held\n"


@pytest.fixture
def holders() -> Iterator[list[Holder]]:
    started: list[Holder] = []
    yield started
    for holder in started:
        holder.process.kill()
        holder.process.wait(10)


def owner_of(lab: Lab) -> lock.Owner:
    owner = lock.read_owner(lab.folder / "lock")
    assert owner is not None
    return owner


def test_a_second_command_is_told_at_once_who_works(
    lab: Lab, holders: list[Holder], monkeypatch: pytest.MonkeyPatch
) -> None:
    holders.append(Holder(lab, "heed"))
    monkeypatch.setattr(lock.time, "sleep", lambda _: pytest.fail("it waits"))
    with pytest.raises(lock.LabBusy) as busy, lock.held(lab, "scripts/lab up"):
        pass
    assert str(holders[0].process.pid) in str(busy.value)
    assert "since" in str(busy.value)
    assert busy.value.code == BUSY


@pytest.mark.parametrize(
    ("command", "ending"),
    [
        (lock.UP, f"`{lock.DOWN}`"),
        (lock.DOWN, "`kill -INT 4711`"),
        ("scripts/lab bench", "`kill -INT 4711`"),
    ],
)
def test_a_busy_lab_names_what_ends_its_holder(lab: Lab, command: str, ending: str) -> None:
    busy = str(lock.LabBusy(lab, lock.Owner(4711, 1, command, 0.0)))
    assert f"wait for its end, or end it with {ending}, then" in busy


def test_a_holder_that_has_not_said_who_it_is_can_be_waited_for(lab: Lab) -> None:
    assert "wait for its end, then run it again" in str(lock.LabBusy(lab, None))


def test_what_a_second_down_is_told_to_do_ends_the_first(lab: Lab) -> None:
    lab.create()
    surroundings = {
        **os.environ,
        "PYTHONPATH": str(SCRIPTS),
        "MYSQL_RING_LAB": str(lab.folder),
        "MYSQL_RING_CACHE": str(lab.cache),
    }
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_DOWN],
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As a shell without job control starts what runs in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    ) as first:
        try:
            assert first.stdout is not None
            assert first.stdout.readline() == "held\n"
            argv = [sys.executable, "-m", "cloud", "down", "--yes"]
            second = subprocess.run(
                argv, env=surroundings, capture_output=True, text=True, timeout=30
            )
            assert second.returncode == BUSY
            assert f"`kill -INT {first.pid}`" in second.stderr
            os.kill(first.pid, signal.SIGINT)
            assert first.wait(10) == INTERRUPTED
        finally:
            first.kill()


def test_the_lock_is_free_after_its_holder_was_killed(lab: Lab, holders: list[Holder]) -> None:
    holders.append(Holder(lab, "heed"))
    holders[0].process.kill()
    holders[0].process.wait(10)
    assert lock.read_owner(lab.folder / "lock") is None
    with lock.held(lab, "scripts/lab down"):
        assert owner_of(lab).pid == os.getpid()


@pytest.mark.parametrize("ignored", [False, True])
def test_the_holder_ends_when_it_is_interrupted_also_if_its_caller_ignored_that(
    lab: Lab, holders: list[Holder], ignored: bool
) -> None:
    holders.append(Holder(lab, "heed", ignored=ignored))
    lock.end(owner_of(lab), patience=10)
    assert holders[0].process.wait(10) == 1


def test_a_holder_that_does_not_heed_is_killed_after_the_patience(
    lab: Lab, holders: list[Holder]
) -> None:
    holders.append(Holder(lab, "ignore"))
    lock.end(owner_of(lab), patience=0.5)
    assert holders[0].process.wait(10) == -signal.SIGKILL


def test_a_process_that_has_the_number_of_a_dead_owner_is_not_taken_for_it(lab: Lab) -> None:
    lab.create()
    this = Process.of(os.getpid())
    assert this is not None
    path = lab.folder / "lock"
    owner = {"pid": os.getpid(), "start": this.start, "command": "scripts/lab up", "since": 0.0}
    path.write_text(json.dumps(owner))
    assert lock.read_owner(path) is not None
    path.write_text(json.dumps({**owner, "start": this.start + 1}))
    assert lock.read_owner(path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_torn_lock_file_names_nobody(lab: Lab, content: str) -> None:
    lab.create()
    (lab.folder / "lock").write_text(content)
    assert lock.read_owner(lab.folder / "lock") is None


def test_a_folder_that_is_not_a_labs_is_refused_and_left(lab: Lab) -> None:
    lab.folder.mkdir()
    (lab.folder / "thesis.txt").write_text("x")
    with pytest.raises(LabError) as refused, lock.held(lab, "scripts/lab down"):
        pass
    assert refused.value.code == USAGE
    assert [path.name for path in lab.folder.iterdir()] == ["thesis.txt"]
