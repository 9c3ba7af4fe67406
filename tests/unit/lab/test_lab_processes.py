"""Telling the lab's processes from others that have their numbers, and ending them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloud.lab import read_process, write_process
from cloud.processes import Process, end, wait_end

pytestmark = pytest.mark.unit

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True)"


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def known(process: "subprocess.Popen[bytes]") -> Process:
    found = Process.of(process.pid)
    assert found is not None
    return found


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    own = Process.of(os.getpid())
    assert own is not None
    assert own.is_alive()
    assert not own._replace(start=own.start + 1).is_alive()


def test_an_ended_process_is_not_alive_even_before_its_parent_looks(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    process = known(sleeper)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not process.is_alive()
    sleeper.wait(10)
    assert Process.of(sleeper.pid) is None


def test_the_start_of_a_process_is_a_time_of_day() -> None:
    before = time.time()
    with subprocess.Popen(["sleep", "60"]) as process:
        found = known(process).started_at()
        process.kill()
    assert before - 1 <= found <= time.time() + 1


def test_a_written_process_is_read_while_it_is_there(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    process = known(sleeper)
    write_process(tmp_path / "ready", process)
    assert read_process(tmp_path / "ready") == process
    end([process], 10)
    assert read_process(tmp_path / "ready") is None


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"pid": 1}', '{"pid": 1, "started": 2}'])
def test_a_torn_record_names_no_process(tmp_path: Path, content: str) -> None:
    (tmp_path / "ready").write_text(content)
    assert read_process(tmp_path / "ready") is None


def test_a_process_that_heeds_is_asked_and_one_that_does_not_is_killed(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    argv = [sys.executable, "-c", f"{STUBBORN}; time.sleep(60)"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout
        stubborn.stdout.readline()
        assert end([known(sleeper), known(stubborn)], patience=0.5) == []
    assert sleeper.wait(10) == -signal.SIGTERM
    assert stubborn.returncode == -signal.SIGKILL


def test_a_process_that_does_not_end_is_named(sleeper: "subprocess.Popen[bytes]") -> None:
    assert wait_end([known(sleeper)], 0) == [known(sleeper)]


def test_another_process_with_the_number_is_left_alone(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    process = known(sleeper)
    assert end([process._replace(start=process.start + 1)], 10) == []
    assert process.is_alive()
