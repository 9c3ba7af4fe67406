"""What is restored out of the bucket: which backup, whether it is what it was, and what becomes of
it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ring_node.backup import (
    choosing,
    drills,
    manifest,
    moment,
    restore,
    restored,
    tables,
    turning,
)
from ring_node.backup.choosing import Bucket
from ring_node.backup.manifest import Manifest, Object
from ring_node.backup.moment import AsItIs, At, Latest, Upto
from ring_node.backup.restore import Made, Source, Wanted
from ring_node.backup.store import Wrong
from ring_node.base import paths
from ring_node.base.errors import Exit, NodeError
from ring_node.base.lock import try_lock
from ring_node.base.report import Report
from ring_node.host import programs, room, systemd
from ring_node.mysql import checking, incarnations, lifecycle, program
from ring_node.mysql.checking import Outcome
from ring_node.mysql.shows import Coordinates
from ring_node.verbs import backups as backups_verb
from stores import MemoryStore, stored
from test_node_catalogue import UUID, entry
from test_node_catalogue import put as put_logs
from test_node_manifest import WHOLE

pytestmark = pytest.mark.unit

VERSION = "5.6.24"
NODES = ("node-1", "node-2")
FIRST, SECOND, THIRD = "20261124T031500Z", "20261125T031500Z", "20261126T031500Z"
FILES = {"ibdata1": b"i" * 5000, "app/t.ibd": b"t" * 300, "mysql/user.frm": b""}
AFTER = At(moment.seconds("2026-11-26T12:00:00Z", "a test"))


def packed(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        folder = tarfile.TarInfo(".")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o750
        tar.addfile(folder)
        for name in sorted({os.path.dirname(name) for name in files if "/" in name}):
            below = tarfile.TarInfo(f"./{name}")
            below.type, below.mode = tarfile.DIRTYPE, 0o750
            tar.addfile(below)
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return subprocess.run(
        ["zstd", "--quiet"], input=whole.getvalue(), capture_output=True, check=True
    ).stdout


def keep(store: MemoryStore, name: str, node: str = "node-1", **changes: Any) -> Manifest:
    """A backup in the bucket."""
    data, key = packed(FILES), manifest.data_key(node, name)
    held = stored(data)
    made = replace(
        WHOLE,
        stack=store.place.stack,
        ring=store.place.ring,
        node=node,
        mysql_version=f"{VERSION}-log",
        taken_at=manifest.moment_of(name),
        bytes=sum(map(len, FILES.values())),
        files=len(FILES),
        data=Object(key, held.bytes, held.sha256, held.etag),
        export=None,
        inexact=(),
    )
    made = replace(made, **changes)
    store.objects[key] = data
    store.objects[manifest.manifest_key(node, name)] = manifest.to_json(made)
    return made


@pytest.fixture
def store() -> MemoryStore:
    found = MemoryStore()
    keep(found, FIRST)
    keep(found, SECOND, "node-2", master=Coordinates("bin.000900", 4))
    keep(found, THIRD)
    return found


def chosen(store: MemoryStore, at: moment.Moment, backup: str | None = None) -> str:
    return str(choosing.choose(Bucket(store, NODES), at, backup, VERSION).name)


@pytest.mark.parametrize(
    "value",
    [
        {"at": "2026-11-26T03:15:00Z"},
        {"latest": True},
        {"as_it_is": True},
        {"node": "node-1", "file": "bin.000012", "position": 345},
        {"node": "node-1", "file": "bin.000012", "position": 345, "server_uuid": UUID},
    ],
)
def test_a_moment_is_written_as_it_was_read(value: dict[str, Any]) -> None:
    assert moment.document(moment.parse(value)) == value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "no kind"),
        ({"at": "2026-11-26T03:15:00Z", "latest": True}, "at, latest"),
        ({"at": "2026-11-26 03:15:00"}, "moment.at"),
        ({"at": "2026-11-26T03:15:00+01:00"}, "moment.at"),
        ({"at": "2026-02-30T03:15:00Z"}, "moment.at"),
        ({"latest": False}, "not true"),
        ({"node": "node-1", "file": "bin.000012"}, "position"),
        ({"node": "node-1", "file": "../etc", "position": 4}, "moment.file"),
        ({"node": "node-1", "file": "bin.000012", "position": 3}, "moment.position"),
        ({"latest": True, "more": 1}, "unknown fields: more"),
        ("now", "is str"),
    ],
)
def test_another_moment_is_refused(value: Any, said: str) -> None:
    with pytest.raises(NodeError, match=said) as caught:
        moment.parse(value)
    assert caught.value.code is Exit.INPUT


@pytest.mark.parametrize(
    ("at", "name"),
    [
        (Latest(), f"node-1/{THIRD}"),
        (AsItIs(), f"node-1/{THIRD}"),
        (AFTER, f"node-1/{THIRD}"),
        (At(moment.seconds("2026-11-26T03:15:00Z", "")), f"node-1/{THIRD}"),
        (At(moment.seconds("2026-11-26T03:14:59Z", "")), f"node-2/{SECOND}"),
        (At(moment.seconds("2026-11-25T03:14:59Z", "")), f"node-1/{FIRST}"),
        (Upto("node-2", "bin.000900", 4), f"node-2/{SECOND}"),
        (Upto("node-1", "bin.000012", 345), f"node-1/{THIRD}"),
    ],
)
def test_the_newest_backup_that_is_not_after_the_moment_is_taken(
    store: MemoryStore, at: moment.Moment, name: str
) -> None:
    assert chosen(store, at) == name


@pytest.mark.parametrize(
    "at",
    [
        At(moment.seconds("2026-11-24T03:14:59Z", "")),
        Upto("node-1", "bin.000012", 344),
        Upto("node-2", "bin.000899", 9000),
        Upto("node-2", "bin.000900", 9000, UUID),
        Upto("node-3", "bin.000900", 9000),
    ],
)
def test_a_moment_before_every_backup_is_refused_with_the_oldest_one_named(
    store: MemoryStore, at: moment.Moment
) -> None:
    with pytest.raises(NodeError, match=f"oldest that is there is node-1/{FIRST}") as caught:
        chosen(store, at)
    assert caught.value.code is Exit.REFUSED


def test_a_backup_that_is_named_is_taken(store: MemoryStore) -> None:
    assert chosen(store, AFTER, f"node-1/{FIRST}") == f"node-1/{FIRST}"


@pytest.mark.parametrize(
    ("backup", "at", "said"),
    [
        (f"node-2/{FIRST}", AFTER, "is in the bucket"),
        (THIRD, AFTER, "named"),
        ("node-1/20261345T999999Z", AFTER, "named"),
        (f"node-1/{THIRD}", At(moment.seconds("2026-11-25T12:00:00Z", "")), "is after it"),
    ],
)
def test_one_that_is_not_there_or_after_the_moment_is_refused(
    store: MemoryStore, backup: str, at: moment.Moment, said: str
) -> None:
    with pytest.raises(NodeError, match=said):
        chosen(store, at, backup)


def cut(store: MemoryStore) -> None:
    key = manifest.manifest_key("node-1", THIRD)
    store.objects[key] = store.objects[key][:-20]


def gone(store: MemoryStore) -> None:
    del store.objects[manifest.data_key("node-1", THIRD)]


def shorter(store: MemoryStore) -> None:
    key = manifest.data_key("node-1", THIRD)
    store.objects[key] = store.objects[key][:-1]


def moved(store: MemoryStore) -> None:
    key = manifest.manifest_key("node-1", THIRD)
    store.objects[key] = store.objects[manifest.manifest_key("node-1", FIRST)]


def put(**changes: Any) -> Callable[[MemoryStore], None]:
    def change(store: MemoryStore) -> None:
        keep(store, THIRD, **changes)

    return change


UNFIT = [
    (cut, "it was cut or is none"),
    (gone, f"{THIRD}/data.tar.zst is not in the bucket"),
    (shorter, "as its manifest says"),
    (moved, "it says that it is"),
    (put(stack="prod2"), "of stack prod2"),
    (put(ring="orders"), "of ring orders"),
    (put(mysql_version="5.6.25-log"), "of MySQL 5.6.25-log"),
    (put(mysql_version="5.7.1-log"), "of MySQL 5.7.1-log"),
    (put(mysql_version="5.5.62-log"), "of MySQL 5.5.62-log"),
]


@pytest.mark.parametrize(("spoil", "said"), UNFIT)
def test_what_is_no_good_backup_is_refused_by_its_name_and_the_next_older_one_is_named(
    store: MemoryStore, spoil: Callable[[MemoryStore], None], said: str
) -> None:
    spoil(store)
    with pytest.raises(NodeError) as caught:
        chosen(store, Latest())
    error = caught.value
    assert said in f"{error.found} {error.expected}"
    assert THIRD in error.found
    assert f'"backup": "node-2/{SECOND}"' in error.next_step
    assert chosen(store, Latest(), f"node-2/{SECOND}") == f"node-2/{SECOND}"


def put_back(store: MemoryStore, name: str) -> None:
    store.objects[f"{turning.prefix(store.place, 'node-2')}{name}.json"] = b"{}"


@pytest.mark.parametrize(
    ("at", "wanted"),
    [
        (Latest(), None),
        (AFTER, None),
        (At(moment.seconds("2026-11-26T06:00:00Z", "")), None),
        (At(moment.seconds("2026-11-26T05:59:59Z", "")), f"node-1/{THIRD}"),
        (At(moment.seconds("2026-11-26T03:00:00Z", "")), f"node-2/{SECOND}"),
        (AsItIs(), f"node-1/{THIRD}"),
        (Upto("node-1", "bin.000012", 345), f"node-1/{THIRD}"),
    ],
)
def test_to_a_moment_after_the_ring_was_put_back_no_backup_from_before_leads(
    store: MemoryStore, at: moment.Moment, wanted: str | None
) -> None:
    put_back(store, "20261126T060000Z")
    if wanted is not None:
        assert chosen(store, at) == wanted
        return
    for backup in (None, f"node-1/{THIRD}"):
        with pytest.raises(NodeError, match="was put back to an earlier moment at 2026-11-26T06"):
            chosen(store, at, backup)


@pytest.mark.parametrize("at", [Latest(), AFTER])
def test_a_backup_that_was_taken_after_it_leads_there(
    store: MemoryStore, at: moment.Moment
) -> None:
    put_back(store, "20261126T060000Z")
    keep(store, "20261126T060500Z", "node-2")
    assert chosen(store, at) == "node-2/20261126T060500Z"


def test_when_a_ring_was_put_back_is_kept_in_the_bucket(store: MemoryStore) -> None:
    name = turning.keep(store, {"backup": f"node-1/{THIRD}"}, [UUID])
    bucket = Bucket(store, NODES)
    assert bucket.turns == [name]
    assert THIRD in [each.identity for each in bucket.names]


@pytest.mark.parametrize("version", ["5.6.24", "5.6.51"])
def test_a_later_release_of_this_node_restores_it(store: MemoryStore, version: str) -> None:
    found = choosing.choose(Bucket(store, NODES), Latest(), None, version)
    assert found.manifest is not None


def test_the_bucket_is_listed_with_what_is_wrong_and_what_the_logs_span(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(store)
    store.objects["mysql/node-1/backups/20261126T091500Z/data.tar.zst"] = b"never finished"
    put_logs(store, entry(1), entry(2), entry(4))
    turn = turning.keep(store, {"backup": f"node-1/{FIRST}"}, [UUID])
    monkeypatch.setattr(backups_verb, "Store", lambda _: store)
    monkeypatch.setattr(backups_verb.place, "read", lambda: store.place)
    monkeypatch.setattr(restore, "nodes", lambda: NODES)
    monkeypatch.setattr(program, "check", lambda _: VERSION)
    monkeypatch.setattr(restored, "all_here", list)
    facts = backups_verb.run().facts
    assert [(each["node"], each["name"]) for each in facts["backups"]] == [
        ("node-1", THIRD),
        ("node-2", SECOND),
        ("node-1", FIRST),
    ]
    assert facts["turns"] == [manifest.moment_of(turn).strftime(manifest.TIME_FORMAT)]
    newest, second, _ = facts["backups"]
    assert "cut" in newest["problem"]
    assert newest["bytes"] is None
    assert (second["problem"], second["bytes"], second["master"]) == (
        None,
        5300,
        ["bin.000900", 4],
    )
    (logs,) = facts["logs"]
    assert (logs["server_uuid"], logs["logs"]) == (UUID, 3)
    assert (logs["first_file"], logs["last_file"]) == ("bin.000001", "bin.000004")
    assert list(logs["gaps"]) == ["between bin.000002 and bin.000004"]
    assert (logs["first_time"], logs["last_time"]) == (
        moment.text(1_764_126_000),
        moment.text(1_764_126_300),
    )
    json.dumps(facts)


def test_the_logs_after_a_backup_are_those_from_where_it_is(store: MemoryStore) -> None:
    put_logs(store, entry(1), entry(2), entry(3))
    made = keep(store, THIRD, server_uuid=UUID, master=Coordinates("bin.000002", 4))
    found = choosing.chains(store, made, NODES)
    assert {key: [each.file for each in chain.entries] for key, chain in found.items()} == {
        ("node-1", UUID): ["bin.000002", "bin.000003"]
    }


def test_a_server_that_had_ended_before_the_backup_is_left_out(store: MemoryStore) -> None:
    put_logs(store, entry(1))
    made = keep(store, THIRD)
    store.now = int((made.taken_at - timedelta(hours=1)).timestamp())
    assert choosing.chains(store, made, NODES) == {}
    store.now = int((made.taken_at + timedelta(hours=1)).timestamp())
    assert list(choosing.chains(store, made, NODES)) == [("node-1", UUID)]


def test_nothing_is_added_of_a_server_that_was_given_up_before_the_backup(
    store: MemoryStore,
) -> None:
    """It may be back, and log on until it is made anew: its history is another one."""
    put_logs(store, entry(1))
    made = keep(store, THIRD)
    store.now = int((made.taken_at + timedelta(hours=1)).timestamp())
    at = made.taken_at - timedelta(hours=2)
    turning.keep(store, {"moment": {"latest": True}}, choosing.uuids(store, NODES), at)

    def known(found: manifest.Manifest) -> list[tuple[str, str]]:
        gone = turning.given_up(store, Bucket(store, NODES).listed, NODES, found)
        return list(choosing.chains(store, found, NODES, gone))

    assert known(made) == []
    assert known(replace(made, taken_at=at - timedelta(hours=1))) == [("node-1", UUID)]
    # Nothing came of it: the ring went on with the servers that it had.
    assert known(replace(made, peer_uuid=UUID)) == [("node-1", UUID)]
    key = f"{turning.prefix(store.place, 'node-1')}{manifest.identity(at)}.json"
    store.objects[key] = b"{"
    with pytest.raises(NodeError, match="is not understood"):
        known(made)


# What comes out of the bucket.


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RESTORING", "RESTORED", "SNAPSHOTS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    monkeypatch.setattr(paths, "VOLUME", tmp_path)
    monkeypatch.setattr(shutil, "chown", lambda *_: None)
    monkeypatch.setattr(restore.images, "quietly", lambda: None)
    monkeypatch.setattr(restore, "nodes", lambda: NODES)
    monkeypatch.setattr(program, "check", lambda _: VERSION)
    monkeypatch.setattr(drills.records, "pair", lambda: None)
    monkeypatch.setattr(drills.turns, "upkeep", lambda *_, **__: nullcontext())
    return tmp_path


class Session:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def do(self, statement: str, _parameters: Any = ()) -> int:
        self.asked.append(statement)
        return 0


@pytest.fixture
def proven(volume: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """In place of a server on what was unpacked: what InnoDB says there; the folders."""
    seen: dict[str, Any] = {
        "volume": volume,
        "innodb": WHOLE.innodb,
        "session": Session(),
        "folders": [],
    }

    @contextmanager
    def running(folder: Path, *_: str, **__: Any) -> Iterator[Any]:
        seen["folders"].append(folder)
        (folder / "data" / "auto.cnf").write_text("a scratch server's")
        (folder / "log" / "scratch.err").write_text("")
        yield SimpleNamespace(session=seen["session"], innodb=seen["innodb"])

    monkeypatch.setattr(restore.scratch, "running", running)
    return seen


@pytest.mark.usefixtures("volume")
def test_a_backup_comes_out_as_it_went_in(store: MemoryStore, proven: dict[str, Any]) -> None:
    source = restore.look(store, NODES, Wanted(AsItIs(), None))
    with restore.alone(), restore.made(store, source, Report("a test")) as made:
        found = {
            str(path.relative_to(made.data)): path.read_bytes()
            for path in made.data.rglob("*")
            if path.is_file()
        }
        assert found == FILES
        assert list((made.folder / "log").iterdir()) == []
        assert proven["session"].asked == ["RESET SLAVE ALL"]
    assert not made.folder.exists()
    assert [each.name for each in paths.RESTORING.iterdir()] == [".lock"]


def test_the_logs_up_to_the_moment_are_replayed_on_what_was_proven(
    store: MemoryStore, proven: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    plan: Any = SimpleNamespace(bytes=7 << 20)

    def planned(of: Manifest, chains: Any, at: moment.Moment) -> Any:
        asked.append((of.identity, chains, at))
        return plan

    def run(folder: Path, given: Any, *_: Any) -> Any:
        assert proven["folders"] == [folder]
        assert given is plan
        (folder / "data" / "auto.cnf").write_text("of the server that replays")
        return SimpleNamespace(document=lambda: {"transactions": 5}, notes=("a note",))

    monkeypatch.setattr(restore.replay, "plan", planned)
    monkeypatch.setattr(restore.replay, "run", run)
    source = restore.look(store, NODES, Wanted(AFTER, None))
    assert asked == [(THIRD, {}, AFTER)]
    assert source.needed - replace(source, plan=None).needed == 14 << 20
    report = Report("a test")
    with restore.alone(), restore.made(store, source, report) as made:
        assert made.as_of == {"transactions": 5}
        assert not (made.data / "auto.cnf").exists()
    assert report.notes == ["a note"]


@pytest.mark.usefixtures("proven")
def test_a_name_that_a_caller_moved_it_to_stays(
    store: MemoryStore,
    volume: Path,
) -> None:
    source = restore.look(store, NODES, Wanted(AsItIs(), None))
    with restore.alone(), restore.made(store, source, Report("a test")) as made:
        os.rename(made.folder, volume / "kept")
    assert (volume / "kept" / "data" / "ibdata1").read_bytes() == FILES["ibdata1"]


def other_bytes(store: MemoryStore) -> None:
    key = manifest.data_key("node-1", THIRD)
    changed = packed({**FILES, "ibdata1": b"j" * 5000})
    store.objects[key] = changed


def half_of_them(store: MemoryStore) -> None:
    key = manifest.data_key("node-1", THIRD)
    store.objects[key] = store.objects[key][: len(store.objects[key]) // 2]


@pytest.mark.parametrize(("spoil", "code"), [(other_bytes, Exit.HOST), (half_of_them, Exit.HOST)])
def test_wrong_bytes_in_the_object_end_it_and_leave_nothing(
    store: MemoryStore,
    proven: dict[str, Any],
    spoil: Callable[[MemoryStore], None],
    code: Exit,
) -> None:
    source = restore.look(store, NODES, Wanted(AsItIs(), None))
    spoil(store)
    with (
        pytest.raises(NodeError, match=r"other bytes|unpacking") as caught,
        restore.alone(),
        restore.made(store, source, Report("a test")),
    ):
        pytest.fail("it was taken for whole")
    assert caught.value.code is code
    assert proven["folders"] == []
    assert [each.name for each in paths.RESTORING.iterdir()] == [".lock"]


@pytest.mark.usefixtures("proven")
def test_the_object_is_named_where_its_bytes_are_others(
    store: MemoryStore,
) -> None:
    source = restore.look(store, NODES, Wanted(AsItIs(), None))
    other_bytes(store)
    with pytest.raises(Wrong, match=r"data\.tar\.zst"), restore.alone():
        restore.made(store, source, Report("a test")).__enter__()


@pytest.mark.usefixtures("proven")
@pytest.mark.parametrize("changes", [{"bytes": 5301}, {"files": 4}])
def test_files_that_are_not_so_many_and_so_large_are_refused(
    store: MemoryStore, changes: dict[str, Any]
) -> None:
    keep(store, THIRD, **changes)
    source = restore.look(store, NODES, Wanted(AsItIs(), None))
    with pytest.raises(NodeError, match="5300 bytes in 3 files"), restore.alone():
        restore.made(store, source, Report("a test")).__enter__()


@pytest.mark.parametrize("named", [None, Coordinates("bin.000012", 300)])
def test_data_whose_place_is_not_that_of_its_manifest_is_refused(
    store: MemoryStore, proven: dict[str, Any], named: Coordinates | None
) -> None:
    proven["innodb"] = named
    source = restore.look(store, NODES, Wanted(AsItIs(), None))
    with pytest.raises(NodeError, match="InnoDB says"), restore.alone():
        restore.made(store, source, Report("a test")).__enter__()


@pytest.mark.usefixtures("proven")
def test_no_room_is_refused_before_anything_comes(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = restore.look(store, NODES, Wanted(AsItIs(), None))
    monkeypatch.setattr(room, "free", lambda _: 300 << 20)
    store.gets.clear()
    with pytest.raises(NodeError, match="300 MiB free") as caught, restore.alone():
        restore.made(store, source, Report("a test")).__enter__()
    assert caught.value.code is Exit.REFUSED
    assert store.gets == []


@pytest.mark.usefixtures("volume")
def test_one_restore_at_a_time_and_what_a_killed_one_left_goes() -> None:
    paths.RESTORING.mkdir()
    (paths.RESTORING / "aaaaaaaa" / "data").mkdir(parents=True)
    with restore.alone():
        assert [each.name for each in paths.RESTORING.iterdir()] == [".lock"]
        with pytest.raises(NodeError) as caught, restore.alone():
            pytest.fail("two at a time")
        assert caught.value.code is Exit.BUSY
        (paths.RESTORING / "bbbbbbbb").mkdir()
        restore.sweep()
        assert (paths.RESTORING / "bbbbbbbb").exists()
    restore.sweep()
    assert not (paths.RESTORING / "bbbbbbbb").exists()


# A scratch server that stays.


@pytest.fixture
def host(proven: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Units that run, by their names; what systemd was told."""
    seen: dict[str, Any] = {**proven, "units": set(), "told": []}

    def run(command: list[str], **_: Any) -> str:
        seen["told"].append(command)
        name = next(each for each in command if each.startswith("--unit="))
        seen["units"].add(name.removeprefix("--unit="))
        return ""

    def systemctl(word: str, name: str, **_: Any) -> None:
        seen["told"].append([word, name])
        seen["units"].discard(name)

    monkeypatch.setattr(programs, "run", run)
    monkeypatch.setattr(programs, "attempt", lambda *_, **__: (0, "", ""))
    monkeypatch.setattr(systemd, "systemctl", systemctl)
    monkeypatch.setattr(
        systemd, "state", lambda name: ("active" if name in seen["units"] else "inactive", 0)
    )
    monkeypatch.setattr(lifecycle, "greets", lambda _: True)
    return seen


