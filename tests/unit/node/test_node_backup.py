"""Backups of a node and the maintenance of its tables: what counts and what is refused."""

from __future__ import annotations

import io
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ring_node.backup import (
    exports,
    images,
    maintenance,
    manifest,
    standing,
    taking,
    turns,
)
from ring_node.backup.exports import Script, Unlike
from ring_node.backup.store import StoreError
from ring_node.backup.turns import Turn
from ring_node.base import paths
from ring_node.base.errors import Exit, NodeError
from ring_node.base.lock import try_lock
from ring_node.base.report import Report
from ring_node.base.waiting import Deadline, poll
from ring_node.mysql import bounded, checking, rebuilding, sql
from ring_node.mysql.checking import Outcome, Table
from ring_node.mysql.login import Login
from ring_node.mysql.rebuilding import Size
from ring_node.mysql.shows import Coordinates
from ring_node.ring import proving
from ring_node.ring.documents import Node, Pair, Peer
from ring_node.verbs import backup as backup_verb
from ring_node.verbs import maintain as maintain_verb
from stores import PLACE, MemoryStore

pytestmark = pytest.mark.unit

UUID = "0f3e2d1c-aaaa-bbbb-cccc-000000000001"
TAKEN = datetime(2026, 11, 26, 3, 15, tzinfo=UTC)
BACKUP = "mysql/node-1/backups/20261126T031500Z/"


def said(kind: str, text: str) -> dict[str, str]:
    return {"Table": "app.t", "Op": "check", "Msg_type": kind, "Msg_text": text}


@pytest.mark.parametrize(
    ("rows", "problem", "remarks"),
    [
        ([("status", "OK")], None, []),
        ([("status", "Table is already up to date")], None, []),
        ([("warning", "1 client is using it"), ("status", "OK")], None, ["1 client is using it"]),
        ([("note", "The storage engine for the table doesn't support check")], None,
         ["The storage engine for the table doesn't support check"]),
        ([("error", "Corrupt"), ("status", "OK")], "Corrupt", []),
        ([("status", "Operation failed")], "Operation failed", []),
        ([("Error", "Table is crashed"), ("status", "Operation failed")],
         "Table is crashed; Operation failed", []),
        ([("warning", "InnoDB: The B-tree of index k is corrupted."), ("error", "Corrupt")],
         "Corrupt; InnoDB: The B-tree of index k is corrupted.", []),
        ([], "no answer", []),
    ],
)  # fmt: skip
def test_a_table_is_sound_when_every_row_of_its_check_says_so(
    rows: list[tuple[str, str]], problem: str | None, remarks: list[str]
) -> None:
    assert checking.judge([said(*row) for row in rows]) == (problem, remarks)


class Server:
    """A session whose answers are given by the beginning of a statement; it keeps what it was
    asked. `late` statements wait until they are killed."""

    who = "a server"
    open = True

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.killed = threading.Event()

    def rows(self, statement: str, _parameters: Any = ()) -> list[dict[str, Any]]:
        self.asked.append(statement)
        answer: Any = self.answers[statement.split()[0]]
        if callable(answer):
            answer = answer(self, statement)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def value(self, statement: str, _parameters: Any = ()) -> Any:
        self.asked.append(statement)
        return 7

    def do(self, statement: str, _parameters: Any = ()) -> int:
        self.asked.append(statement)
        if statement == "KILL QUERY 7":
            self.killed.set()
        return 0


def late(server: Server, _statement: str) -> Exception:
    assert server.killed.wait(30)
    return sql.ServerError(1317, Exit.SERVER, "Query execution was interrupted", "", "")


def another(server: Server) -> Any:
    @contextmanager
    def session() -> Iterator[Server]:
        yield server

    return session


def check(server: Any, tables: list[Table], over: Callable[[], bool] = lambda: False) -> Outcome:
    return checking.check(server, another(server), tables, Deadline(60), checksums=True, over=over)


T, U = Table("app", "t", "InnoDB"), Table("app", "u", "MyISAM")


def test_a_server_that_serves_is_checked_without_locking_an_index() -> None:
    server: Any = Server(CHECK=[said("status", "OK")])
    tables = [T, Table("app", "m", "MyISAM")]
    checking.check(server, another(server), tables, Deadline(60), checksums=False, gently=True)
    checks = [each for each in server.asked if each.startswith("CHECK")]
    assert checks == ["CHECK TABLE `app`.`t` QUICK", "CHECK TABLE `app`.`m`"]


