"""What a snapshot holds and when it counts; what is read off a server that runs on a copy."""

from __future__ import annotations

import base64
import os
import shutil
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ring_node.base import paths
from ring_node.base.errors import Exit, NodeError
from ring_node.base.lock import try_lock
from ring_node.base.waiting import Deadline, poll
from ring_node.host import files, reflink, room
from ring_node.mysql import (
    binlogs,
    events,
    inventory,
    kept,
    redo_log,
    scratch,
    snapshot,
    snapshot_room,
    snapshot_source,
    sql,
    statements,
)
from ring_node.mysql.binlogs import Commits
from ring_node.mysql.shows import Coordinates

pytestmark = pytest.mark.unit

# The first log of a 5.6.24: CREATE DATABASE, two CREATE TABLE, one INSERT of two rows into InnoDB.
FIRST_LOG = base64.b64decode(
    "/mJpboiCB2sPAQAAAHQAAAB4AAAAAQAEADUuNi4yNC1sb2cAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAiIIHaxM4DQAIABIABAQEBBIAAFwABBoIAAAACAgIAgAAAAoKChkZAAE6zmmRjYIHawIBAAAAYAAAANgAAAAIAAIA"
    "AAAAAAAAAwAAJQAAAAAAAAEAAAAAAAAAAAYDc3RkAwIAAQAEIQAhAMAADAFhcHAAYXBwAGNyZWF0ZSBkYXRhYmFzZSBhcH"
    "AQyGY9jYIHawIBAAAAngAAAHYBAAAAAAIAAAAAAAAAAAAAJQAAAAAAAAEAAAAAAAAAAAYDc3RkAwIAAQAEIQAhAMAADAFh"
    "cHAAAGNyZWF0ZSB0YWJsZSBhcHAudCAoaWQgaW50IHByaW1hcnkga2V5IGF1dG9faW5jcmVtZW50LCB2IHZhcmNoYXIoMT"
    "AwKSkgZW5naW5lPWlubm9kYtcxdNmNggdrAgEAAAB0AAAA6gEAAAAAAgAAAAAAAAAAAAAlAAAAAAAAAQAAAAAAAAAABgNz"
    "dGQDAgABAAQhACEAwAAMAWFwcAAAY3JlYXRlIHRhYmxlIGFwcC5teSAoaWQgaW50KSBlbmdpbmU9bXlpc2Ftc3Kj7ZCCB2"
    "sCAQAAAEkAAAAzAgAACAACAAAAAAAAAAAAAB8AAAAAAAABAAAAAAAAAAAGA3N0ZAMCAAEABCEAIQDAAABCRUdJTkJr6zeQ"
    "ggdrEwEAAAAuAAAAYQIAAAAAcAAAAAAAAQADYXBwAAF0AAIDDwIsAQLVManukIIHax4BAAAAMwAAAJQCAAAAAHAAAAAAAA"
    "EAAgAC//wBAAAAAQBh/AMAAAABAGLc1zGAkIIHaxABAAAAHwAAALMCAAAAAIwAAAAAAAAAu/Z0/w=="
)
END = len(FIRST_LOG)
STATUS = """\
---
LOG
---
Log sequence number 135960821
Log flushed up to   135958016
Pages flushed up to 101256216
Last checkpoint at  1642700
0 pending log writes, 0 pending chkp writes
"""
RECOVERED = """\
2026-11-26 00:50:31 29004 [Note] InnoDB: Starting an apply batch of log records to the database...
InnoDB: Apply batch completed
InnoDB: Last MySQL binlog file position 0 132247201, file name bin.000001
2026-11-26 00:50:33 29004 [Note] InnoDB: 128 rollback segment(s) are active.
"""


def query(statement: bytes) -> bytes:
    """A Query event of the database `app` without variables, its checksum not looked at."""
    body = struct.pack("<IIBHH", 7, 0, 3, 0, 0) + b"app\0" + statement + b"\1\2\3\4"
    return struct.pack("<IBIIIH", 0, 2, 1, 19 + len(body), 0, 0) + body


def logs(folder: Path, *contents: bytes) -> Coordinates:
    for number, content in enumerate(contents, 1):
        (folder / f"bin.{number:06d}").write_bytes(content)
    return Coordinates(f"bin.{len(contents):06d}", len(contents[-1]))