NIGHT: dict[str, Any] = {"name": "night", "moment": {"as_it_is": True}}


def make(store: MemoryStore, document: dict[str, Any]) -> tuple[restored.Restored, Report]:
    report = Report("restore-scratch")
    name, asked = restored.parse(document)
    return restored.make(store, name, asked, report), report


def test_a_scratch_server_says_how_to_connect(store: MemoryStore, host: dict[str, Any]) -> None:
    there, report = make(store, NIGHT)
    shown = there.shown()
    assert shown["running"]
    assert shown["backup"] == f"node-1/{THIRD}"
    assert shown["connect"].endswith(f"--socket={paths.RESTORED}/night/run/sock")
    assert report.changed
    assert (paths.RESTORED / "night" / "data" / "ibdata1").read_bytes() == FILES["ibdata1"]
    assert restored.all_here() == [there]
    (command,) = host["told"]
    assert "--skip-networking" in command
    assert "--property=PrivateNetwork=yes" in command
    assert f"--datadir={paths.RESTORED}/night/data" in command


def test_asked_for_again_it_changes_nothing_and_is_started_if_it_is_down(
    store: MemoryStore, host: dict[str, Any]
) -> None:
    there, _ = make(store, NIGHT)
    store.gets.clear()
    again, report = make(store, NIGHT)
    assert (again, report.changed, store.gets) == (there, False, [])
    host["units"].clear()  # as after a reboot
    again, report = make(store, NIGHT)
    assert (again.running, report.changed, store.gets) == (True, True, [])