def test_what_is_checked_is_summed_up_too() -> None:
    server = Server(CHECK=[said("status", "OK")], CHECKSUM=[{"Table": "app.t", "Checksum": 5}])
    outcome = check(server, [T, U])
    assert outcome.sound == ("`app`.`t`", "`app`.`u`")
    assert outcome.checksums == {"`app`.`t`": 5, "`app`.`u`": 5}
    assert (outcome.left_out, outcome.wrong) == ({}, {})


def test_what_a_server_writes_to_by_itself_is_checked_without_a_checksum() -> None:
    server = Server(CHECK=[said("status", "OK")])
    outcome = check(server, [Table("mysql", "slave_relay_log_info", "InnoDB")])
    assert outcome.sound == ("`mysql`.`slave_relay_log_info`",)
    assert outcome.checksums == {}


@pytest.mark.parametrize("engine", ["MEMORY", "BLACKHOLE", "MRG_MYISAM", "FEDERATED"])
def test_a_table_without_rows_of_its_own_is_not_asked_for(engine: str) -> None:
    server = Server()
    assert check(server, [Table("app", "m", engine)]).left_out == {
        "`app`.`m`": f"{engine} keeps no rows there"
    }
    assert server.asked == []


def test_a_table_that_cannot_be_opened_is_wrong() -> None:
    assert check(Server(), [Table("app", "t", None)]).wrong == {"`app`.`t`": "it cannot be opened"}


def test_a_check_that_outlasts_its_time_is_ended_and_left_out() -> None:
    server = Server(CHECK=late)
    asked: list[int] = []

    def over() -> bool:
        asked.append(1)
        return len(asked) > 1  # not before the statement runs

    outcome = check(server, [T, U], over)
    assert server.killed.is_set()
    assert outcome.left_out == dict.fromkeys(("`app`.`t`", "`app`.`u`"), checking.NO_TIME)
    assert not any("`u`" in each for each in server.asked)


def test_a_table_that_is_in_use_is_left_out() -> None:
    waited = said("Error", "Lock wait timeout exceeded; try restarting transaction")
    server = Server(CHECK=[waited, said("status", "Operation failed")])
    outcome = check(server, [T])
    assert (outcome.left_out, outcome.wrong) == ({"`app`.`t`": checking.IN_USE}, {})


def test_an_error_of_a_statement_that_nobody_ended_is_raised() -> None:
    server: Any = Server(CHECK=sql.ServerError(2013, Exit.UNREACHABLE, "went away", "", ""))
    with pytest.raises(NodeError, match="went away"):
        bounded.rows(server, another(server), "CHECK TABLE t", lambda: False)


def test_a_server_that_ends_while_it_is_checked_names_the_table_and_its_error_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "scratch.err"
    log.write_text("InnoDB: Database page corruption on disk or a failed\n")
    gone = sql.ServerError(2013, Exit.UNREACHABLE, "it went away", "", "")
    server: Any = SimpleNamespace(
        session=Server(CHECK=gone), socket=tmp_path / "sock", error_log=log
    )
    monkeypatch.setattr(checking, "tables", lambda _: [T])
    image: Any = SimpleNamespace(taken_at=TAKEN)
    with pytest.raises(NodeError, match=r"went away \(CHECK TABLE `app`.`t`\)") as caught:
        images.check(server, image, 60)
    assert "Database page corruption" in caught.value.found


def test_an_image_with_a_table_that_is_not_sound_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Server(CHECK=[said("error", "Corrupt"), said("status", "OK")])
    server: Any = SimpleNamespace(session=session, socket=tmp_path, error_log=tmp_path / "none")
    monkeypatch.setattr(checking, "tables", lambda _: [T])
    image: Any = SimpleNamespace(taken_at=TAKEN)
    with pytest.raises(NodeError, match=r"`app`\.`t`: Corrupt"):
        images.check(server, image, 60)


