"""What may become this node's data, and what is made of a copy's differences."""

from __future__ import annotations

import os
import tarfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ring_node.base.errors import NodeError
from ring_node.base.report import Report
from ring_node.mysql import inventory
from ring_node.mysql.binlogs import Commits
from ring_node.mysql.shows import Coordinates, Identity
from ring_node.ring import arriving, copy_units, documents, offer, proving, schema
from ring_node.ring.arriving import ROOM_BYTES
from ring_node.ring.join import GivenUp, decide_discard
from ring_node.ring.offer import Offer
from ring_node.ring.stream import Broken
from states import ME, OLD, PEER, copying, node

pytestmark = pytest.mark.unit

PLACE = Coordinates("bin.000007", 900)
ENDED = Coordinates("bin.000007", 800)
NONE_DEFINED = {inventory.DEFINED: "7 to 7"}
OBJECTS = {"table app.t": "InnoDB 1", **NONE_DEFINED}
OFFER = Offer(
    version="5.6.24-log",
    server_uuid=PEER,
    server_id=2,
    master=PLACE,
    innodb=Commits(ENDED, ENDED),
    slave=None,
    bytes=1 << 30,
    files=9,
    holes=0,
    locked_seconds=0.1,
    objects_before=OBJECTS,
    objects_after=OBJECTS,
)
ENOUGH = (1 << 30) + ROOM_BYTES


@pytest.mark.parametrize(
    ("changes", "version", "free", "said"),
    [
        ({}, "5.6.24", ENOUGH, ""),
        ({}, "5.6.51", ENOUGH, ""),
        ({"version": "5.6.9-log"}, "5.6.24", ENOUGH, ""),
        ({"server_uuid": ME}, "5.6.24", ENOUGH, "sends the data of server"),
        ({"version": "5.6.51-log"}, "5.6.24", ENOUGH, "runs MySQL 5.6.51-log"),
        ({}, "5.6.24", ENOUGH - 1, "1279 MiB free"),
    ],
)
def test_what_cannot_become_this_nodes_data_is_refused_before_it_comes(
    changes: dict[str, Any], version: str, free: int, said: str
) -> None:
    offered = replace(OFFER, **changes)
    if not said:
        arriving.refuse_unfit(offered, "node-2", PEER, version, free)
        return
    with pytest.raises(NodeError, match=said):
        arriving.refuse_unfit(offered, "node-2", PEER, version, free)


@pytest.mark.parametrize("found", [None, PLACE, Coordinates("bin.000006", 800)])
def test_a_copy_whose_innodb_ends_elsewhere_is_refused(found: Coordinates | None) -> None:
    proving.check_place(ENDED, OFFER, "node-2")
    with pytest.raises(NodeError, match="InnoDB says") as caught:
        proving.check_place(found, OFFER, "node-2")
    assert "bin.000007:800" in caught.value.expected
    assert str(found or "no place") in caught.value.found


def test_a_copy_that_differs_is_named_and_tried_again_only_when_definitions_changed() -> None:
    proving.check_objects({"table app.t": "InnoDB 1"}, OFFER, "node-2")
    wrong = {"table app.t": "MyISAM 1"}
    with pytest.raises(NodeError, match=r"table app\.t") as caught:
        proving.check_objects(wrong, OFFER, "node-2")
    assert not isinstance(caught.value, proving.Changed)
    changed = replace(OFFER, objects_after={"table app.t": "InnoDB 2", **NONE_DEFINED})
    proving.check_objects({"table app.t": "InnoDB 2"}, changed, "node-2")
    with pytest.raises(proving.Changed, match=r"table app\.t"):
        proving.check_objects(wrong, changed, "node-2")


