"""The copy's read lock: what is in its way is waited for, then named."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from ring_node.base import paths
from ring_node.base.errors import Exit, NodeError
from ring_node.host import files, programs
from ring_node.mysql import statements
from ring_node.mysql.login import Login
from ring_node.mysql.shows import Coordinates
from ring_node.ring import copying
from ring_node.ring.documents import Peer

pytestmark = pytest.mark.unit

PEER, LOGIN = Peer("node-2", 2, "10.10.1.11", "i-2"), Login("ring_peer", "word")
METADATA = (
    "Started dump at: x\nSHOW MASTER STATUS:\n\tLog: bin.000007\n\tPos: 45\n\nFinished dump at: x\n"
)
REPORT = {"id": 7, "user": "app", "host": "10.0.0.1:4", "info": "SELECT 1", "seconds": 300}
GUARD = "** CRITICAL **: There are queries in PROCESSLIST running longer than 2s, aborting dump"
LOCK = "** CRITICAL **: Couldn't acquire global lock, snapshots will not be consistent: Lock wait"


class Survivor:
    """The peer's server: what its clients run, look after look, and then as at the last one."""

    def __init__(self, *looks: list[dict[str, Any]]) -> None:
        self.looks = list(looks)

    def rows(self, statement: str, _parameters: Any = ()) -> list[dict[str, Any]]:
        if statement == statements.OPEN:
            return []
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


@pytest.fixture
def dumps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[int, str]]:
    """How mydumper ends, try after try. One that ends well leaves its metadata."""
    ends: list[tuple[int, str]] = []

    def watched(*_: Any, **__: Any) -> tuple[int, str]:
        status, said = ends.pop(0)
        if status == 0:
            paths.COPY.mkdir()
            (paths.COPY / "metadata").write_text(METADATA)
        return status, said

    monkeypatch.setattr(paths, "COPY", tmp_path / "copy")
    monkeypatch.setattr(copying, "watched", watched)
    monkeypatch.setattr(copying, "LOCK_PAUSE", 0.0)
    monkeypatch.setattr(copying, "LONG_PATIENCE", 0.1)
    monkeypatch.setattr(files, "write", lambda *_, **__: True)
    return ends


def dump(*looks: list[dict[str, Any]]) -> Coordinates:
    survivor: Any = Survivor(*looks)
    return copying._dump(survivor, PEER, LOGIN)


def test_a_long_statement_is_waited_for_before_the_lock_is_tried(
    dumps: list[tuple[int, str]],
) -> None:
    dumps[:] = [(0, "")]
    assert dump([REPORT], [REPORT], []) == Coordinates("bin.000007", 45)


@pytest.mark.parametrize("said", [GUARD, LOCK], ids=["a long statement", "no lock"])
def test_a_lock_that_was_not_had_is_tried_again_and_for_a_few_times_only(
    dumps: list[tuple[int, str]], said: str
) -> None:
    dumps[:] = [(-9, said), (1, said), (0, "")]
    assert dump([]) == Coordinates("bin.000007", 45)
    dumps[:] = [(1, said)] * copying.LOCK_TRIES
    with pytest.raises(NodeError) as caught:
        dump([])
    assert dumps == []
    assert caught.value.code is Exit.DEADLINE
    assert "a session holds LOCK TABLES" in caught.value.found


def test_a_statement_that_does_not_end_is_named_and_the_lock_is_never_tried(
    dumps: list[tuple[int, str]],
) -> None:
    with pytest.raises(NodeError) as caught:
        dump([REPORT])
    assert caught.value.found == (
        "node-2 cannot be locked for the copy: `SELECT 1` of app@10.0.0.1, 300 s old (process 7)"
    )
    assert "KILL its process on node-2" in caught.value.next_step
    assert dumps == []


def test_another_failure_of_the_dump_is_told_at_once(dumps: list[tuple[int, str]]) -> None:
    dumps[:] = [(1, "** CRITICAL **: Error connecting to database"), (0, "")]
    with pytest.raises(NodeError, match=r"ended with 1.*Error connecting"):
        dump([])
    assert dumps == [(0, "")]


def test_a_program_is_ended_when_it_says_that_it_has_failed() -> None:
    says = "import sys, time; print('no lock', file=sys.stderr, flush=True); time.sleep(600)"
    status, said = programs.watched(
        [sys.executable, "-c", says], hopeless=re.compile("no lock"), seconds=60, next_step=""
    )
    assert (status, said) == (-9, "no lock\n")


def test_a_program_that_goes_well_is_left_to_its_end_and_one_that_takes_too_long_is_not() -> None:
    hopeless = re.compile("no lock")
    fine = [sys.executable, "-c", "import sys; print('fine', file=sys.stderr); sys.exit(3)"]
    assert programs.watched(fine, hopeless=hopeless, seconds=60, next_step="") == (3, "fine\n")
    slow = [sys.executable, "-c", "import time; time.sleep(600)"]
    with pytest.raises(NodeError) as caught:
        programs.watched(slow, hopeless=hopeless, seconds=0.1, next_step="wait")
    assert caught.value.code is Exit.DEADLINE
    with pytest.raises(NodeError, match="no program named nowhere"):
        programs.watched(["nowhere"], hopeless=hopeless, seconds=60, next_step="")