def test_a_statement_that_ended_as_it_was_killed_counts_for_nothing() -> None:
    def answer(server: Server, _statement: str) -> list[dict[str, Any]]:
        assert server.killed.wait(30)
        return [said("status", "OK")]

    asked: list[int] = []
    server: Any = Server(CHECK=answer)
    found = bounded.rows(
        server, another(server), "CHECK TABLE t", lambda: asked.append(1) or len(asked) > 1
    )
    assert found is None
    assert server.asked[-1] == "DO 0"  # which a late kill ends


def test_the_tables_that_no_time_was_left_for_are_others_another_time() -> None:
    tables = [Table("app", str(number), "InnoDB") for number in range(20)]
    first, second = checking.in_turn(tables, "monday"), checking.in_turn(tables, "tuesday")
    assert first != second
    assert sorted(first) == sorted(second) == sorted(tables)
    assert checking.in_turn(list(reversed(tables)), "monday") == first


NODE = Node("node-1", 1, "192.168.100.10", "10.10.1.10")
PAIR = Pair(NODE, Peer("node-2", 2, "10.10.1.11", "vol-2"))
BACK = Pair(Node("node-2", 2, "192.168.100.11", "10.10.1.11"), Peer("node-1", 1, "10.10.1.10", "v"))


class Arbiter(Server):
    """Whose lock is had or not."""

    def __init__(self, had: int) -> None:
        super().__init__()
        self.had = had

    def value(self, statement: str, _parameters: Any = ()) -> Any:
        self.asked.append(statement)
        return self.had


def servers(monkeypatch: pytest.MonkeyPatch, own: Any, other: Any) -> None:
    def session(answer: Any) -> Any:
        @contextmanager
        def connect(*_: Any, **__: Any) -> Iterator[Any]:
            if isinstance(answer, Exception):
                raise answer
            yield answer

        return connect

    monkeypatch.setattr(turns.sql, "own", session(own))
    monkeypatch.setattr(turns.reach, "peer", session(other))
    login = SimpleNamespace(peer=Login("peer", "word"))
    monkeypatch.setattr(turns.records, "credentials", lambda: login)