@pytest.mark.usefixtures("host")
def test_another_wish_under_the_same_name_is_refused(
    store: MemoryStore,
) -> None:
    make(store, NIGHT)
    with pytest.raises(NodeError, match="night is there") as caught:
        make(store, {**NIGHT, "backup": f"node-1/{FIRST}"})
    assert "--remove night" in caught.value.next_step


@pytest.mark.usefixtures("host")
def test_what_was_killed_before_it_was_whole_is_begun_anew(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(restored, "_keep", killed)
        patched.setattr(restore.files, "remove_tree", lambda _: None)  # nor did it clear up
        with pytest.raises(Killed):
            make(store, NIGHT)
    assert restored.all_here() == []
    assert len(list(paths.RESTORING.iterdir())) > 1
    there, _ = make(store, NIGHT)
    assert there.running
    assert [each.name for each in paths.RESTORING.iterdir()] == [".lock"]


@pytest.mark.usefixtures("host")
def test_a_folder_of_that_name_that_is_no_scratch_server_is_left_alone(
    store: MemoryStore,
) -> None:
    (paths.RESTORED / "night").mkdir(parents=True)
    (paths.RESTORED / "night" / "mine").write_text("wanted")
    store.gets.clear()
    with pytest.raises(NodeError, match="was not made by this tool"):
        make(store, NIGHT)
    assert (paths.RESTORED / "night" / "mine").exists()
    assert store.gets == []


def test_removed_it_ends_and_its_folder_goes(store: MemoryStore, host: dict[str, Any]) -> None:
    make(store, NIGHT)
    for changed in (True, False):
        report = Report("restore-scratch")
        restored.remove("night", report)
        assert report.changed is changed
    assert host["units"] == set()
    assert restored.all_here() == []
    assert not (paths.RESTORED / "night").exists()


@pytest.mark.usefixtures("host")
def test_a_server_that_does_not_start_says_what_its_log_says(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "greets", lambda _: None)
    monkeypatch.setattr(systemd, "state", lambda _: ("failed", 0))
    with pytest.raises(NodeError, match="night does not start") as caught:
        make(store, NIGHT)
    assert "scratch.err" in caught.value.next_step


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"name": "night"},
        {"moment": {"latest": True}},
        {**NIGHT, "name": "../night"},
        {**NIGHT, "name": "Night"},
        {**NIGHT, "backup": "newest"},
        {**NIGHT, "more": 1},
    ],
)
def test_another_document_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(NodeError):
        restored.parse(document)


