"""A full disk is called that, and leaves what was there before."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ring_node import cli
from ring_node.base.errors import Exit, NodeError
from ring_node.host import files, room

pytestmark = pytest.mark.unit

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/opt/x")
SAID = (
    "tar: a: Cannot write: No space left on device",
    "E: You don't have enough free space in /var/cache/apt/archives/.",
    "Error restoring app.t from file app.t.sql: The table 't' is full",
)


@pytest.mark.parametrize("said", SAID)
def test_a_program_that_ran_out_of_room_is_told_from_one_that_failed(said: str) -> None:
    with pytest.raises(NodeError) as caught, room.needed(Path("/opt"), "room"):
        raise NodeError(Exit.HOST, said, "x", "correct the settings")
    assert caught.value.found == f"no room left in /opt: {said}"
    assert caught.value.next_step == room.NEXT_STEP


def test_another_failure_keeps_its_own_words() -> None:
    other = NodeError(Exit.HOST, "not a tar archive", "x", "correct the settings")
    with pytest.raises(NodeError) as caught, room.needed(Path("/opt"), "room"):
        raise other
    assert caught.value is other


def test_a_disk_that_is_full_for_the_tool_itself_ends_in_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise FULL

    monkeypatch.setattr(cli, "_run", fail)
    assert cli.main(["tls"]) == Exit.HOST
    said = capsys.readouterr().err
    assert "No space left on device: '/opt/x'" in said
    assert room.NEXT_STEP in said


def test_of_several_files_none_is_changed_when_there_is_no_room_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {tmp_path / name: (b"old", 0o644) for name in ("CA.pem", "mysql.pem")}
    owner = tmp_path.owner()
    files.write_all(wanted, owner=owner)
    synced: list[int] = []

    def fail(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == len(wanted):
            raise FULL

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        files.write_all(dict.fromkeys(wanted, (b"new", 0o644)), owner=owner)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys(wanted, b"old")


def test_room_is_counted_after_what_was_removed_has_been_given_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    free = [1]

    def spaceman(command: list[str], **_: object) -> tuple[int, str, str]:
        assert command == ["xfs_spaceman", "-c", "prealloc -m 1000000000000000", str(tmp_path)]
        free[0] = 2
        return 0, "", ""

    monkeypatch.setattr(room.programs, "attempt", spaceman)
    monkeypatch.setattr(room, "free", lambda _: free[0])
    assert room.settled(tmp_path / "not there yet") == 2


def test_where_the_file_system_counts_at_once_nothing_more_is_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert room.settled(tmp_path) > 0