def test_innodb_ends_where_its_last_commit_ends(tmp_path: Path) -> None:
    place = logs(tmp_path, FIRST_LOG)
    assert binlogs.last_commits(tmp_path, place) == Commits(place, place)


def test_what_comes_after_the_place_is_not_looked_at(tmp_path: Path) -> None:
    logs(tmp_path, FIRST_LOG)
    before = Coordinates("bin.000001", END - 31)  # the Xid event has 31 bytes
    assert binlogs.last_commits(tmp_path, before) is None


@pytest.mark.parametrize("statement", [b"COMMIT", b"alter table app.t engine=innodb"])
def test_a_statement_may_have_moved_innodb_to_its_end(tmp_path: Path, statement: bytes) -> None:
    """As an XA transaction of InnoDB does, or one of another engine does not."""
    place = logs(tmp_path, FIRST_LOG + query(statement))
    found = binlogs.last_commits(tmp_path, place)
    end = Coordinates("bin.000001", END)
    assert found == Commits(end, place)
    assert found is not None
    assert found.allow(end)
    assert found.allow(place)
    assert not found.allow(Coordinates("bin.000001", END - 1))
    assert not found.allow(Coordinates("bin.000001", place.offset + 1))
    assert not found.allow(Coordinates("bin.000002", END))
    assert not found.allow(None)


def test_a_log_that_was_just_begun_leads_to_the_one_before(tmp_path: Path) -> None:
    empty = FIRST_LOG[:120]
    place = logs(tmp_path, FIRST_LOG, empty)
    end = Coordinates("bin.000001", END)
    assert binlogs.last_commits(tmp_path, place) == Commits(end, end)
    place = logs(tmp_path, FIRST_LOG, *[empty] * (binlogs.LAST_LOGS - 1))
    assert binlogs.last_commits(tmp_path, place) == Commits(end, end)
    place = logs(tmp_path, FIRST_LOG, *[empty] * binlogs.LAST_LOGS)
    assert binlogs.last_commits(tmp_path, place) is None


def test_a_log_that_was_purged_tells_nothing(tmp_path: Path) -> None:
    place = logs(tmp_path, FIRST_LOG, FIRST_LOG[:120])
    (tmp_path / "bin.000001").unlink()
    assert binlogs.last_commits(tmp_path, place) is None


def test_how_far_innodb_has_written_its_log_is_read_off_its_status() -> None:
    assert snapshot.log_numbers(STATUS) == (135960821, 135958016)
    with pytest.raises(NodeError, match="no log sequence number"):
        snapshot.log_numbers("nothing of the kind")


def test_a_statement_of_a_user_passes_for_no_figure_of_the_log() -> None:
    told = "INSERT INTO notes VALUES ('\nLog sequence number 7\nLog flushed up to   7\n')\n"
    assert snapshot.log_numbers(told + STATUS) == (135960821, 135958016)


def head(first: tuple[int, int], second: tuple[int, int]) -> redo_log.Head:
    """With these checkpoints: number and log sequence number."""
    content = bytearray(b"x" * redo_log.HEAD_BYTES)
    for place, checkpoint in zip(redo_log.CHECKPOINTS, (first, second), strict=True):
        struct.pack_into(">QQ", content, place, *checkpoint)
    return redo_log.Head(bytes(content))


def test_recovery_replays_from_the_later_one_of_two_checkpoints() -> None:
    assert head((6, 900), (7, 5000)).checkpoint == 5000
    assert head((8, 9000), (7, 5000)).checkpoint == 9000


def test_logs_that_went_once_round_since_a_checkpoint_do_not_hold_all_of_it() -> None:
    sizes = [4 << 20, 4 << 20]
    room = 2 * ((4 << 20) - redo_log.HEAD_BYTES) - redo_log.MARGIN
    assert head((6, 900), (7, 5000)).holds(5000 + room, sizes)
    assert not head((6, 900), (7, 5000)).holds(5001 + room, sizes)


LOG_BLOCKS = 400
SPACE = (LOG_BLOCKS * redo_log.BLOCK) - redo_log.HEAD_BYTES  # of each of two files