@pytest.mark.usefixtures("volume")
@pytest.mark.parametrize("name", ["..", "a/b", "", "-a"])
def test_what_is_removed_is_a_scratch_server_by_its_name(name: str) -> None:
    with pytest.raises(NodeError) as caught:
        restored.remove(name, Report("restore-scratch"))
    assert caught.value.code is Exit.INPUT


# One table.


TABLE: dict[str, Any] = {"table": "app.t", "into": "app.t_before", "moment": {"latest": True}}


def test_a_table_is_named_by_a_text_or_in_two_parts() -> None:
    asked = tables.parse({**TABLE, "into": {"schema": "app", "table": "t.`b"}})
    assert (str(asked.table), str(asked.into)) == ("`app`.`t`", "`app`.`t.``b`")


@pytest.mark.parametrize(
    "changes",
    [
        {"table": "t"},
        {"table": "a.b.c"},
        {"table": ".t"},
        {"table": "app."},
        {"table": {"schema": "app"}},
        {"table": {"schema": "app", "table": "t" * 65}},
        {"into": "mysql.user"},
        {"table": "MySQL_Ring.heartbeat"},
        {"table": None},
    ],
)
def test_another_name_of_a_table_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(NodeError) as caught:
        tables.parse({**TABLE, **changes})
    assert caught.value.code is Exit.INPUT


