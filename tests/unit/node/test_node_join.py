"""The join decision: every meeting of two nodes has one named outcome."""

from __future__ import annotations

from typing import Any

import pytest
from ring_node.ring.join import Follow, Refusal, Seed, decide_follow, decide_seed, where_to_read
from ring_node.ring.schema import Source
from states import ME, MINE, OLD, PEER, THEIRS, born, copied, copying, node, slave, wired

pytestmark = pytest.mark.unit

DATA = ("base table app.t",)

SEEDS = {
    "both empty": ({}, {}, Seed.BEGIN),
    "both empty, the peer has begun": ({}, {"origin": born(PEER, ME)}, Seed.BEGIN),
    "both empty, this node has begun": ({"origin": born(ME, PEER)}, {}, Seed.READY),
    "both empty, this node had begun with a peer that was replaced": (
        {"origin": born(ME, OLD)},
        {},
        Seed.BEGIN,
    ),
    "empty, the peer got data after it had begun with this node": (
        {},
        {"origin": born(PEER, ME), "content": DATA},
        Seed.BEGIN,
    ),
    "the same, but that binary log of the peer is purged": (
        {},
        {"origin": born(PEER, ME), "content": DATA, "logs": frozenset({"bin.000009"})},
        Seed.COPY,
    ),
    "empty beside data": ({}, {"content": DATA}, Seed.COPY),
    "empty beside data that was wired to this node's predecessor": (
        {},
        {"content": DATA, "origin": born(PEER, OLD), **wired(PEER, OLD)},
        Seed.COPY,
    ),
    "an interrupted copy": (
        {"origin": copying(ME, PEER), "content": DATA},
        {"content": DATA},
        Seed.COPY_AGAIN,
    ),
    "an interrupted copy that had brought nothing yet": (
        {"origin": copying(ME, PEER)},
        {"content": DATA},
        Seed.COPY_AGAIN,
    ),
    "a whole copy": (
        {"origin": copied(ME, PEER), "content": DATA},
        {"content": DATA},
        Seed.READY,
    ),
    "a whole copy, but the peer has purged its coordinates": (
        {"origin": copied(ME, PEER), "content": DATA},
        {"content": DATA, "logs": frozenset({"bin.000009"})},
        Seed.COPY_AGAIN,
    ),
    "a whole copy of a server that was replaced by an empty one": (
        {"origin": copied(ME, OLD), "content": DATA},
        {},
        Seed.SERVE,
    ),
    "data beside an empty node": ({"content": DATA}, {}, Seed.SERVE),
    "data beside a node that copies it": (
        {"content": DATA, **wired(ME, OLD)},
        {"origin": copying(PEER, ME), "content": DATA},
        Seed.SERVE,
    ),
    "data beside half a copy of something that is gone": (
        {"content": DATA},
        {"origin": copying(PEER, OLD), "content": DATA},
        Seed.SERVE,
    ),
    "became empty while it was copied": (
        {"origin": born(ME, OLD), **wired(ME, OLD)},
        {"origin": copying(PEER, ME)},
        Seed.SERVE,
    ),
    "an interrupted copy of a peer that became empty": (
        {"origin": copying(ME, PEER)},
        {"origin": born(PEER, OLD), **wired(PEER, OLD)},
        Seed.COPY_AGAIN,
    ),
    "data beside a whole copy of it": (
        {"content": DATA},
        {"origin": copied(PEER, ME), "content": DATA},
        Seed.READY,
    ),
    "both got data after both had begun": (
        {"origin": born(ME, PEER), "content": DATA},
        {"origin": born(PEER, ME), "content": DATA},
        Seed.READY,
    ),
    "wired": (
        {"content": DATA, "origin": born(ME, PEER), **wired(ME, PEER)},
        {"content": DATA, "origin": born(PEER, ME)},
        Seed.JOINED,
    ),
    "wired while both are empty": ({**wired(ME, PEER)}, {}, Seed.JOINED),
}


@pytest.mark.parametrize(("mine", "theirs", "outcome"), SEEDS.values(), ids=SEEDS)
def test_seed_does_what_the_two_states_ask_for(
    mine: dict[str, Any], theirs: dict[str, Any], outcome: Seed
) -> None:
    assert decide_seed(node(ME, **mine), node(PEER, **theirs)) is outcome