@pytest.mark.parametrize(
    ("beaten", "known", "beyond"), [(0, 0, 0), (0, 240, 240), (900, 240, 900), (240, 900, 900)]
)
def test_a_copy_counts_on_from_beyond_what_it_takes_the_place_of_and_what_its_source_knows(
    monkeypatch: pytest.MonkeyPatch, beaten: int, known: int, beyond: int
) -> None:
    """A source that was set back in time does not know how far the one before it came."""
    identity = Identity(ME, 1, "5.6.24-log", "YES", False)
    pair = documents.Pair(
        documents.Node("node-1", 1, "192.168.100.10", "10.10.1.10"),
        documents.Peer("node-2", 2, "10.10.1.11", "vol-2"),
    )
    generations = {1: known, 2: 10**6}
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(proving.shows, "identity", lambda _: identity)
    monkeypatch.setattr(proving.shows, "show_slave_status", lambda _: None)
    monkeypatch.setattr(proving.xa, "roll_back", lambda _: 0)
    monkeypatch.setattr(proving.events, "adapt", lambda *_: [])
    monkeypatch.setattr(proving, "take_over_accounts", lambda *_: None)
    monkeypatch.setattr(schema, "add_rows", lambda *_: False)
    monkeypatch.setattr(schema, "write_origin", lambda *_: None)
    monkeypatch.setattr(schema, "generation", lambda _, server_id: generations[server_id])
    monkeypatch.setattr(schema, "go_on_from", lambda _, *given: taken.append(given))
    session: Any = Scratch()
    proving._adapt(session, OFFER, PLACE, beaten, pair, Report("rejoin"))
    assert taken == [(1, beyond)]


class Scratch:
    """A session that does what it is told."""

    def do(self, _statement: str) -> None: ...


@pytest.mark.parametrize("lacking", ["master", "objects_before", "bytes"])
def test_a_header_that_lacks_something_is_no_header(lacking: str) -> None:
    whole: dict[str, Any] = {
        "version": "5.6.24-log", "server_uuid": PEER, "server_id": 2, "master": list(PLACE),
        "innodb": [["bin.000007", 800], list(PLACE)], "slave": None,
        "bytes": 5, "files": 1, "holes": 1, "locked_ms": 12,
        "objects_before": {"a": "b"}, "objects_after": None,
    }  # fmt: skip
    read = offer.read(whole, "node-2")
    assert (read.master, read.objects_after, read.changed_meanwhile) == (PLACE, {"a": "b"}, False)
    assert read.innodb == Commits(ENDED, PLACE)
    del whole[lacking]
    with pytest.raises(Broken, match=lacking):
        offer.read(whole, "node-2")


DATA = {"content": ("base table app.t",)}
HOLDS, HOLDS_NOTHING = GivenUp(), GivenUp(holds=False)
NEWER = GivenUp(peer_set_back="it is a day old")
UNASKED = GivenUp(unasked="it does not start")
NOTHING, SET_BACK, NOT_ASKED = "nothing to copy", "set back in time", "own server not asked"
DISCARDS = {
    "data beside data": (HOLDS, DATA, None, None),
    "nothing beside data": (HOLDS_NOTHING, DATA, None, None),
    "data beside an empty peer": (HOLDS, {}, None, NOTHING),
    "nothing beside an empty peer": (HOLDS_NOTHING, {}, None, None),
    "beside a peer that copies": (HOLDS, {**DATA, "origin": copying(PEER, ME)}, None, NOTHING),
    "nothing beside a peer that copies": (
        HOLDS_NOTHING, {"origin": copying(PEER, OLD)}, None, NOTHING,
    ),
    "beside a peer that was set back": (NEWER, DATA, None, SET_BACK),
    "beside one that is named for it": (NEWER, DATA, "node-2", None),
    "with another name": (NEWER, DATA, "node-1", SET_BACK),
    "named, and empty": (NEWER, {}, "node-2", NOTHING),
    "named, and sound": (HOLDS, DATA, "node-2", None),
    "beside a peer of which nobody can be asked": (UNASKED, DATA, None, NOT_ASKED),
    "the same, and it is named": (UNASKED, DATA, "node-2", None),
    "the same, with another name": (UNASKED, DATA, "node-1", NOT_ASKED),
    "the same, named and empty": (UNASKED, {}, "node-2", NOTHING),
}  # fmt: skip