@pytest.mark.parametrize("pair", [PAIR, BACK], ids=["the first", "the second"])
def test_both_nodes_ask_one_server_whose_turn_it_is(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Arbiter(1), Arbiter(1)
    here, there = (first, second) if pair is PAIR else (second, first)
    servers(monkeypatch, here, there)
    with turns.upkeep(pair, 5, without_peer=False) as turn:
        assert turn.held
    assert turns.TAKE in first.asked
    assert second.asked == []


def test_nothing_is_done_while_the_other_node_is_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    servers(monkeypatch, Arbiter(0), Arbiter(1))
    with (
        pytest.raises(NodeError, match="node-2 takes a backup") as caught,
        turns.upkeep(PAIR, 0, without_peer=True),
    ):
        raise AssertionError
    assert caught.value.code is Exit.BUSY


class Busy(Arbiter):
    """Until it was asked for the third time."""

    def value(self, statement: str, _parameters: Any = ()) -> Any:
        self.asked.append(statement)
        return int(self.asked.count(turns.TAKE) > 2)


def test_who_waits_for_its_turn_keeps_no_statement_at_the_other_node_that_its_snapshot_waits_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = Busy(0)
    servers(monkeypatch, busy, Arbiter(1))
    with turns.upkeep(PAIR, 60, without_peer=True):
        pass
    assert busy.asked.count(turns.TAKE) == 3
    assert all(
        not each.startswith("SELECT") or each == "SELECT GET_LOCK(%s, 0)" for each in busy.asked
    )


GONE = sql.ServerError(2003, Exit.UNREACHABLE, "no answer", "", "")


def test_a_backup_is_taken_beside_a_peer_that_is_gone_and_no_table_rebuilt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers(monkeypatch, Arbiter(1), GONE)
    with turns.upkeep(BACK, 5, without_peer=True) as turn:
        assert turn.held
    with pytest.raises(NodeError, match="no answer"), turns.upkeep(BACK, 5, without_peer=False):
        raise AssertionError


class Going(Arbiter):
    """Another has the lock there, and then the server is gone."""

    def value(self, statement: str, parameters: Any = ()) -> Any:
        if statement == turns.TAKE and turns.TAKE in self.asked:
            raise GONE
        return super().value(statement, parameters)


def test_a_backup_does_not_wait_for_a_peer_that_goes_while_it_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers(monkeypatch, Arbiter(1), Going(0))
    with turns.upkeep(BACK, 3600, without_peer=True) as turn:
        assert turn.held
    servers(monkeypatch, Arbiter(1), Going(0))
    with pytest.raises(NodeError, match="no answer"), turns.upkeep(BACK, 3600, without_peer=False):
        raise AssertionError


MIB = 1 << 20


def size(used: int, free: int, **changes: Any) -> Size:
    given = {"engine": "InnoDB", "locked": False, "shared": False, **changes}
    return Size(db="app", name="t", used=used * MIB, free=free * MIB, **given)


@pytest.mark.parametrize(
    ("table", "gains"),
    [
        (size(100, 100), True),
        (size(192, 64), True),
        (size(10, 63), False),
        (size(1000, 300), False),
        (size(900, 300), True),
        (size(100, 100, engine="ARCHIVE"), False),
        (size(100, 100, engine="MEMORY"), False),
        (size(100, 100, shared=True), False),
        (size(256, 200, engine="MyISAM", locked=True), True),
        (size(257, 200, engine="MyISAM", locked=True), False),
        (size(257, 200, locked=True), False),
    ],
)
def test_a_table_is_rebuilt_when_it_gains_and_nobody_misses_it(table: Size, gains: bool) -> None:
    assert rebuilding.gain([table]) == ([table] if gains else [])


def test_the_table_that_gains_most_is_rebuilt_first() -> None:
    assert [each.free // MIB for each in rebuilding.gain([size(1, 70), size(1, 90)])] == [90, 70]


def test_a_rebuild_does_not_reach_the_other_node() -> None:
    assert rebuilding.OPTIMIZE.format("`a`.`t`") == "OPTIMIZE NO_WRITE_TO_BINLOG TABLE `a`.`t`"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SNAPSHOTS", "IMAGES"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
        (tmp_path / name.lower()).mkdir()
    monkeypatch.setattr(paths, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(paths, "UPKEEP_LOCK", tmp_path / "upkeep.lock")
    monkeypatch.setattr(paths, "VOLUME", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "found"), [("snapshots/.lock", "a copy"), ("lock", "another verb")]
)
def test_maintenance_gives_way_to_a_copy_and_to_another_verb(
    host: Path, file: str, found: str
) -> None:
    assert maintenance.disturbed() is None
    with try_lock(host / file) as mine:
        assert mine
        assert found in (maintenance.disturbed() or "")
    assert maintenance.disturbed() is None


@pytest.mark.parametrize(
    ("answer", "waits"),
    [(0, False), (2, True), (sql.ServerError(2013, Exit.UNREACHABLE, "gone", "", ""), True)],
)
def test_what_keeps_a_definition_waiting_ends(answer: Any, waits: bool) -> None:
    class Watched(Server):
        def value(self, statement: str, parameters: Any = ()) -> Any:
            assert (statement, parameters) == (maintenance.WAITING, [7])
            if isinstance(answer, Exception):
                raise answer
            return answer

    session: Any = Watched()
    assert maintenance.awaited(session, 7) == waits


def test_no_backup_runs_beside_another_or_beside_the_maintenance(host: Path) -> None:
    (host / "images/left").mkdir()
    with images.alone():
        assert not (host / "images/left").exists()
        (host / "images/mine").mkdir()
        with pytest.raises(NodeError, match="at work") as caught, images.alone():
            raise AssertionError
        assert caught.value.code is Exit.BUSY
        assert (host / "images/mine").exists()


def test_what_a_killed_backup_left_goes_but_not_what_one_is_at_work_on(host: Path) -> None:
    (host / "images/left/data").mkdir(parents=True)
    with try_lock(host / "upkeep.lock") as mine:
        assert mine
        images.sweep()
    assert (host / "images/left").exists()
    images.sweep()
    assert not (host / "images/left").exists()


REBUILD = {
    "done": ([said("note", "doing recreate"), said("status", "OK")], "rebuilt `app`.`t`", ""),
    "in use": (
        [said("Error", "Lock wait timeout exceeded"), said("status", "Operation failed")],
        "", "in use",
    ),
    "wrong": ([said("error", "The table is full"), said("status", "Operation failed")],
              "", "The table is full"),
    "refused": (sql.ServerError(1114, Exit.SERVER, "no room", "", ""), "", "no room"),
}  # fmt: skip


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(("answer", "done", "noted"), REBUILD.values(), ids=REBUILD)
def test_a_table_that_cannot_be_rebuilt_stays_and_is_named(
    answer: Any, done: str, noted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, server = Report("maintain"), Server(OPTIMIZE=answer)
    monkeypatch.setattr(maintenance, "_another", another(server))
    given: Any = server
    maintenance._rebuild(given, size(1, 100), lambda: False, report)
    assert done in " ".join(report.done)
    assert noted in " ".join(report.notes)
    assert bool(report.done) != bool(report.notes)


@pytest.mark.usefixtures("host")
def test_no_table_is_rebuilt_without_room_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance.room, "free", lambda _: 0)
    report, server = Report("maintain"), Server()
    given: Any = server
    maintenance._rebuild(given, size(1, 100), lambda: False, report)
    assert "MiB free" in report.notes[0]
    assert server.asked == []


def test_a_folder_is_packed_whole(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_bytes(b"x" * 3_000_000)
    with images.packed(tmp_path) as stream:
        packed = stream.read()
    raw = subprocess.run(["zstd", "-dc"], input=packed, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        found = archive.extractfile("./a/b/c")
        assert found is not None
        assert found.read() == b"x" * 3_000_000


def drain(folder: Path) -> None:
    with images.packed(folder) as stream:
        while stream.read(1 << 20):
            pass
        raise AssertionError("an end")


def test_who_reads_a_folder_that_is_not_packed_whole_gets_no_end(tmp_path: Path) -> None:
    """An end would make an object of the half."""
    with pytest.raises(NodeError, match="tar ended with 2") as caught:
        drain(tmp_path / "gone")
    assert "No such file" in caught.value.found


def test_who_does_not_read_to_the_end_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"".join(str(n).encode() for n in range(1_000_000)))
    with pytest.raises(NodeError, match="ended with"), images.packed(tmp_path) as stream:
        assert stream.read(10)


class Image:
    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.data.mkdir(parents=True)
        (self.data / "ibdata1").write_bytes(b"data")
        self.taken_at = TAKEN
        self.server_id, self.peer_uuid = 1, None
        self.dropped = False
        self.contents = SimpleNamespace(
            server_uuid=UUID, version="5.6.24-log", master=Coordinates("bin.000002", 120),
            slave=None, locked_seconds=0.01,
        )  # fmt: skip

    def check(self) -> None:
        if self.dropped:
            raise NodeError(Exit.HOST, "the snapshot was dropped", "", "")


@contextmanager
def upkeep(_pair: Pair, seconds: float, *, without_peer: bool) -> Iterator[Turn]:
    assert seconds > 0
    assert without_peer
    yield Turn(None)


SOUND = Outcome(
    sound=("`app`.`t`",), left_out={}, checksums={"`app`.`t`": 5}, wrong={}, warned=(), seconds=1
)


@pytest.fixture
def image(host: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    """One that is taken, starts and is sound."""
    made = Image(host / "image")

    @contextmanager
    def taken(_report: Report) -> Iterator[Image]:
        yield made

    @contextmanager
    def started(_image: Image) -> Iterator[Any]:
        yield SimpleNamespace(innodb=Coordinates("bin.000002", 100))

    monkeypatch.setattr(images, "taken", taken)

    @contextmanager
    def running(*_: Any, **__: Any) -> Iterator[Any]:
        yield None

    monkeypatch.setattr(images, "started", started)
    monkeypatch.setattr(images, "clone", lambda *_: None)
    monkeypatch.setattr(images.scratch, "running", running)
    monkeypatch.setattr(images, "check", lambda *_: SOUND)
    monkeypatch.setattr(images, "quietly", lambda: None)
    monkeypatch.setattr(taking, "_ours", frozenset)
    monkeypatch.setattr(taking.records, "pair", lambda: PAIR)
    monkeypatch.setattr(taking.admission, "admitted", lambda: True)
    monkeypatch.setattr(turns, "upkeep", upkeep)
    monkeypatch.setattr(taking, "PAUSE_SECONDS", 0.0)
    return made


def take(store: MemoryStore, *, export: bool = False) -> manifest.Manifest:
    return taking.take(store, 60, wait=5, export=export, report=Report("backup"))


@pytest.mark.usefixtures("image")
def test_the_manifest_of_a_backup_comes_last_and_says_what_is_there() -> None:
    store = MemoryStore()
    made = take(store)
    assert store.puts == [BACKUP + "data.tar.zst", BACKUP + "manifest.json"]
    assert manifest.from_json(store.objects[store.puts[-1]], store.puts[-1]) == made
    assert (made.bytes, made.files, made.export) == (4, 1, None)
    assert made.innodb == Coordinates("bin.000002", 100)
    assert made.data.bytes == len(store.objects[made.data.key])
    assert (made.stack, made.ring, made.node) == ("dev", "ring", "node-1")


@pytest.mark.usefixtures("image")
def test_an_export_lies_beside_its_backup_with_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def write(_server: Any, folder: Path, _ours: frozenset[str]) -> tuple[str, ...]:
        folder.mkdir()
        (folder / "accounts.sql").write_text("-- none\n")
        return ("FLOAT has six digits in tables of app: t",)

    monkeypatch.setattr(exports, "write", write)
    store = MemoryStore()
    made = take(store, export=True)
    assert made.export is not None
    assert made.export.key == BACKUP + "export.tar.zst"
    assert made.inexact == ("FLOAT has six digits in tables of app: t",)
    assert store.puts[-1] == BACKUP + "manifest.json"


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


WRONG = NodeError(Exit.SERVER, "it is broken", "", "")


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize(
    ("module", "name", "puts"),
    [(images, "taken", 0), (images, "started", 0), (images, "check", 0), (exports, "write", 0)],
    ids=["no snapshot", "does not start", "not sound", "no export"],
)
def test_what_fails_before_it_is_packed_puts_nothing_into_the_bucket(
    module: Any, name: str, puts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, failing(WRONG))
    store = MemoryStore()
    with pytest.raises(NodeError, match="it is broken"):
        take(store, export=module is exports)
    assert len(store.puts) == puts


@pytest.mark.usefixtures("image")
def test_a_bucket_that_is_away_is_noticed_before_a_snapshot_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images, "taken", failing(AssertionError("taken")))
    store = MemoryStore()
    store.away = True
    with pytest.raises(StoreError, match="away"):
        take(store)


class Failing(MemoryStore):
    """Fails `times` when data is put, after it was read."""

    def __init__(self, times: int, passing: bool = True) -> None:
        super().__init__()
        self.times, self.passing = times, passing

    def put(self, key: str, read: Any, **more: Any) -> Any:
        if key.endswith("data.tar.zst") and self.times:
            self.times -= 1
            read.read(1)
            raise StoreError(self.passing, Exit.UNREACHABLE, "S3 is slow", "", "")
        return super().put(key, read, **more)


@pytest.mark.usefixtures("image")
def test_data_that_the_bucket_refused_in_passing_is_sent_again_from_its_beginning() -> None:
    store = Failing(2)
    made = take(store)
    assert made.data.bytes == len(store.objects[made.data.key])


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("store", [Failing(3), Failing(1, passing=False)], ids=["away", "denied"])
def test_data_that_is_not_in_the_bucket_gets_no_manifest(store: Failing) -> None:
    with pytest.raises(StoreError, match="slow"):
        take(store)
    assert store.puts == []


@pytest.mark.usefixtures("image")
def test_there_is_no_object_before_the_check_beside_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check ends when all is read; the store makes an object when it reads the end."""
    all_read, wrong = threading.Event(), NodeError(Exit.SERVER, "it is broken", "", "")

    def check(*_: Any) -> Outcome:
        assert all_read.wait(30)
        raise wrong

    class Reading(MemoryStore):
        def put(self, key: str, read: Any, **more: Any) -> Any:
            while read.read(1 << 20):
                all_read.set()
            return super().put(key, read, **more)

    monkeypatch.setattr(images, "check", check)
    store = Reading()
    with pytest.raises(NodeError, match="it is broken"):
        take(store)
    assert store.puts == []


@pytest.mark.usefixtures("image")
def test_a_check_that_goes_on_when_the_bucket_has_failed_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    overs: list[bool] = []

    def check(_server: Any, _image: Any, _seconds: float, over: Callable[[], bool]) -> Outcome:
        assert poll(lambda: over() or None, Deadline(30))
        overs.append(True)
        return SOUND

    monkeypatch.setattr(images, "check", check)
    with pytest.raises(StoreError, match="slow"):
        take(Failing(1, passing=False))
    assert overs == [True]


def test_a_snapshot_that_was_dropped_while_it_was_sent_says_so(image: Image) -> None:
    class Dropping(MemoryStore):
        def put(self, key: str, read: Any, **more: Any) -> Any:
            image.dropped = True
            return super().put(key, read, **more)

    store = Dropping()
    with pytest.raises(NodeError, match="was dropped"):
        take(store)
    assert store.puts == [BACKUP + "data.tar.zst"]


@pytest.mark.usefixtures("image")
def test_a_snapshot_that_definitions_changed_under_is_taken_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[int] = []

    @contextmanager
    def started(_image: Image) -> Iterator[Any]:
        tries.append(1)
        if len(tries) < 3:
            raise proving.Changed(Exit.REFUSED, "table app.t is missing", "", "")
        yield SimpleNamespace(innodb=None)

    monkeypatch.setattr(images, "started", started)
    report = Report("backup")
    taking.take(MemoryStore(), 60, wait=5, export=False, report=report)
    assert len(tries) == 3
    assert report.notes == ["taken anew: table app.t is missing"]


@pytest.mark.parametrize(
    ("names", "result"),
    [
        (("app",), False), (("app", "täble ñ 中"), False), (("a.b", "c d-e"), False),
        (("it's",), True), (("app", "a`b"), True), (("app", 'a"b'), True),
        (("app", "a/../b"), True),
        (("app", "100%s"), True), (("中" * 64, "中" * 20), True), (("app", "a\nb"), True),
    ],
)  # fmt: skip
def test_a_name_that_mydumper_stumbles_over_is_known(names: tuple[str, ...], result: bool) -> None:
    assert exports.unfit(*names) is result


def test_a_statement_is_run_with_the_modes_it_was_made_with_and_to_its_own_end() -> None:
    script = Script()
    settings: dict[str, Any] = {"character_set_client": "latin1", "sql_mode": b"ANSI_QUOTES"}
    script.add(b"CREATE PROCEDURE p() BEGIN SELECT 1;; SELECT '$$\xe9'; END", settings)
    script.add(b"CREATE PROCEDURE q() SELECT 1", settings)
    assert script.content == (
        b"SET character_set_client = 'latin1';\nSET sql_mode = 'ANSI_QUOTES';\n"
        b"DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1;; SELECT '$$\xe9'; END//\n"
        b"DELIMITER ;\nDELIMITER ;;\nCREATE PROCEDURE q() SELECT 1;;\nDELIMITER ;\n"
    )


def test_a_script_without_a_statement_is_none() -> None:
    script = Script()
    script.plain("SET foreign_key_checks = 0;")
    assert script.content == b""


def test_what_an_export_lacks_is_named_and_only_then() -> None:
    unlike = Unlike()
    unlike.add("views left out", [])
    unlike.add("FLOAT has six digits in tables of app", [f"t{n:02}" for n in reversed(range(22))])
    (text,) = unlike.said
    assert text.startswith("FLOAT has six digits in tables of app: t00, t01, ")
    assert text.endswith("t19 and 2 more")


ACCOUNTS = [
    ("app", "%", "", "N"), ("late", "%", "mysql_native_password", "Y"),
    ("sha", "%", "sha256_password", "N"), ("o'neil", "%", "", "N"),
    ("repuser", "10.10.1.11", "", "N"),
    ("root", "localhost", "", "N"), ("root", "10.0.0.1", "", "N"),
]  # fmt: skip


def test_accounts_are_grants_but_for_those_of_the_ring_and_what_grants_cannot_say() -> None:
    users = [
        {"user": user, "host": host, "plugin": plugin, "password_expired": expired}
        for user, host, plugin, expired in ACCOUNTS
    ]

    class Grants(Server):
        def rows(self, statement: str, parameters: Any = ()) -> list[dict[str, Any]]:
            if statement == exports.USERS:
                return users
            return [{"Grants": f"GRANT USAGE ON *.* TO '{parameters[0]}'@'{parameters[1]}'"}]

    unlike, session = Unlike(), Grants()
    given: Any = session
    text = exports.accounts(given, frozenset({"repuser"}), unlike).decode()
    granted = [line for line in text.splitlines() if line.startswith("GRANT")]
    assert [line.split("TO ")[1] for line in granted] == [
        "'app'@'%';;", "'late'@'%';;", "'root'@'10.0.0.1';;",
    ]  # fmt: skip
    assert [each.rpartition(": ")[2] for each in unlike.said] == ["sha@%", "o'neil@%", "late@%"]
    assert session.asked == ["FLUSH PRIVILEGES"]


class Tables(Server):
    """With two tables of a name that tells the engine."""

    def row(self, statement: str) -> dict[str, Any]:
        self.asked.append(statement)
        if "DATABASE" in statement:
            return {"Create Database": "CREATE DATABASE `app`"}
        engine = "ARCHIVE" if "archive" in statement else "InnoDB"
        return {"Create Table": f"CREATE TABLE t (id INT) ENGINE={engine} AUTO_INCREMENT=9"}


def test_a_table_counts_on_where_it_was_unless_its_engine_forbids() -> None:
    session: Any = Tables()
    text = exports.table_definitions(session, "app", ["of_archive", "of_innodb"]).decode()
    assert "ENGINE=ARCHIVE;;" in text
    assert "ENGINE=InnoDB AUTO_INCREMENT=9;;" in text
    assert text.index("CREATE DATABASE") < text.index("USE `app`;") < text.index("CREATE TABLE")


@pytest.fixture
def records(host: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("BACKUP_STATE", "MAINTAIN_STATE"):
        monkeypatch.setattr(paths, name, host / "standing" / name)
    monkeypatch.setattr(backup_verb.place, "read", lambda: PLACE)
    return host


@pytest.mark.usefixtures("records", "image")
def test_a_backup_that_fails_is_remembered_beside_the_last_good_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backup_verb, "Store", lambda _: MemoryStore())
    report = backup_verb.run(export=False, check_seconds=60, wait=5)
    kept = standing.backup()
    assert kept is not None
    assert (kept.good, kept.problem) == ("20261126T031500Z", None)
    assert kept.report == report.facts["backup"]
    monkeypatch.setattr(images, "started", failing(WRONG))
    with pytest.raises(NodeError, match="it is broken"):
        backup_verb.run(export=False, check_seconds=60, wait=5)
    kept = standing.backup()
    assert kept is not None
    assert (kept.good, kept.problem) == ("20261126T031500Z", "it is broken")
    assert kept.report == report.facts["backup"]
    assert kept.ended is not None


@pytest.mark.usefixtures("records", "image")
def test_a_backup_that_is_at_work_or_was_cut_short_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backup_verb, "Store", lambda _: MemoryStore())
    monkeypatch.setattr(taking, "take", failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        backup_verb.run(export=False, check_seconds=60, wait=5)
    kept = standing.backup()
    assert kept is not None
    assert (kept.good, kept.ended, kept.problem) == (None, None, None)


@pytest.mark.usefixtures("records")
def test_a_backup_whose_turn_it_is_not_on_its_host_leaves_what_is_known() -> None:
    with images.alone(), pytest.raises(NodeError, match="at work"):
        backup_verb.run(export=False, check_seconds=60, wait=0)
    assert standing.backup() is None


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize(
    ("code", "problem"), [(Exit.SERVER, "it is broken"), (Exit.BUSY, None), (Exit.DEADLINE, None)]
)
def test_maintenance_whose_time_it_was_not_is_no_problem(
    code: Exit, problem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "maintain", lambda *_: None)
    maintain_verb.run(seconds=60, wait=5)
    monkeypatch.setattr(maintenance, "maintain", failing(NodeError(code, "it is broken", "", "")))
    with pytest.raises(NodeError):
        maintain_verb.run(seconds=60, wait=5)
    kept = standing.maintenance()
    assert kept is not None
    assert kept.problem == problem


@pytest.mark.parametrize("seconds", [-1, 86401])
def test_a_backup_has_a_day_for_its_check_at_most(seconds: int) -> None:
    with pytest.raises(NodeError) as caught:
        backup_verb.run(export=False, check_seconds=seconds, wait=5)
    assert caught.value.code is Exit.INPUT