def write_logs(folder: Path, checkpoint: int, end: int) -> None:
    """Two redo logs that were written once round and up to `end`, the older blocks behind it."""
    files = [bytearray(LOG_BLOCKS * redo_log.BLOCK) for _ in range(2)]
    for number in range(end - 2 * SPACE, end, redo_log.BLOCK):
        if number >= 0:
            which, at = divmod(number % (2 * SPACE), SPACE)
            flushed = redo_log.FLUSHED_FIRST if number % 7 == 0 else 0
            value = redo_log.block_number(number) | flushed
            struct.pack_into(">I", files[which], redo_log.HEAD_BYTES + at, value)
    place = checkpoint % (2 * SPACE)
    place += redo_log.HEAD_BYTES * (1 + place // SPACE)
    struct.pack_into(">QQI", files[0], redo_log.CHECKPOINTS[0], 7, checkpoint, place)
    struct.pack_into(">QQI", files[0], redo_log.CHECKPOINTS[1], 6, 1, 1)
    for name, content in zip(("ib_logfile0", "ib_logfile1"), files, strict=True):
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("checkpoint", "blocks", "first", "second"),
    [
        (SPACE // 2, 9, [(0, 2048), (2048 + SPACE // 2, 2048 + SPACE // 2 + 9 * 512)], [(0, 2048)]),
        (
            2 * SPACE + SPACE - 1024,
            5,
            [(0, 2048), (2048 + SPACE - 1024, 2048 + SPACE)],
            [(0, 2048 + 3 * 512)],
        ),
        (
            4 * SPACE - 1024,
            5,
            [(0, 2048 + 3 * 512)],
            [(0, 2048), (2048 + SPACE - 1024, 2048 + SPACE)],
        ),
    ],
    ids=["in the middle", "into the next file", "once round"],
)
def test_recovery_reads_from_the_checkpoint_to_the_last_block_that_has_the_next_number(
    tmp_path: Path,
    checkpoint: int,
    blocks: int,
    first: list[tuple[int, int]],
    second: list[tuple[int, int]],
) -> None:
    end = checkpoint + blocks * redo_log.BLOCK
    write_logs(tmp_path, checkpoint, end)
    reached, kept = redo_log.replayed(tmp_path)
    assert reached == end
    assert kept == {"ib_logfile0": first, "ib_logfile1": second}


def test_logs_that_do_not_hold_what_was_in_them_under_the_lock_are_no_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thinned: list[str] = []
    monkeypatch.setattr(reflink, "thin", lambda file, _: thinned.append(file.name))
    write_logs(tmp_path, 4096, 4096 + 8 * 512)
    snapshot.leave_out_what_no_recovery_reads(tmp_path, 4096 + 8 * 512)
    assert thinned == ["ib_logfile0", "ib_logfile1"]
    thinned.clear()
    with pytest.raises(NodeError, match="can be followed up to 8192"):
        snapshot.leave_out_what_no_recovery_reads(tmp_path, 4096 + 8 * 512 + 1)
    assert thinned == []


def test_a_thin_file_holds_only_what_was_kept_and_gets_all_its_blocks_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clone_range(here: int, request: int, packed: bytes) -> None:
        assert request == reflink.FICLONERANGE
        there, begin, length, target = reflink.RANGE.unpack(packed)
        os.pwrite(here, os.pread(there, length, begin), target)

    monkeypatch.setattr(reflink.fcntl, "ioctl", clone_range)
    file, part = tmp_path / "log", reflink.ALIGNED
    file.write_bytes(b"x" * (8 * part + 100))
    file.chmod(0o640)
    reflink.thin(file, [(0, 1), (3 * part + 5, 4 * part - 5), (8 * part, 8 * part + 100)])
    thin = b"x" * part + bytes(2 * part) + b"x" * part + bytes(4 * part) + b"x" * 100
    assert file.read_bytes() == thin
    assert file.stat().st_mode & 0o777 == 0o640
    found = {"log": file.stat()}
    assert reflink.holes(found) >= 5 * part
    reflink.fill(file)
    assert reflink.holes({"log": file.stat()}) == 0
    assert file.read_bytes() == thin


def test_a_head_that_is_put_changes_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / redo_log.FIRST
    log.write_bytes(b"y" * 4096)
    early = head((6, 900), (7, 5000))
    redo_log.put_head(tmp_path, early)
    assert redo_log.head(tmp_path) == early
    assert log.read_bytes() == early.content + b"y" * (4096 - redo_log.HEAD_BYTES)


def test_a_database_that_has_the_name_of_a_file_that_stays_is_copied(tmp_path: Path) -> None:
    for name in ("core", "ibtmp1", "ib_buffer_pool"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.ibd").touch()
        assert {name, f"{name}/t.ibd"} <= set(snapshot.ordered(tmp_path))


def test_the_redo_logs_come_last_and_what_is_of_the_one_server_not_at_all(tmp_path: Path) -> None:
    left_out = (
        "auto.cnf",
        ".mysql-ring",
        ".mysql-ring-admitted",
        "ibtmp1",
        "a.pid",
        "ib_buffer_pool",
    )
    kept = ("ibdata1", "ib_logfile1", "ib_logfile0", "app/auto.cnf", "app/t.frm", "app/a.pid")
    (tmp_path / "app").mkdir()
    for name in (*left_out, *kept):
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "pipe")
    found = list(snapshot.ordered(tmp_path))
    assert found[-2:] == ["ib_logfile0", "ib_logfile1"]
    assert set(found) == {*kept, "app"}
    assert found.index("app") < found.index("app/t.frm")


def test_data_that_is_elsewhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "t.ibd").touch()
    assert snapshot_source.elsewhere(reflink.listed(tmp_path)) == []
    (tmp_path / "app" / "far.isl").touch()
    (tmp_path / "app" / "my.MYD").symlink_to("/elsewhere/my.MYD")
    (tmp_path / "other").symlink_to("/elsewhere/other")
    found = snapshot_source.elsewhere(reflink.listed(tmp_path))
    assert found == ["app/far.isl", "app/my.MYD", "other"]