def test_a_row_stands_in_a_statement_byte_by_byte() -> None:
    row = (b"1", None, b"", b"\x00'\\\x1a\n\xff")
    assert tables.row_text(row) == b"('1',NULL,'','\\0\\'\\\\\\Z\n\xff')"


class Cursor:
    def __init__(self, rows: list[tuple[bytes]]) -> None:
        self.rows = rows

    def fetchone(self) -> tuple[bytes] | None:
        return self.rows.pop(0) if self.rows else None


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ([], []),
        ([1] * 2500, [1000, 1000, 500]),
        ([600 << 10] * 3, [1, 1, 1]),
        ([500 << 10] * 3, [2, 1]),
        ([3 << 20, 1, 1], [1, 2]),
    ],
)
def test_transactions_are_bounded(sizes: list[int], wanted: list[int]) -> None:
    rows = [(b"x" * size,) for size in sizes]
    assert [len(part) for part in tables.parts(Cursor(rows))] == wanted


def test_the_name_that_a_table_comes_under_is_the_same_for_each_run_and_fits() -> None:
    into = tables.Table("app", "t" * 64)
    held = tables.temporary(into)
    assert held == tables.temporary(into)
    assert held != tables.temporary(tables.Table("app", "u"))
    assert len(held.table) <= tables.LONGEST_NAME


