"""What a heartbeat row says, whatever the clocks of the hosts say."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from ring_node.ring import health, schema
from ring_node.ring.health import Ages

pytestmark = pytest.mark.unit

NOON = datetime(2026, 1, 1, 12)
OWN, PEER = 1, 2


@pytest.mark.parametrize(
    ("seconds", "fresh"),
    [(None, False), (0.0, True), (1.2, True), (4.9, True), (5.0, False), (3600.0, False),
     (-0.001, False), (-3600.0, False)],
)  # fmt: skip
def test_a_row_is_fresh_that_is_young_and_not_from_the_future(
    seconds: float | None, fresh: bool
) -> None:
    assert Ages(seconds, 0.5).fresh is fresh
    assert Ages(0.5, seconds).fresh is fresh


class Server:
    """A server with a clock of its own, and the beats that it has got."""

    def __init__(self, ahead: timedelta, true_age: dict[int, float], clocks: dict[int, timedelta]):
        self.ahead = ahead
        self.beats = {
            server_id: NOON + clocks[server_id] - timedelta(seconds=age)
            for server_id, age in true_age.items()
        }

    def value(self, statement: str, parameters: Any = ()) -> Any:
        if statement == schema.CLOCK:
            return NOON + self.ahead
        assert statement == schema.READ_BEAT
        return self.beats.get(parameters[0])


@pytest.mark.parametrize("ahead", [-3600.0, -6.0, 0.0, 6.0, 3600.0])
@pytest.mark.parametrize(
    ("peer_here", "own_there", "fresh"),
    [(1.0, 1.0, True), (1800.0, 1.0, False), (1.0, 1800.0, False), (None, 1.0, False)],
    ids=["alive", "the peer is silent", "the way there is cut", "never"],
)
def test_a_clock_that_differs_makes_no_dead_peer_alive_and_no_living_one_dead(
    ahead: float, peer_here: float | None, own_there: float | None, fresh: bool
) -> None:
    clocks = {OWN: timedelta(0), PEER: timedelta(seconds=ahead)}
    come = {} if peer_here is None else {PEER: peer_here}
    here: Any = Server(clocks[OWN], come, clocks)
    there: Any = Server(clocks[PEER], {} if own_there is None else {OWN: own_there}, clocks)
    found = health.ages(here, there, OWN, PEER)
    assert found == Ages(peer_here, own_there)
    assert found.fresh is fresh