@pytest.mark.parametrize(
    ("name", "value", "outside"),
    [
        ("innodb_data_file_path", "ibdata1:12M:autoextend", None),
        ("innodb_data_file_path", "ibdata1:12M;/disk/ibdata2:12M:autoextend", "/disk/ibdata2"),
        ("innodb_log_group_home_dir", "./", None),
        ("innodb_log_group_home_dir", "", None),
        ("innodb_undo_directory", ".", None),
        ("innodb_undo_directory", "/disk/undo", "/disk/undo"),
        ("innodb_data_home_dir", "sub", "sub"),
    ],
)
def test_a_file_of_innodb_outside_of_the_data_directory_is_seen(
    tmp_path: Path, name: str, value: str, outside: str | None
) -> None:
    assert snapshot_source.outside(tmp_path, name, value) == outside


@pytest.mark.parametrize(
    ("total_gib", "begin_mib", "drop_mib"), [(1, 256, 128), (20, 2048, 1024), (500, 4096, 2048)]
)
def test_a_snapshot_leaves_room_that_grows_with_the_volume_within_bounds(
    total_gib: int, begin_mib: int, drop_mib: int
) -> None:
    found = snapshot_room.reserve(total_gib << 30)
    assert (found.begin >> 20, found.drop >> 20) == (begin_mib, drop_mib)


def test_a_snapshot_gives_way_before_the_volume_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "snapshot"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "t.ibd").write_bytes(b"x" * 100)
    free = [1 << 30]
    monkeypatch.setattr(room, "free", lambda _: free[0])
    monkeypatch.setattr(snapshot_room, "WATCH_SECONDS", 0.01)
    watcher = snapshot_room.Watcher(folder, 1 << 29)
    with (folder / "app" / "t.ibd").open("rb") as reader:
        watcher.start()
        watcher.check()
        assert folder.exists()
        free[0] = (1 << 29) - 1
        watcher.join(30)
        assert not folder.exists()
        assert reader.read() == b""  # whose blocks would stay taken otherwise
    with pytest.raises(NodeError, match="511 MiB were free") as caught:
        watcher.check()
    assert caught.value.next_step == room.NEXT_STEP