# A drill.


def outcome(**changes: Any) -> Outcome:
    usual = Outcome(
        sound=("`app`.`t`",),
        left_out={},
        checksums={"`app`.`t`": 5, "`app`.`new`": 6},
        wrong={},
        warned=(),
        seconds=1.0,
    )
    return replace(usual, **changes)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (outcome(), None),
        (outcome(checksums={"`app`.`t`": 6}), "`app`.`t` has checksum 6, not 5"),
        (outcome(checksums={}), "`app`.`t` has checksum none, not 5"),
        (
            outcome(checksums={"`app`.`new`": 6}, left_out={"`app`.`t`": "it was in use"}),
            "none of the 1 tables of node-1",
        ),
        (outcome(wrong={"`app`.`u`": "Corrupt"}), "`app`.`u`: Corrupt"),
    ],
)
def test_each_table_is_what_the_manifest_says(
    monkeypatch: pytest.MonkeyPatch, found: Outcome, said: str | None
) -> None:
    monkeypatch.setattr(checking, "tables", lambda _: [])
    monkeypatch.setattr(checking, "check", lambda *_, **__: found)
    server: Any = SimpleNamespace(session=None, socket=None)
    of = replace(WHOLE, checksums={"`app`.`t`": 5})
    if said is None:
        assert drills.compare(server, of) == len({"`app`.`t`"} & set(found.checksums))
        return
    with pytest.raises(NodeError) as caught:
        drills.compare(server, of)
    assert said in caught.value.found
    assert caught.value.code in (Exit.SERVER, Exit.DEADLINE)


