"""The archive of binary logs. The logs are of MySQL 5.6.24: rotated, stopped, killed, open."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ring_node.backup import archiving, catalogue, logs, manifest, standing, turning
from ring_node.backup.catalogue import Entry
from ring_node.backup.logs import Own, Pass
from ring_node.backup.standing import Archive
from ring_node.base import paths
from ring_node.base.errors import Exit, NodeError
from ring_node.base.report import Report
from ring_node.host import room
from ring_node.mysql import binlog_file, shows
from ring_node.mysql.sql import Session
from stores import PLACE, MemoryStore

pytestmark = pytest.mark.unit

SAMPLES = Path(__file__).parent / "golden" / "binlogs"
NAMES = tuple(f"bin.00000{number}" for number in range(1, 7))
UUID = "0f0e0d0c-1111-2222-3333-444455556666"
PREFIX = PLACE.server(UUID)
NOW = 1_764_126_000.0


@pytest.fixture
def mine(tmp_path: Path) -> Own:
    folder = tmp_path / "log"
    shutil.copytree(SAMPLES, folder)
    return Own("node-1", UUID, 1, folder, NAMES)


def send(mine: Own, store: MemoryStore) -> Pass:
    return logs.send_all(mine, store, Report("archive"), lambda _: None)


def unpacked(content: bytes) -> bytes:
    done = subprocess.run(
        ["zstd", "-d", "-c", "-q"], input=content, capture_output=True, check=True
    )
    return done.stdout


def test_every_closed_log_is_sent_with_its_entry_and_the_open_one_never_is(mine: Own) -> None:
    store = MemoryStore()
    done = send(mine, store)
    assert (done.waiting, done.problem) == ((), None)
    assert [entry.file for entry in done.sent] == list(NAMES[:-1])
    for name in NAMES[:-1]:
        raw = (SAMPLES / name).read_bytes()
        assert unpacked(store.objects[catalogue.log_key(PREFIX, name)]) == raw
    assert not any(NAMES[-1] in key for key in store.objects)


def test_the_catalogue_says_what_the_logs_are_and_follow_each_other(mine: Own) -> None:
    store = MemoryStore()
    send(mine, store)
    chain = catalogue.read(store, PREFIX)
    assert chain.gaps == ()
    first, second, third = chain.entries[:3]
    assert first.sha256 == hashlib.sha256((SAMPLES / NAMES[0]).read_bytes()).hexdigest()
    assert (first.bytes, first.first_position, first.end_position) == (453, 4, 453)
    assert (first.previous, first.next) == (None, NAMES[1])
    assert (second.previous, second.next) == (NAMES[0], None)  # its server was stopped
    assert (third.previous, third.next) == (NAMES[1], None)  # its server was killed
    assert first.first_time <= first.last_time <= third.last_time
    assert (first.node, first.server_uuid, first.server_id) == ("node-1", UUID, 1)


def test_a_second_pass_with_nothing_new_sends_nothing(mine: Own) -> None:
    store = MemoryStore()
    send(mine, store)
    before = list(store.puts)
    assert send(mine, store).sent == ()
    assert store.puts == before


def test_the_entry_is_written_after_the_log(mine: Own) -> None:
    store = MemoryStore()
    send(mine, store)
    for name in NAMES[:-1]:
        log, entry = catalogue.log_key(PREFIX, name), catalogue.entry_key(PREFIX, name)
        assert store.puts.index(log) < store.puts.index(entry)


class Cut(MemoryStore):
    """S3 goes away after so many objects."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._after = after

    def _must_be_there(self) -> None:
        self.away = len(self.puts) >= self._after
        super()._must_be_there()


