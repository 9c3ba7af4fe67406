"""Whether the heartbeats come over, whatever the clocks of the hosts say."""

from __future__ import annotations

from typing import Any

import pytest
from ring_node.ring import schema
from ring_node.ring.beats import BEHIND_BEATS, Watch, Way, Ways

pytestmark = pytest.mark.unit

OWN, PEER = 1, 2
FRESH = Way(True, 0)


@pytest.mark.parametrize(
    ("way", "fresh"),
    [
        (Way(True, 0), True),
        (Way(True, BEHIND_BEATS - 1), True),
        (Way(True, BEHIND_BEATS), False),  # it comes, but an hour's worth may be on its way
        (Way(False, 0), False),
        (Way(True, -1), False),
    ],
)
def test_a_heartbeat_is_fresh_that_changes_and_is_not_far_behind_its_writer(
    way: Way, fresh: bool
) -> None:
    assert Ways(way, FRESH).fresh is fresh
    assert Ways(FRESH, way).fresh is fresh


class Server:
    """A server whose rows are what the test says. Each look at its own row is a beat."""

    def __init__(self, own_id: int, rows: dict[int, int]) -> None:
        self.own_id, self.rows = own_id, rows
        self.peer: Server | None = None
        self.sends = True

    def value(self, statement: str, parameters: Any = ()) -> Any:
        assert statement == schema.GENERATION, "no other clock or row is asked"
        (asked,) = parameters
        if asked == self.own_id:
            self.rows[asked] += 1
            if self.peer is not None and self.sends:
                self.peer.rows[asked] = self.rows[asked]
        return self.rows.get(asked)


def pair() -> tuple[Any, Any]:
    here, there = Server(OWN, {OWN: 10, PEER: 70}), Server(PEER, {OWN: 10, PEER: 70})
    here.peer, there.peer = there, here
    return here, there


def test_both_heartbeats_that_come_over_are_fresh() -> None:
    here, there = pair()
    assert Watch(here, there, OWN, PEER).until_fresh(5).fresh


def test_a_way_that_is_cut_is_not_fresh_and_says_which() -> None:
    here, there = pair()
    there.sends = False
    ways = Watch(here, there, OWN, PEER).until_fresh(0.05)
    assert not ways.fresh
    assert str(ways).startswith("the peer's heartbeat here does not change, this node's")


def test_a_slave_that_catches_up_changes_and_is_not_fresh_yet() -> None:
    here, there = pair()
    here.rows[PEER] = 7
    watch = Watch(here, there, OWN, PEER)
    there.sends = False
    here.rows[PEER] = 9
    ways = watch.look()
    assert ways.peer_here.changed
    assert not ways.fresh
    assert "beats behind" in str(ways.peer_here)


def test_a_node_without_a_row_of_its_peer_has_nothing_fresh() -> None:
    here, there = pair()
    there.sends = False
    del here.rows[PEER]
    assert not Watch(here, there, OWN, PEER).until_fresh(0.05).fresh