def test_a_snapshot_gives_way_while_the_lock_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Much may be cloned by then, and what the server changes meanwhile takes room."""
    free = [1 << 40]

    def frozen(_session: object, _source: object, folder: Path, _still_wanted: object) -> object:
        (folder / "app").mkdir(parents=True)
        (folder / "app" / "t.ibd").write_bytes(b"x")
        free[0] = 0
        if poll(lambda: not folder.exists() or None, Deadline(30)) is None:
            return None
        raise FileNotFoundError(folder)

    monkeypatch.setattr(paths, "SNAPSHOTS", tmp_path / "snapshots")
    monkeypatch.setattr(room, "free", lambda _: free[0])
    monkeypatch.setattr(snapshot_room, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(snapshot_source, "read", lambda _: None)
    monkeypatch.setattr(snapshot, "frozen_under_lock", frozen)
    monkeypatch.setattr(inventory, "objects", lambda _: {})
    session: Any = SimpleNamespace(do=lambda _: None)
    with (
        pytest.raises(NodeError, match="the snapshot was dropped: 0 MiB were free"),
        snapshot.taken(session),
    ):
        raise AssertionError


def test_only_the_lock_is_ended_by_the_server_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written and cloned before it may take minutes: the session must live on."""
    kept: dict[str, int] = {}
    timeout: list[int] = []

    class Asked:
        open = True

        def rows(self, _statement: str, _parameters: object = ()) -> list[object]:
            return []

        def quoting_row(self, _statement: str) -> dict[str, str]:
            return {"Status": ""}

        def do(self, statement: str, parameters: tuple[object, ...] = ()) -> None:
            told = statement.replace("%s", "{}").format(*parameters)
            if "wait_timeout" in told and "lock" not in told:
                timeout.append(int(told.rpartition(" ")[2]))

    session: Any = Asked()
    source: Any = SimpleNamespace(data=tmp_path, unseen_writes=True)

    def kept_as(name: str) -> Callable[..., int]:
        return lambda *_: kept.setdefault(name, timeout[-1])

    monkeypatch.setattr(shutil, "chown", lambda *_: None)
    monkeypatch.setattr(files, "sync_file_system", kept_as("written"))
    monkeypatch.setattr(snapshot, "_locked", kept_as("locked"))
    monkeypatch.setattr(snapshot, "copied", kept_as("copied"))
    session.do(sql.PATIENT)
    snapshot.frozen_under_lock(session, source, tmp_path / "new")
    assert kept == {"written": 31536000, "locked": 10, "copied": 10}
    assert timeout[-1] == 31536000


class Busy:
    """A server whose lock is never to be had, and which does what it is told."""

    open = True

    def do(self, _statement: str, _parameters: object = ()) -> None: ...


@pytest.mark.parametrize(
    ("running", "tables", "tried"),
    [([], None, 1), (["a long statement"], None, 0), ([], "LOCK TABLES", 0)],
)
def test_a_lock_is_tried_only_where_nothing_is_in_its_way_and_for_nobody_who_is_gone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    running: list[str],
    tables: str | None,
    tried: int,
) -> None:
    session: Any = Busy()
    source: Any = SimpleNamespace(data=tmp_path, unseen_writes=True)
    tries: list[object] = []
    asked: list[None] = []

    def still_wanted() -> None:
        asked.append(None)
        if tries or len(asked) > 5:
            raise NodeError(Exit.UNREACHABLE, "who asked is gone", "it there", "nothing")

    monkeypatch.setattr(shutil, "chown", lambda *_: None)
    monkeypatch.setattr(files, "sync_file_system", lambda _: None)
    monkeypatch.setattr(snapshot, "_locked", lambda _: tries.append(None))
    monkeypatch.setattr(snapshot, "GO_ON_SECONDS", 0.0)
    monkeypatch.setattr(statements, "long", lambda *_: running)
    monkeypatch.setattr(statements, "in_front", lambda *_: ["somebody"])
    monkeypatch.setattr(kept, "found", lambda _: tables)
    with pytest.raises(NodeError, match="who asked is gone"):
        snapshot.frozen_under_lock(session, source, tmp_path / "new", still_wanted)
    assert len(tries) == tried