REFUSED = {
    "both hold data": ({"content": DATA}, {"content": DATA}, "both hold data"),
    "both hold data, and each was wired to another server": (
        {"content": DATA, "origin": born(ME, OLD), **wired(ME, OLD)},
        {"content": DATA, "origin": born(PEER, OLD), **wired(PEER, OLD)},
        "both hold data",
    ),
    "data whose origin came with a data directory of another server": (
        {"content": DATA, "origin": born(OLD, PEER)},
        {"content": DATA, "origin": born(PEER, ME)},
        "both hold data",
    ),
    "a whole copy of a server that is gone, beside other data": (
        {"content": DATA, "origin": copied(ME, OLD)},
        {"content": DATA},
        "both hold data",
    ),
    "half a copy, and its source is gone": (
        {"content": DATA, "origin": copying(ME, OLD)},
        {},
        "source lost",
    ),
    "empty beside half a copy of something that is gone": (
        {},
        {"content": DATA, "origin": copying(PEER, OLD)},
        "source lost",
    ),
    "each is half a copy of the other": (
        {"origin": copying(ME, PEER)},
        {"origin": copying(PEER, ME)},
        "source lost",
    ),
    "one is a clone": ({"uuid": PEER}, {}, "same uuid"),
    "equal server ids": ({"server_id": 2}, {}, "same server id"),
    "a slave that somebody else configured": ({"slave": slave()}, {}, "foreign slave"),
    "its slave was removed by hand": (
        {"content": DATA, "origin": born(ME, PEER), "source": Source(ME, PEER, "wired", MINE)},
        {"content": DATA, "origin": born(PEER, ME)},
        "lost slave",
    ),
}


@pytest.mark.parametrize(("mine", "theirs", "case"), REFUSED.values(), ids=REFUSED)
def test_nothing_is_guessed_when_data_could_be_lost(
    mine: dict[str, Any], theirs: dict[str, Any], case: str
) -> None:
    me, peer = node(ME, **mine), node(PEER, **theirs)
    for decision in (decide_seed(me, peer), decide_follow(me, peer)):
        assert isinstance(decision, Refusal)
        assert decision.case == case
        assert decision.next_step


FOLLOWS = {
    "the peer has not begun": ({"origin": born(ME, PEER)}, {}, Follow.WAIT),
    "both have begun": ({"origin": born(ME, PEER)}, {"origin": born(PEER, ME)}, Follow.BEGIN),
    "the peer began with a predecessor": ({}, {"origin": born(PEER, OLD)}, Follow.WAIT),
    "the peer still copies": ({"content": DATA}, {"origin": copying(PEER, ME)}, Follow.WAIT),
    "the peer has copied": ({"content": DATA}, {"origin": copied(PEER, ME)}, Follow.BEGIN),
    "this node has copied": ({"origin": copied(ME, PEER)}, {"content": DATA}, Follow.BEGIN),
    "the source is gone and its successor has copied this copy": (
        {"origin": copied(ME, OLD), "content": DATA},
        {"origin": copied(PEER, ME), "content": DATA},
        Follow.BEGIN,
    ),
    "this node still copies": ({"origin": copying(ME, PEER)}, {"content": DATA}, Follow.WAIT),
    "the survivor of a replaced peer that copied it": (
        {"content": DATA, **wired(ME, OLD)},
        {"origin": copied(PEER, ME), "content": DATA},
        Follow.BEGIN,
    ),
    "interrupted before CHANGE MASTER": (
        {"origin": born(ME, PEER), "source": Source(ME, PEER, "wiring", THEIRS)},
        {"origin": born(PEER, ME)},
        Follow.BEGIN,
    ),
    "interrupted after CHANGE MASTER": ({**wired(ME, PEER, "wiring")}, {}, Follow.KEEP),
    "wired": ({**wired(ME, PEER)}, {}, Follow.KEEP),
}


@pytest.mark.parametrize(("mine", "theirs", "outcome"), FOLLOWS.values(), ids=FOLLOWS)
def test_replicate_follows_only_from_coordinates_that_were_written_down(
    mine: dict[str, Any], theirs: dict[str, Any], outcome: Follow
) -> None:
    assert decide_follow(node(ME, **mine), node(PEER, **theirs)) is outcome


def test_a_new_master_uuid_beside_old_coordinates_does_not_pass_for_wired() -> None:
    survivor = node(ME, content=DATA, **wired(ME, OLD))
    assert survivor.slave is not None
    assert survivor.slave.master_uuid == PEER  # as 5.6 shows it once the IO thread connected
    assert not survivor.follows(node(PEER))


def test_coordinates_that_the_peer_has_purged_are_refused() -> None:
    peer = node(PEER, origin=born(PEER, ME), logs=frozenset({"bin.000009"}))
    decision = decide_follow(node(ME, origin=born(ME, PEER), content=DATA), peer)
    assert isinstance(decision, Refusal)
    assert decision.case == "coordinates purged"


def test_a_copy_reads_on_from_where_it_was_taken_and_its_source_from_the_copy() -> None:
    copy, source = node(ME, origin=copied(ME, PEER)), node(PEER, content=DATA)
    assert where_to_read(copy, source) == THEIRS
    assert where_to_read(source, copy) == MINE
