"""What a new ring begins with, out of a bucket: when that is done, and what becomes of it."""

from __future__ import annotations

import json
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ring_node.backup import born, restore, turning, whole
from ring_node.backup.born import Birth, Own, Source, decide
from ring_node.backup.moment import At, Latest
from ring_node.backup.store import Denied, Missing, parse_folders
from ring_node.base import paths
from ring_node.base.errors import Exit, NodeError
from ring_node.base.report import Report
from ring_node.mysql import accounts, events, incarnations, lifecycle
from ring_node.mysql.grants import Account, Rights
from ring_node.ring import admission, content, schema
from ring_node.ring.join import Refusal, State
from ring_node.ring.schema import Source as Followed
from states import ME, MINE, PEER, THEIRS, copying, node
from stores import MemoryStore
from test_node_documents import NODE as NODE_ONE
from test_node_documents import PEER as NODE_TWO

pytestmark = pytest.mark.unit

SOURCE = Source("old-bucket", "eu-west-1", "prod", "ring", "2026-11-26T03:15:00Z")
OTHER = replace(SOURCE, moment="latest")
DOCUMENT: dict[str, Any] = {
    "node": NODE_ONE,
    "peer": NODE_TWO,
    "restore": asdict(SOURCE),
    "own_bucket": "own",
}
DATA = ("base table app.t",)
FOLLOWS = Followed(PEER, ME, "wired", MINE)


@pytest.mark.parametrize(
    ("me", "peer", "restored", "admitted", "wanted"),
    [
        (node(ME), node(PEER), None, False, Birth.RESTORE),
        # An `up` that ended after its steps `seed`: nothing was written, nobody was let in.
        (node(ME, source=Followed(ME, PEER, "wired", THEIRS)), node(PEER), None, False,
         Birth.RESTORE),
        (node(ME), node(PEER, source=replace(FOLLOWS, state="wiring")), None, False,
         Birth.RESTORE),
        (node(ME), node(PEER), None, True, Birth.JOINED),
        (node(ME, content=DATA), node(PEER), None, True, Birth.JOINED),
        (node(ME, content=DATA), node(PEER), None, False, Birth.HOLDS),
        (node(ME, content=DATA), node(PEER), SOURCE, False, Birth.DONE),
        (node(ME, content=DATA), node(PEER), OTHER, False, "restored from elsewhere"),
        (node(ME, content=DATA), node(PEER), OTHER, True, Birth.JOINED),
        (node(ME), node(PEER), OTHER, False, Birth.RESTORE),  # of a backup that held nothing
        (node(ME, origin=copying(ME, PEER)), node(PEER, content=DATA), None, False, Birth.COPIES),
        (node(ME), node(PEER, content=DATA), None, False, Birth.PEER_HOLDS),
        (node(ME), node(PEER, origin=copying(PEER, "uuid-of-another")), None, False,
         Birth.PEER_HOLDS),
        (node(ME), node(PEER, source=FOLLOWS), None, False, Birth.PEER_JOINED),
    ],
)  # fmt: skip
def test_only_two_new_nodes_begin_with_what_a_bucket_has(
    me: State, peer: State, restored: Source | None, admitted: bool, wanted: Birth | str
) -> None:
    found = decide(me, peer, SOURCE, restored, admitted=admitted)
    assert (found.case if isinstance(found, Refusal) else found) == wanted


def test_the_document_names_both_nodes_and_what_is_restored() -> None:
    asked = born.parse(DOCUMENT)
    assert asked.source == SOURCE
    assert asked.wanted.backup is None
    assert isinstance(asked.wanted.moment, At)
    assert str(asked.wanted.moment) == SOURCE.moment
    latest = born.parse({**DOCUMENT, "restore": asdict(OTHER)})
    assert latest.wanted.moment == Latest()