def test_no_lock_is_tried_where_the_disk_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Any = Busy()
    source: Any = SimpleNamespace(data=tmp_path / "gone", unseen_writes=True)
    tries: list[object] = []
    monkeypatch.setattr(shutil, "chown", lambda *_: None)
    monkeypatch.setattr(snapshot, "_locked", lambda _: tries.append(None))
    monkeypatch.setattr(statements, "long", lambda *_: [])
    monkeypatch.setattr(kept, "found", lambda _: None)
    with pytest.raises(NodeError, match="sync --file-system"):
        snapshot.frozen_under_lock(session, source, tmp_path / "new")
    assert tries == []


@pytest.mark.parametrize(
    ("running", "tables", "named"),
    [(["`SELECT 1` of app"], "LOCK TABLES", "`SELECT 1` of app"), ([], "LOCK TABLES", "LOCK")],
)
def test_what_stays_in_the_way_of_the_lock_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    running: list[str],
    tables: str,
    named: str,
) -> None:
    session: Any = Busy()
    source: Any = SimpleNamespace(data=tmp_path, unseen_writes=True)
    monkeypatch.setattr(shutil, "chown", lambda *_: None)
    monkeypatch.setattr(snapshot, "LOCK_PATIENCE", 0.0)
    monkeypatch.setattr(statements, "long", lambda *_: running)
    monkeypatch.setattr(kept, "found", lambda _: tables)
    with pytest.raises(NodeError, match=f"cannot be locked for a snapshot: {named}") as caught:
        snapshot.frozen_under_lock(session, source, tmp_path / "new")
    assert caught.value.code is Exit.DEADLINE


class Donor:
    """A server under the lock; `names` are the files that were written to before it was had."""

    open = True

    def __init__(self, defined: Iterable[int] = (), numbers: Iterable[int] = ()) -> None:
        self._defined, self._numbers = iter(defined), iter(numbers)

    def do(self, *_: object) -> None:
        pass

    def rows(self, statement: str, *_: object) -> list[dict[str, Any]]:
        return [{"Value": next(self._defined)}] if statement == inventory.DEFINING else []

    def quoting_row(self, _: str) -> dict[str, Any]:
        number = next(self._numbers)
        return {"Status": f"Log sequence number {number}\nLog flushed up to {number}\n"}

    def value(self, _: str) -> int:
        return 0


WRITTEN = ("app/t.ibd", "app/m.MYD", "ib_logfile0")
LOG_BYTES = 4 << 20


