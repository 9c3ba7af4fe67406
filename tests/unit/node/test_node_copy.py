"""What may become this node's data, and what is made of a copy's differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ring_node.base.errors import NodeError
from ring_node.mysql import inventory
from ring_node.mysql.binlogs import Commits
from ring_node.mysql.shows import Coordinates
from ring_node.ring import arriving, copy_units, offer, proving
from ring_node.ring.arriving import ROOM_BYTES
from ring_node.ring.join import decide_discard
from ring_node.ring.offer import Offer
from ring_node.ring.stream import Broken
from states import ME, PEER, copying, node

pytestmark = pytest.mark.unit

PLACE = Coordinates("bin.000007", 900)
ENDED = Coordinates("bin.000007", 800)
NONE_DEFINED = {inventory.DEFINED: "7 to 7"}
OBJECTS = {"table app.t": "InnoDB 1", **NONE_DEFINED}
OFFER = Offer(
    "5.6.24-log", PEER, 2, PLACE, Commits(ENDED, ENDED), None, 1 << 30, 9, 0.1, OBJECTS, OBJECTS
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


@pytest.mark.parametrize("lacking", ["master", "objects_before", "bytes"])
def test_a_header_that_lacks_something_is_no_header(lacking: str) -> None:
    whole: dict[str, Any] = {
        "version": "5.6.24-log", "server_uuid": PEER, "server_id": 2, "master": list(PLACE),
        "innodb": [["bin.000007", 800], list(PLACE)], "slave": None,
        "bytes": 5, "files": 1, "locked_ms": 12,
        "objects_before": {"a": "b"}, "objects_after": None,
    }  # fmt: skip
    read = offer.read(whole, "node-2")
    assert (read.master, read.objects_after, read.changed_meanwhile) == (PLACE, {"a": "b"}, False)
    assert read.innodb == Commits(ENDED, PLACE)
    del whole[lacking]
    with pytest.raises(Broken, match=lacking):
        offer.read(whole, "node-2")


def test_nobody_gives_up_data_for_a_peer_that_has_none() -> None:
    assert decide_discard("node-1", node(PEER, content=("base table app.t",))) is None
    for state in ({}, {"content": ("base table app.t",), "origin": copying(PEER, ME)}):
        refusal = decide_discard("node-1", node(PEER, **state))
        assert refusal is not None
        assert refusal.case == "nothing to copy"


def test_progress_says_how_much_how_fast_and_how_much_longer() -> None:
    said = arriving.progress("node-2", 256 << 20, 1 << 30, 2.0)
    assert said == "copying node-2: 256 of 1024 MiB, 128.0 MiB/s, 6 s left"


def test_copies_are_asked_for_on_the_replication_address_only() -> None:
    unit = copy_units.socket_unit("10.10.1.10").splitlines()
    assert [line for line in unit if line.startswith("Listen")] == ["ListenStream=10.10.1.10:3307"]
    assert "Accept=yes" in unit