@pytest.mark.parametrize("after", range(10))
def test_a_pass_that_is_cut_off_anywhere_leaves_a_catalogue_that_is_true_and_the_next_goes_on(
    mine: Own, after: int
) -> None:
    store = Cut(after)
    done = send(mine, store)
    assert done.problem is not None
    assert len(done.sent) == after // 2
    assert done.waiting == NAMES[after // 2 : -1]
    there = MemoryStore()
    there.objects = dict(store.objects)
    assert [each.file for each in catalogue.read(there, PREFIX).entries] == list(
        NAMES[: after // 2]
    )
    again = send(mine, there)
    assert (again.problem, again.waiting) == (None, ())
    assert len(again.sent) == 5 - after // 2
    assert catalogue.read(there, PREFIX).gaps == ()


def test_a_log_whose_object_is_gone_is_sent_again(mine: Own) -> None:
    store = MemoryStore()
    send(mine, store)
    del store.objects[catalogue.log_key(PREFIX, NAMES[1])]
    assert [entry.file for entry in send(mine, store).sent] == [NAMES[1]]
    assert len(catalogue.read(store, PREFIX).entries) == 5


def test_a_damaged_log_is_not_sent_and_the_others_are(mine: Own) -> None:
    path = mine.path(NAMES[1])
    path.write_bytes(path.read_bytes()[:200] + b"\0" * 60)
    done = send(mine, store := MemoryStore())
    assert done.waiting == (NAMES[1],)
    assert done.problem is not None
    assert "is damaged" in done.problem.found
    chain = catalogue.read(store, PREFIX)
    assert [entry.file for entry in chain.entries] == [NAMES[0], *NAMES[2:-1]]
    assert [(gap.behind, gap.before) for gap in chain.gaps] == [(NAMES[0], NAMES[2])]


def test_a_log_that_cannot_be_read_is_a_problem_of_the_pass(mine: Own) -> None:
    mine.path(NAMES[2]).unlink()
    done = send(mine, MemoryStore())
    assert done.waiting == NAMES[2:-1]
    assert done.problem is not None
    assert NAMES[2] in done.problem.found


def test_a_zstd_that_fails_leaves_no_object(mine: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LEVEL", "--no-such-option")
    done = send(mine, store := MemoryStore())
    assert done.problem is not None
    assert "zstd" in done.problem.found
    assert store.objects == {}


def test_a_server_that_took_anothers_place_has_a_catalogue_of_its_own(mine: Own) -> None:
    store = MemoryStore()
    send(mine, store)
    before = dict(store.objects)
    other = replace(mine, server_uuid=UUID.replace("0f", "1f", 1), names=NAMES[2:])
    done = send(other, store)
    assert done.sent[0].previous is None
    assert {key: store.objects[key] for key in before} == before


def test_the_log_before_one_that_was_purged_is_named_by_the_bucket(mine: Own) -> None:
    store = MemoryStore()
    send(replace(mine, names=NAMES[:4]), store)
    send(replace(mine, names=NAMES[3:]), store)
    chain = catalogue.read(store, PREFIX)
    assert [each.file for each in chain.entries] == list(NAMES[:-1])
    assert chain.gaps == ()


@pytest.mark.parametrize(
    ("damage", "safe"),
    [
        (None, [0, 1, 2, 3, 4]),
        ("log gone", [0, 2, 3, 4]),
        ("entry gone", [0, 2, 3, 4]),
        ("other bytes", [0, 2, 3, 4]),
        ("other log on the server", [0, 2, 3, 4]),
    ],
)
def test_only_what_the_bucket_has_as_its_entry_says_is_verified(
    mine: Own, damage: str | None, safe: list[int]
) -> None:
    store = MemoryStore()
    send(mine, store)
    log, entry = catalogue.log_key(PREFIX, NAMES[1]), catalogue.entry_key(PREFIX, NAMES[1])
    if damage == "log gone":
        del store.objects[log]
    elif damage == "entry gone":
        del store.objects[entry]
    elif damage == "other bytes":
        store.objects[log] = store.objects[log][:-1] + b"\0"
    elif damage is not None:
        mine.path(NAMES[1]).write_bytes(b"\xfebin")
    assert logs.verified(mine, store, mine.closed) == {NAMES[number] for number in safe}
    assert logs.verified(mine, store, ()) == frozenset()


def set_back(mine: Own, *names: str) -> None:
    """Logs of the same names and sizes, written a day later: of a server on an older volume, or
    one that was told RESET MASTER."""
    for name in names:
        content = bytearray(mine.path(name).read_bytes())
        (begun,) = struct.unpack_from("<I", content, 4)
        struct.pack_into("<I", content, 4, begun + 86400)
        mine.path(name).write_bytes(content)


def test_a_log_of_the_same_name_and_size_that_was_begun_at_another_time_is_another_one(
    mine: Own,
) -> None:
    store = MemoryStore()
    send(mine, store)
    set_back(mine, NAMES[1])
    assert logs.verified(mine, store, mine.closed) == {NAMES[0], *NAMES[2:-1]}


def test_a_log_that_somebody_purges_meanwhile_is_not_verified(mine: Own) -> None:
    store = MemoryStore()
    send(mine, store)
    mine.path(NAMES[0]).unlink()
    assert logs.verified(mine, store, mine.closed) == set(NAMES[1:-1])


@pytest.mark.parametrize("sizes", ["the same size", "another size"])
def test_no_log_of_a_server_that_was_set_back_is_sent_beside_those_of_before(
    mine: Own, sizes: str
) -> None:
    store = MemoryStore()
    send(replace(mine, names=NAMES[:5]), store)
    before = dict(store.objects)
    set_back(mine, *NAMES[2:5])
    if sizes == "another size":
        shutil.copyfile(SAMPLES / NAMES[0], mine.path(NAMES[3]))
    done = send(mine, store)
    assert (done.sent, done.waiting) == ((), (NAMES[4],))
    assert done.problem is not None
    assert f"{NAMES[3]} of server {UUID}" in done.problem.found
    assert "rejoin --discard node-1" in done.problem.next_step
    assert store.objects == before


def test_an_entry_that_is_damaged_does_not_keep_new_logs_from_the_bucket(mine: Own) -> None:
    store = MemoryStore()
    send(replace(mine, names=NAMES[:5]), store)
    store.objects[catalogue.entry_key(PREFIX, NAMES[3])] = b"{"
    assert [entry.file for entry in send(mine, store).sent] == [NAMES[4]]


class Asked:
    """A session that is told a statement and remembers it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def do(self, statement: str, _: Sequence[Any] = ()) -> int:
        self.done.append(statement)
        return 0


def closes(mine: Own, now: float, interval: int = 300) -> bool:
    session = Asked()
    place = replace(PLACE, archive_interval=interval)
    closed = logs.close_the_open_one(cast(Session, session), mine, place, now)
    assert session.done == (["FLUSH LOCAL BINARY LOGS"] if closed else [])
    return closed


def test_the_open_log_is_closed_when_it_holds_something_and_is_due(mine: Own) -> None:
    for name in NAMES:
        os.utime(mine.path(name), (NOW, NOW))
    assert not closes(mine, NOW + 1000)  # nothing was written
    written = replace(mine, names=NAMES[:-1])  # as if the fifth were open
    assert closes(written, NOW + 1000)
    assert closes(written, NOW + 120)
    assert not closes(written, NOW + 119)
    assert closes(written, NOW - 1)  # the clock was set back
    assert closes(replace(mine, names=NAMES[:1]), NOW)  # no log tells since when it is open
    assert not closes(replace(mine, names=()), NOW)


def test_the_open_log_is_closed_at_once_only_if_it_holds_something(mine: Own) -> None:
    for name in NAMES:
        os.utime(mine.path(name), (NOW, NOW))
    session = Asked()
    written = replace(mine, names=NAMES[:-1])
    for given, closed in ((written, True), (mine, False)):
        assert closed == logs.close_the_open_one(
            cast(Session, session), given, PLACE, NOW, at_once=True
        )
    assert session.done == ["FLUSH LOCAL BINARY LOGS"]


@pytest.mark.parametrize(("free", "asked"), [(0, 0), (logs.ROOM - 1, 0), (logs.ROOM, 1)])
def test_a_server_without_room_for_the_next_log_is_not_asked_to_begin_it(
    mine: Own, monkeypatch: pytest.MonkeyPatch, free: int, asked: int
) -> None:
    """It would wait for some, and nobody could write until then."""
    monkeypatch.setattr(room, "free", lambda _: free)
    session = Asked()
    written = replace(mine, names=NAMES[:-1])
    with (
        contextlib.nullcontext()
        if asked
        else pytest.raises(NodeError, match="no new binary log is begun")
    ):
        logs.close_the_open_one(cast(Session, session), written, PLACE, NOW * 2)
    assert len(session.done) == asked


def test_what_is_closed_is_sent_although_the_open_log_cannot_be_closed(
    run: Path, mine: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    del run
    full = NodeError(Exit.HOST, "the disk is full", "room", "make room")
    monkeypatch.setattr(archiving, "_close", lambda *_: (mine, full))
    store = MemoryStore()
    with pytest.raises(NodeError, match="the disk is full"):
        archiving.run(store, Report("archive"))
    assert len(catalogue.read(store, PREFIX).entries) == 5
    state = standing.archive()
    assert isinstance(state, Archive)
    assert (state.problem, state.waiting, state.safe_file) == ("the disk is full", 0, NAMES[4])


ONCE = "0f3e2d1c-aaaa-bbbb-cccc-00000000beef"


@pytest.mark.parametrize(
    ("origin", "there", "turns"),
    [
        (None, [ONCE], 1),  # what a bucket has was restored
        ({"basis": "empty", "peer_uuid": "the other new one"}, [ONCE], 1),
        ({"basis": "empty", "peer_uuid": ONCE}, [ONCE], 0),
        ({"basis": "copied", "peer_uuid": ONCE}, [ONCE], 0),
        ({"basis": "copied", "peer_uuid": "a former one"}, [ONCE], 0),
        (None, [], 0),
    ],
)
def test_a_ring_that_begins_where_another_one_was_says_so_in_the_bucket(
    run: Path,
    mine: Own,
    monkeypatch: pytest.MonkeyPatch,
    origin: dict[str, str] | None,
    there: list[str],
    turns: int,
) -> None:
    """Else a backup of the former one would serve for a moment of this one, and both histories
    come on top of each other."""
    del run
    store = MemoryStore()
    for uuid in there:
        store.objects[f"{PLACE.server(uuid, 'node-2')}bin.000001.json"] = b"{}"
        store.objects[f"{PLACE.backups('node-2')}20251101T031500Z/manifest.json"] = b"{}"
    monkeypatch.setattr(archiving, "_close", lambda *_: (mine, None))
    monkeypatch.setattr(archiving.sql, "own", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(archiving.schema, "exists", lambda _: True)
    found = origin and SimpleNamespace(**origin)
    monkeypatch.setattr(archiving.schema, "read_origin", lambda _: found)
    archiving.run(store, Report("archive"))
    kept = turning.names(store.objects, PLACE, ["node-1", "node-2"])
    begun = binlog_file.begun(mine.path(NAMES[0]))
    assert kept == [manifest.identity(datetime.fromtimestamp(begun, UTC))][:turns]
    for name in kept:
        content = store.objects[f"{turning.prefix(PLACE, 'node-1')}{name}.json"]
        assert json.loads(content)["given_up"] == [ONCE]
    archiving.run(store, Report("archive"))
    assert turning.names(store.objects, PLACE, ["node-1", "node-2"]) == kept


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "ARCHIVE_STATE", tmp_path / "archive.json")
    monkeypatch.setattr(paths, "PURGE_STATE", tmp_path / "purge.json")
    return tmp_path


def entry(mine: Own, store: MemoryStore) -> Entry:
    return logs.send(mine, NAMES[0], None, store)


def test_what_a_pass_came_to_is_written_down(mine: Own) -> None:
    sent = entry(mine, MemoryStore())
    problem = NodeError(Exit.UNREACHABLE, "S3 is away", "an answer", "wait")
    first = archiving.state(mine, Pass((), NAMES[:2], problem), None, 100.0)
    assert (first.waiting, first.waiting_bytes, first.safe_file) == (2, 453 + 326, None)
    assert (first.problem, first.next_step, first.failing_since) == ("S3 is away", "wait", 100.0)
    second = archiving.state(mine, Pass((), NAMES[:3], problem), first, 250.0)
    assert (second.written, second.failing_since) == (250.0, 100.0)
    third = archiving.state(mine, Pass((sent,), (), None), second, 400.0)
    assert (third.problem, third.failing_since) == (None, None)
    assert (third.safe_file, third.safe_end, third.safe_time) == (NAMES[0], 453, sent.last_time)
    fourth = archiving.state(mine, Pass((), (), None), third, 550.0)
    assert fourth == replace(third, written=550.0)
    other = replace(mine, server_uuid="another")
    assert archiving.state(other, Pass((), (), None), fourth, 700.0).safe_file is None


def test_a_state_is_read_as_it_was_written_and_another_releases_is_none(run: Path) -> None:
    assert standing.archive() is None
    state = replace(archiving.NOTHING_KNOWN, written=3.5, waiting=2, problem="S3 is away")
    standing.write(state)
    assert standing.archive() == state
    assert standing.purge() is None
    (run / "archive.json").write_text('{"written": 3.5}')
    assert standing.archive() is None


def test_a_pass_that_cannot_ask_its_server_says_so_in_the_state(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del run

    def silent(*_: object) -> Own:
        raise NodeError(Exit.UNREACHABLE, "no server", "one", "start it")

    monkeypatch.setattr(archiving, "_close", silent)
    standing.write(replace(archiving.NOTHING_KNOWN, written=1.0, safe_file=NAMES[0]))
    with pytest.raises(NodeError, match="no server"):
        archiving.run(MemoryStore(), Report("archive"))
    state = standing.archive()
    assert isinstance(state, Archive)
    assert (state.problem, state.next_step, state.safe_file) == ("no server", "start it", NAMES[0])
    assert state.written > 1.0


def test_the_servers_logs_are_those_of_the_folder_that_its_links_lead_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "incarnation" / "log"
    folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)

    class Server:
        def value(self, statement: str) -> str | int:
            return 3 if "expire" in statement else str(tmp_path / "link" / "bin")

    identity = shows.Identity(UUID, 1, "5.6.24-log", "YES", read_only=False)
    monkeypatch.setattr(shows, "identity", lambda _: identity)
    monkeypatch.setattr(shows, "show_binary_logs", lambda _: dict.fromkeys(NAMES, 9))
    mine = logs.own(cast(Session, Server()), PLACE)
    assert mine == Own("node-1", UUID, 1, folder, NAMES, expire_days=3)
    assert mine.closed == NAMES[:-1]