@pytest.mark.parametrize(
    ("defined", "numbers", "again", "checkpoint"),
    [
        ((7, 7), (6000, 6000), {"app/m.MYD", "ib_logfile0"}, 5000),
        ((7, 8), (6000, 6000), set(WRITTEN), 5001),
        (
            (7, 7),
            (6000, 5000 + LOG_BYTES, 6000, 5001 + LOG_BYTES // 2),
            set(WRITTEN),
            5001,
        ),
    ],
    ids=["the logs tell the rest", "objects were defined", "the logs went round"],
)
def test_under_the_lock_that_is_copied_again_which_the_redo_logs_do_not_tell(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    defined: tuple[int, ...],
    numbers: tuple[int, ...],
    again: set[str],
    checkpoint: int,
) -> None:
    cloned: list[str] = []

    def clone(source: str, target: str) -> reflink.Cloned:
        cloned.append(source)
        shutil.copyfile(source, target)
        return reflink.Cloned(reflink.signature(Path(source).stat()), certain=True)

    def write(name: str, content: bytes, number: int) -> None:
        (data / name).write_bytes(content)
        os.utime(data / name, (number, number))

    data, folder = tmp_path / "data", tmp_path / "snapshot"
    (data / "app").mkdir(parents=True)
    folder.mkdir()
    for name in ("app/t.ibd", "app/m.MYD", "app/old.ibd", "app/t.frm"):
        write(name, b"old", 1)
    write("ib_logfile0", head((6, 900), (7, 5000)).content.ljust(LOG_BYTES, b"l"), 1)
    monkeypatch.setattr(reflink, "clone", clone)
    monkeypatch.setattr(reflink.os, "chown", lambda *_: None)
    monkeypatch.setattr(snapshot, "_places", lambda _: (Coordinates("bin.000001", 4), None))
    source: Any = SimpleNamespace(data=data, spaces=frozenset({"ibdata1"}))
    session: Any = Donor(defined, numbers)
    mirror = reflink.Mirror(data, folder)
    ahead = snapshot.ahead_of(session, data)
    mirror.refresh(snapshot.ordered(data), Deadline(30), still=False)
    cloned.clear()
    for name in WRITTEN[:2]:
        write(name, b"new", 2)
    write("ib_logfile0", head((8, 5001), (7, 5000)).content.ljust(LOG_BYTES, b"m"), 2)

    snapshot.copied(session, source, mirror, ahead, 0)
    assert {str(Path(each).relative_to(data)) for each in cloned} == again
    assert redo_log.head(folder).checkpoint == checkpoint
    assert (folder / "ib_logfile0").read_bytes().endswith(b"m")


def test_a_data_file_that_grew_or_is_another_one_is_copied_again(tmp_path: Path) -> None:
    file = tmp_path / "t.ibd"
    file.write_bytes(b"old")
    cloned = reflink.Cloned(reflink.signature(file.stat()), certain=False)
    os.utime(file, (1, 1))
    assert cloned.stands_for(file.stat(), redone=True)
    assert not cloned.stands_for(file.stat(), redone=False)
    file.write_bytes(b"older")
    assert not cloned.stands_for(file.stat(), redone=True)
    other = tmp_path / "other"
    other.write_bytes(b"new")
    other.rename(file)
    assert not cloned.stands_for(file.stat(), redone=True)


def test_nothing_is_left_to_the_redo_logs_beside_a_statement_that_may_define_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / redo_log.FIRST).write_bytes(head((6, 900), (7, 5000)).content)
    for works in (True, False):
        session: Any = Donor((7,))
        monkeypatch.setattr(session, "value", lambda _, works=works: int(works))
        assert (snapshot.ahead_of(session, tmp_path) is None) == works


def test_what_a_killed_process_left_goes_but_not_what_somebody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SNAPSHOTS", tmp_path)
    monkeypatch.setattr(snapshot, "LOCK_FILE_SECONDS", 0.05)
    (tmp_path / "aabbccdd" / "app").mkdir(parents=True)
    with try_lock(tmp_path / snapshot.LOCK_FILE) as mine:
        assert mine
        snapshot.remove_left()
        assert (tmp_path / "aabbccdd" / "app").exists()
    snapshot.remove_left()
    assert [each.name for each in tmp_path.iterdir()] == [snapshot.LOCK_FILE]