@pytest.mark.usefixtures("proven")
def test_how_a_drill_ended_is_kept_in_the_bucket(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drills, "compare", lambda *_: 26)
    done = drills.run(store, Report("drill"))
    assert (done.good, done.tables_compared, done.backup) == (True, 26, f"node-1/{THIRD}")
    (kept,) = drills.kept(store, NODES)
    assert kept["backup"] == f"node-1/{THIRD}"
    assert kept["good"]


@pytest.mark.usefixtures("proven")
def test_how_a_drill_failed_is_kept_too(
    store: MemoryStore,
) -> None:
    gone(store)
    with pytest.raises(NodeError, match="is not in the bucket"):
        drills.run(store, Report("drill"))
    (kept,) = drills.kept(store, NODES)
    assert (kept["good"], kept["backup"]) == (False, None)
    assert "is not in the bucket" in kept["problem"]


def test_a_drill_that_is_not_understood_is_listed_as_that(store: MemoryStore) -> None:
    store.objects[f"{drills.prefix(store.place, 'node-1')}20261126T031500Z.json"] = b"{"
    (kept,) = drills.kept(store, NODES)
    assert (kept["at"], kept["good"]) == ("2026-11-26T03:15:00Z", False)


def test_the_results_of_drills_are_no_backups(store: MemoryStore) -> None:
    before = Bucket(store, NODES).names
    store.objects[f"{drills.prefix(store.place, 'node-1')}20261126T031500Z.json"] = b"{}"
    assert Bucket(store, NODES).names == before