@pytest.mark.parametrize(
    "changes",
    [
        {"bucket": "B"},
        {"bucket": "--config=/tmp/x"},
        {"region": "europe"},
        {"stack": "a stack"},
        {"ring": ""},
        {"moment": "now"},
        {"moment": "2026-02-30T03:15:00Z"},
        {"more": 1},
    ],
)
def test_another_document_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(NodeError) as caught:
        born.parse({**DOCUMENT, "restore": {**asdict(SOURCE), **changes}})
    assert caught.value.code is Exit.INPUT


def test_the_nodes_whose_backups_a_bucket_has_are_its_folders() -> None:
    text = (
        "                          DIR  s3://old-bucket/mysql/node-2/\n"
        "                          DIR  s3://old-bucket/mysql/db/\n"
        "2026-11-26 03:15            5  s3://old-bucket/mysql/README\n"
    )
    assert parse_folders(text) == ["db", "node-2"]
    assert parse_folders("") == []


class Slow(MemoryStore):
    """Denies as long as there are errors left."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    def folders(self, prefix: str, **options: Any) -> list[str]:
        if self.errors:
            raise self.errors.pop(0)
        return super().folders(prefix, **options)


def denied() -> Denied:
    return Denied(False, Exit.HOST, "AccessDenied", "what the ring's role allows", "look")


def test_a_right_that_is_seconds_old_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    store = Slow(denied(), denied())
    store.objects["mysql/node-1/backups/x"] = b"x"
    assert born.nodes(store) == ["node-1"]
    assert store.errors == []


def test_a_bucket_that_may_not_be_read_is_not_there_or_is_empty_is_refused_with_a_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(born, "RIGHTS_SECONDS", 0)
    missing = Missing(False, Exit.HOST, "NoSuchBucket", "that bucket and object", "look")
    for error in (denied(), missing):
        with pytest.raises(NodeError, match=error.found) as caught:
            born.nodes(Slow(error))
        assert "restoreFrom" in caught.value.next_step
    with pytest.raises(NodeError, match="has nothing below mysql/") as caught:
        born.nodes(MemoryStore())
    assert "ring ring of stack dev" in caught.value.expected


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A node whose server is new; both servers hold nothing. What was done to it is in `did`."""
    did: list[str] = []
    state: dict[str, Any] = {
        "did": did,
        "me": node(ME),
        "peer": node(PEER),
        "starts": [],
        "turns": [],
    }
    for name in ("DATA", "LOGS", "VOLUME"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
        (tmp_path / name.lower()).mkdir()
    monkeypatch.setattr(paths, "S3CFG_BIRTH", tmp_path / "s3cfg.birth")
    monkeypatch.setattr(paths, "CURRENT", tmp_path / "current")
    monkeypatch.setattr(paths, "INCARNATIONS", tmp_path / "incarnations")
    (paths.INCARNATIONS / "empty/data").mkdir(parents=True)
    paths.CURRENT.symlink_to(paths.INCARNATIONS / "empty")
    state["running"] = True

    def start() -> None:
        did.append(f"start on {paths.CURRENT.resolve().name}")
        if state["starts"]:
            raise state["starts"].pop(0)
        state["running"] = True

    def stop() -> None:
        did.append("stop")
        state["running"] = False

    def take_place(folder: Path) -> None:
        paths.CURRENT.unlink()
        paths.CURRENT.symlink_to(folder)

    @contextmanager
    def session(*_: Any, **__: Any) -> Any:
        yield SimpleNamespace()

    for name, value in {
        "start": start, "stop": stop, "running": lambda: state["running"],
    }.items():  # fmt: skip
        monkeypatch.setattr(lifecycle, name, value)
    monkeypatch.setattr(incarnations, "take_place", take_place)
    monkeypatch.setattr(born.records, "remember_peer", lambda *_: None)
    monkeypatch.setattr(born.records, "credentials", lambda: SimpleNamespace(peer=None))
    monkeypatch.setattr(born.sql, "own", session)
    monkeypatch.setattr(born.reach, "peer", session)
    monkeypatch.setattr(born.state, "both", lambda *_: (state["me"], state["peer"]))
    monkeypatch.setattr(born.seeding, "known", lambda _: 7)
    monkeypatch.setattr(born.shows, "identity", lambda _: SimpleNamespace(uuid="uuid-of-new"))
    monkeypatch.setattr(born.binlogs, "highest", lambda _: 3)
    monkeypatch.setattr(born.binlogs, "remove_stand_in", lambda _: None)
    monkeypatch.setattr(born.packages, "install", lambda *_: None)
    monkeypatch.setattr(content, "databases", lambda _: {"app": ("utf8", "utf8_bin")})
    monkeypatch.setattr(accounts, "found", lambda _: {Account("app", "%"): RIGHTS})
    monkeypatch.setattr(schema, "generation", lambda *_: 5)
    monkeypatch.setattr(admission, "admitted", lambda: state.get("admitted", False))
    monkeypatch.setattr(born, "nodes", lambda _: ["node-1", "node-2"])
    monkeypatch.setattr(restore, "alone", nullcontext)

    def look(store: Any, *_: Any) -> Any:
        did.append(f"look for {store.place.stack}/{store.place.ring} in {store.place.bucket}")
        if "refused" in state:
            raise state["refused"]
        return SimpleNamespace(backup="node-1/20261126T031500Z")

    @contextmanager
    def made(*_: Any) -> Any:
        did.append("make")
        (paths.INCARNATIONS / "restored/data").mkdir(parents=True)
        yield SimpleNamespace(
            folder=paths.INCARNATIONS / "restored",
            data=paths.INCARNATIONS / "restored" / "data",
            as_of=None,
            seconds=1.0,
        )

    def adapt(_: Any, pair: Any, known: Any, *__: Any) -> None:
        did.append(f"adapt to {pair.node.name} behind log {known.log}, beat {known.generation}")

    def keep(_: Any, what: Any, servers: Any) -> None:
        did.append("turn")
        state["turns"].append((what, list(servers)))

    monkeypatch.setattr(turning, "keep", keep)
    monkeypatch.setattr(born.choosing, "uuids", lambda *_: ["uuid-of-new", "uuid-of-old"])
    monkeypatch.setattr(restore, "look", look)
    monkeypatch.setattr(restore, "made", made)
    monkeypatch.setattr(whole, "adapt", adapt)
    return state


RIGHTS = Rights("*" + "0" * 40, True, {})


def ran(**changes: Any) -> Report:
    report = Report("restore-new")
    born.run(born.parse({**DOCUMENT, **changes}), report)
    return report


def test_what_was_restored_takes_the_place_of_the_empty_server(host: dict[str, Any]) -> None:
    report = ran()
    assert host["did"] == [
        "look for prod/ring in old-bucket",
        "make",
        "adapt to node-1 behind log 7, beat 5",
        "stop",
        "start on restored",
    ]
    assert report.facts["outcome"] == "restore"
    assert report.facts["restored"]["server_uuid"] == "uuid-of-new"
    marker = paths.INCARNATIONS / "restored/data" / paths.DATA_MARKER
    assert json.loads(marker.read_text()) == asdict(SOURCE)
    assert [each.name for each in paths.INCARNATIONS.iterdir()] == ["restored"]
    assert not paths.S3CFG_BIRTH.exists()
    assert host["turns"] == []


def test_in_the_rings_own_bucket_the_logs_from_before_lead_no_further(
    host: dict[str, Any],
) -> None:
    """Said when the data has its place, and again where a killed run may have said nothing."""
    ran(own_bucket=SOURCE.bucket)
    (turn,) = host["turns"]
    assert turn == (asdict(SOURCE), ["uuid-of-old"])
    assert host["did"][-2:] == ["start on restored", "turn"]
    host["me"] = node(ME, content=DATA)
    (paths.DATA / paths.DATA_MARKER).write_text(json.dumps(asdict(SOURCE)))
    ran(own_bucket=SOURCE.bucket)
    assert len(host["turns"]) == 2


def test_the_marker_says_later_of_what_it_was_restored(host: dict[str, Any]) -> None:
    assert born.restored_from() is None
    for other in ("initialised by ring-node\n", "{}", "[]", '{"bucket": "b"}'):
        (paths.DATA / paths.DATA_MARKER).write_text(other)
        assert born.restored_from() is None
    (paths.DATA / paths.DATA_MARKER).write_text(json.dumps(asdict(SOURCE)))
    assert born.restored_from() == SOURCE
    host["me"] = node(ME, content=DATA)
    report = ran()
    assert host["did"] == []
    assert report.facts["outcome"] == "done"
    assert not report.changed


def test_a_ring_that_holds_data_goes_on_with_a_note(host: dict[str, Any]) -> None:
    host["peer"] = node(PEER, content=DATA)
    report = ran()
    assert host["did"] == []
    assert report.facts["outcome"] == "peer_holds"
    assert "nothing was restored from old-bucket" in report.line()


def test_a_node_that_has_joined_asks_nobody(
    host: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    host["admitted"] = True
    monkeypatch.setattr(born.reach, "peer", None)
    assert ran().facts["outcome"] == "joined"


def test_what_cannot_be_restored_is_refused_before_anything_is_made(host: dict[str, Any]) -> None:
    host["refused"] = NodeError(Exit.REFUSED, "a backup of ring orders", "one of ring", "look")
    with pytest.raises(NodeError, match="of ring orders"):
        ran()
    assert host["did"] == ["look for prod/ring in old-bucket"]
    assert paths.CURRENT.resolve().name == "empty"
    assert not paths.S3CFG_BIRTH.exists()


def test_data_on_which_the_server_does_not_start_leaves_the_empty_one(host: dict[str, Any]) -> None:
    host["starts"] = [NodeError(Exit.SERVER, "it does not start", "it", "look")]
    with pytest.raises(NodeError, match="does not start"):
        ran()
    assert host["did"][-3:] == ["start on restored", "stop", "start on empty"]
    assert host["running"]


def test_a_run_that_was_killed_while_the_server_was_stopped_goes_on(host: dict[str, Any]) -> None:
    host["running"] = False
    ran()
    assert host["did"][0] == "start on empty"


@pytest.mark.parametrize(
    ("of", "renumbered"), [("node-1", (9, 1, 2)), ("node-2", (9, 2, 1)), ("db-1", (9, 2, 1))]
)
def test_events_belong_to_the_new_rings_nodes(
    monkeypatch: pytest.MonkeyPatch, of: str, renumbered: tuple[int, ...]
) -> None:
    """Those of the server whose data it is go with it; whole.adapt takes data of another name for
    the peer's."""
    calls: list[Any] = []
    monkeypatch.setattr(schema, "forget_others", lambda _, *ids: calls.append(("rows", ids)))
    monkeypatch.setattr(events, "take_back", lambda _, of_id: calls.append(("back", of_id)))
    monkeypatch.setattr(events, "renumber", lambda _, *ids: calls.append(("events", ids)))
    monkeypatch.setattr(
        content, "create_databases", lambda _, wanted: calls.append(("databases", wanted)) or []
    )
    monkeypatch.setattr(accounts, "make", lambda _, wanted, __: calls.append(("accounts", wanted)))
    made: Any = SimpleNamespace(
        source=SimpleNamespace(manifest=SimpleNamespace(node=of, server_id=9))
    )
    has = Own({"app": ("utf8", "utf8_bin")}, {Account("app", "%"): RIGHTS})
    session: Any = None
    asked = born.parse(DOCUMENT)
    born._as_settings_say(session, made, asked.pair, has, Report("restore-new"))
    assert calls == [
        ("rows", (1, 2)),
        ("back", 9),
        ("events", renumbered),
        ("databases", has.databases),
        ("accounts", has.accounts),
    ]