@pytest.mark.parametrize(("own", "peer", "though_behind", "case"), DISCARDS.values(), ids=DISCARDS)
def test_nobody_gives_up_data_for_a_peer_that_has_none_or_may_have_older_one(
    own: GivenUp, peer: dict[str, Any], though_behind: str | None, case: str | None
) -> None:
    refusal = decide_discard("node-1", own, node(PEER, **peer), though_behind)
    assert (refusal and refusal.case) == case


def test_who_may_not_copy_a_peer_that_was_set_back_is_told_both_ways() -> None:
    refusal = decide_discard("node-1", NEWER, node(PEER, **DATA), None)
    assert refusal is not None
    assert "node-2 was set back in time: it is a day old" in refusal.found
    assert "on node-2: `sudo ring-node rejoin --discard node-2`" in refusal.next_step
    assert "rejoin --discard node-1 --though-behind node-2`" in refusal.next_step


def test_who_cannot_ask_its_own_server_is_told_what_to_do_and_what_may_be_lost() -> None:
    refusal = decide_discard("node-1", UNASKED, node(PEER, **DATA), None)
    assert refusal is not None
    assert "whether node-2 was set back in time: it does not start" in refusal.found
    assert "bring node-1's server up" in refusal.next_step
    assert "what node-1 holds may be newer and would be lost" in refusal.next_step
    assert "rejoin --discard node-1 --though-behind node-2`" in refusal.next_step


def test_progress_says_how_much_how_fast_and_how_much_longer() -> None:
    said = arriving.progress("node-2", 256 << 20, 1 << 30, 2.0)
    assert said == "copying node-2: 256 of 1024 MiB, 128.0 MiB/s, 6 s left"


def test_copies_are_asked_for_on_the_replication_address_only() -> None:
    unit = copy_units.socket_unit("10.10.1.10").splitlines()
    assert [line for line in unit if line.startswith("Listen")] == ["ListenStream=10.10.1.10:3307"]
    assert "Accept=yes" in unit


def test_what_landed_is_so_many_bytes_in_so_many_plain_files(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "t.ibd").write_bytes(b"x" * 100)
    (tmp_path / "ibdata1").write_bytes(b"x" * 50)
    arriving.check_landed(tmp_path, 150, 2, "node-2")
    for size, count in ((151, 2), (150, 3)):
        with pytest.raises(NodeError, match="150 bytes in 2 files of node-2 are in"):
            arriving.check_landed(tmp_path, size, count, "node-2")
    (tmp_path / "app" / "far.MYD").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NodeError, match=r"not plain: app/far\.MYD, pipe"):
        arriving.check_landed(tmp_path, 150, 2, "node-2")


def member(name: str, kind: bytes, link: str) -> bytes:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, 3 if kind == tarfile.REGTYPE else 0
    return made.tobuf() + (b"one".ljust(512, b"\0") if kind == tarfile.REGTYPE else b"")


@pytest.mark.parametrize(
    "members",
    [
        [("../outside", tarfile.REGTYPE, "")],
        [("{}/outside", tarfile.REGTYPE, "")],
        [("way", tarfile.SYMTYPE, ".."), ("way/outside", tarfile.REGTYPE, "")],
        [("way", tarfile.SYMTYPE, "{}"), ("way/outside", tarfile.REGTYPE, "")],
        [("way", tarfile.LNKTYPE, "../there")],
        [("way", tarfile.LNKTYPE, "{}/there")],
    ],
)
def test_nothing_of_a_stream_lands_outside_of_its_folder(
    tmp_path: Path, members: list[tuple[str, bytes, str]]
) -> None:
    """A peer is trusted with its data and not with this host."""
    (tmp_path / "there").write_text("kept")
    folder = tmp_path / "data"
    folder.mkdir()
    with suppress(NodeError), arriving.unpacked(folder) as write:
        for name, kind, link in members:
            write(memoryview(member(name.format(tmp_path), kind, link.format(tmp_path))))
        write(memoryview(bytes(1024)))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["data", "there"]
    assert (tmp_path / "there").stat().st_nlink == 1