def test_a_file_system_that_cannot_clone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"a")

    def refuses(_here: int, _request: int, _there: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(reflink.fcntl, "ioctl", refuses)
    with pytest.raises(NodeError, match="cannot be copied by reference"):
        reflink.clone(str(tmp_path / "a"), str(tmp_path / "b"))


def test_innodb_names_its_place_after_a_recovery_only() -> None:
    assert scratch.place_in(RECOVERED) == Coordinates("bin.000001", 132247201)
    far = RECOVERED.replace("position 0 132247201", "position 1 5")
    assert scratch.place_in(far) == Coordinates("bin.000001", (1 << 32) + 5)
    assert scratch.place_in("InnoDB: 5.6.24 started; log sequence number 1626017") is None


CRASHED = """\
2026-11-26 01:08:12 31322 [Note] InnoDB: Starting an apply batch of log records to the database...
InnoDB: Progress in percent: 0 1 2 3 InnoDB: Database page corruption on disk or a failed
InnoDB: file read of page 3200.
2026-11-26 01:08:13 7f4df24ae6c0  InnoDB: Assertion failure in thread 139972754204352 in file x.cc
/lib/x86_64-linux-gnu/libc.so.6(gsignal+0x12)[0x7f4df8859fb2]
/lib/x86_64-linux-gnu/libc.so.6(abort+0xd3)[0x7f4df8844472]
"""


def test_a_scratch_server_that_crashed_is_quoted_from_where_it_went_wrong() -> None:
    said = scratch.said_wrong(CRASHED)
    assert said.startswith("InnoDB: Progress in percent: 0 1 2 3 InnoDB: Database page corruption")
    assert "Assertion failure" in said
    assert "gsignal" not in said


@pytest.mark.parametrize(("size", "flags"), [(16384, 0), (4096, 3 << 6), (8192, 4 << 6)])
def test_the_place_is_read_off_a_tablespace_that_was_closed_clean(
    tmp_path: Path, size: int, flags: int
) -> None:
    space = bytearray(size * 8)
    struct.pack_into(">I", space, 54, flags)
    (tmp_path / "ibdata1").write_bytes(space)
    assert scratch.stored_place(tmp_path / "ibdata1") is None
    struct.pack_into(
        ">III512s", space, size * 6 - 1000 + 38, 873422344, 1, 5, b"/var/log/mysql/bin.000003"
    )
    (tmp_path / "ibdata1").write_bytes(space)
    found = scratch.stored_place(tmp_path / "ibdata1")
    assert found == Coordinates("/var/log/mysql/bin.000003", (1 << 32) + 5)


@pytest.mark.parametrize(
    ("status", "originator", "here"),
    [
        ("ENABLED", 1, "SLAVESIDE_DISABLED"),
        ("ENABLED", 2, "SLAVESIDE_DISABLED"),
        ("SLAVESIDE_DISABLED", 2, "ENABLED"),
        ("SLAVESIDE_DISABLED", 7, "SLAVESIDE_DISABLED"),
        ("DISABLED", 1, "DISABLED"),
        ("DISABLED", 2, "DISABLED"),
    ],
)
def test_an_event_fires_on_the_server_that_made_it(status: str, originator: int, here: str) -> None:
    assert events.status_here(status, originator, own_id=2) == here


T, V = "table app.t", "view app.v"
QUIET, BUSY = {inventory.DEFINED: "7 to 7"}, {inventory.DEFINED: "7 to 9"}


@pytest.mark.parametrize(
    ("copy", "before", "after", "wrong"),
    [
        ({T: "1"}, {T: "1"}, {T: "1"}, []),
        ({T: "2"}, {T: "1"}, {T: "1"}, [T]),
        ({}, {T: "1"}, {T: "1"}, [T]),
        ({T: "1", V: "1"}, {T: "1"}, {T: "1"}, [V]),
        ({T: "1"}, {T: "1"}, {T: "2"}, []),
        ({T: "2"}, {T: "1"}, {T: "2"}, []),
        ({T: "3"}, {T: "1"}, {T: "2"}, [T]),
        ({}, {}, {T: "1"}, []),
        ({}, {T: "1"}, {}, []),
        ({T: "2"}, {}, {T: "1"}, [T]),
    ],
)
def test_a_copy_is_as_its_source_was_before_or_after(
    copy: dict[str, str], before: dict[str, str], after: dict[str, str], wrong: list[str]
) -> None:
    found = inventory.differences(copy, before | QUIET, after | QUIET)
    assert [each.partition(" is ")[0] for each in found] == wrong


@pytest.mark.parametrize(
    ("copy", "before", "after", "wrong"),
    [
        ({T: "1", V: "made and dropped"}, {T: "1"}, {T: "1"}, []),
        ({T: "changed twice"}, {T: "1"}, {T: "2"}, []),
        ({}, {T: "1"}, {T: "dropped and made"}, []),
        ({T: "2"}, {T: "1"}, {T: "1"}, [T]),
        ({}, {T: "1"}, {T: "1"}, [T]),
    ],
)
def test_while_objects_are_defined_only_those_that_stayed_must_be_the_same(
    copy: dict[str, str], before: dict[str, str], after: dict[str, str], wrong: list[str]
) -> None:
    found = inventory.differences(copy, before | QUIET, after | BUSY)
    assert [each.partition(" is ")[0] for each in found] == wrong


def test_a_second_snapshot_waits_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SNAPSHOTS", tmp_path)
    monkeypatch.setattr(snapshot, "LOCK_FILE_SECONDS", 0.05)
    with try_lock(tmp_path / snapshot.LOCK_FILE):
        second = snapshot.alone()
        with pytest.raises(NodeError) as caught:
            second.__enter__()
    assert caught.value.code is Exit.BUSY