# An incarnation that is kept.


def test_what_restored_data_took_the_place_of_stays_until_it_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "INCARNATIONS", tmp_path / "incarnations")
    monkeypatch.setattr(paths, "CURRENT", tmp_path / "current")
    for name in ("restored", "old", "older", "left"):
        (paths.INCARNATIONS / name / "data").mkdir(parents=True)
    paths.CURRENT.symlink_to(paths.INCARNATIONS / "restored")
    for name in ("restored", "old", "older"):
        incarnations.keep(paths.INCARNATIONS / name)
    incarnations.remove_former()
    assert sorted(each.name for each in paths.INCARNATIONS.iterdir()) == [
        "old",
        "older",
        "restored",
    ]
    assert sorted(each.name for each in incarnations.remove_kept()) == ["old", "older"]
    assert [each.name for each in paths.INCARNATIONS.iterdir()] == ["restored"]


@pytest.mark.usefixtures("volume")
def test_the_lock_of_restores_is_free_when_its_holder_is_gone() -> None:
    with restore.alone():
        pass
    with try_lock(paths.RESTORING / ".lock") as mine:
        assert mine


def source_of(found: Manifest) -> Source:
    return Source(Wanted(AsItIs(), None), found, None)


def test_what_was_made_says_where_it_is(tmp_path: Path) -> None:
    made = Made(tmp_path, source_of(WHOLE), None, 1.0)
    assert (made.data, made.source.backup) == (tmp_path / "data", f"node-1/{WHOLE.identity}")
