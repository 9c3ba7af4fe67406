"""Whether a server was set back in time, told by what its peer has seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from ring_node.mysql.shows import Coordinates
from ring_node.mysql.sql import Session
from ring_node.ring import schema
from ring_node.ring.generation import Held, Seen, ahead, set_back
from ring_node.ring.join import Refusal, decide_follow, decide_seed
from states import ME, OLD, PEER, born, copied, copying, node, wired

pytestmark = pytest.mark.unit

END = Coordinates("bin.000007", 900)
HELD = Held(ME, 100, END, {"bin.000006": 500, "bin.000007": 900})
SEEN = Seen(ME, 100, END, END, ME)

SOUND = {
    "the peer has seen all": SEEN,
    "the peer is behind": Seen(ME, 40, Coordinates("bin.000006", 300), None, ME),
    "the peer has read nothing yet": Seen(ME, 0),
    "the peer has not met this server since its own start": replace(SEEN, master_uuid=""),
    "a slave that followed a former incarnation, far ahead": replace(
        SEEN, follows=OLD, generation=9000, read=Coordinates("bin.000099", 4)
    ),
    "a peer that follows nobody": Seen(None, 9000, Coordinates("bin.000099", 4)),
    "coordinates of a former incarnation beside a new master": Seen(
        ME, 100, Coordinates("bin.000099", 4), None, OLD
    ),
    "a large transaction that a crash cut off the end of a former log": replace(
        SEEN, read=Coordinates("bin.000006", 800), executed=Coordinates("bin.000006", 500)
    ),
    "a log that was purged here": replace(
        SEEN, read=Coordinates("bin.000002", 800), executed=Coordinates("bin.000002", 800)
    ),
}
JOINED = replace(HELD, joined=True)
FORMER = replace(SEEN, follows=OLD, generation=101, read=Coordinates("bin.000099", 4))
AHEAD = {
    "the peer has had later beats": (replace(SEEN, generation=101), "of generation 100"),
    "the peer has read a later log": (
        replace(SEEN, read=Coordinates("bin.000008", 4)),
        "ends at bin.000007:900",
    ),
    "the peer has read more of this log": (
        replace(SEEN, read=Coordinates("bin.000007", 901)),
        "read to bin.000007:901",
    ),
    "the peer has applied more of a former log": (
        replace(SEEN, executed=Coordinates("bin.000006", 501)),
        "its bin.000006 ends at 500",
    ),
    "the number of the peer's log has one digit more": (
        replace(SEEN, read=Coordinates("bin.1000000", 4)),
        "read to bin.1000000:4",
    ),
    "the row of this node is not there": (replace(SEEN, generation=1), "of generation 0"),
}


@pytest.mark.parametrize("seen", SOUND.values(), ids=SOUND)
def test_a_server_that_holds_what_its_peer_has_seen_was_not_set_back(seen: Seen) -> None:
    assert ahead(HELD, seen) is None


@pytest.mark.parametrize(("seen", "said"), AHEAD.values(), ids=AHEAD)
def test_a_peer_that_has_seen_more_tells_that_the_server_was_set_back(
    seen: Seen, said: str
) -> None:
    held = replace(HELD, generation=0) if "generation 0" in said else HELD
    found = ahead(held, seen)
    assert found is not None
    assert said in found


@pytest.mark.parametrize(
    ("held", "seen", "older"),
    [
        (JOINED, FORMER, True),
        (JOINED, replace(FORMER, follows=None), True),
        (HELD, FORMER, False),  # it is new, and the peer has not left the one before
        (JOINED, replace(FORMER, generation=100), False),  # it has copied what the peer had
    ],
)
def test_a_server_that_a_later_one_has_taken_the_place_of_is_told_once_it_has_joined(
    held: Held, seen: Seen, older: bool
) -> None:
    said = ahead(held, seen)
    assert (said is not None and "from a later server in its place" in said) is older


def test_a_log_whose_number_has_a_digit_more_is_the_later_one() -> None:
    held = replace(HELD, end=Coordinates("bin.1000000", 120), logs={"bin.1000000": 120})
    assert ahead(held, replace(SEEN, read=Coordinates("bin.999999", 9000))) is None


def test_a_server_without_a_binary_log_is_told_by_its_heartbeat_alone() -> None:
    held = Held(ME, 100, None)
    assert ahead(held, replace(SEEN, read=Coordinates("bin.000099", 4))) is None
    assert ahead(held, replace(SEEN, generation=101)) is not None


class Server:
    """A server that answers what the question is made of, and says when it was asked."""

    def __init__(self, uuid: str, generations: dict[int, int], asked: list[str]) -> None:
        self.uuid = uuid
        self.generations = generations
        self.source: dict[str, Any] | None = None
        self.slave: dict[str, Any] | None = None
        self.has_schema = True
        self.asked = asked

    def row(self, statement: str, _parameters: Any = ()) -> dict[str, Any] | None:
        self.asked.append(self.uuid)
        if statement == schema.READ_SOURCE:
            return self.source
        if statement == "SHOW SLAVE STATUS":
            return self.slave
        if statement == "SHOW MASTER STATUS":
            return {"File": END.file, "Position": END.offset}
        assert "@@server_uuid" in statement
        return {"uuid": self.uuid, "id": 1, "version": "", "have_ssl": "", "read_only": 0}

    def rows(self, statement: str) -> list[dict[str, Any]]:
        assert statement == "SHOW BINARY LOGS"
        return [{"Log_name": END.file, "File_size": END.offset}]

    def value(self, statement: str, parameters: Any = ()) -> Any:
        self.asked.append(self.uuid)
        if statement == schema.TABLES:
            return 4 if self.has_schema else 0
        assert statement == schema.GENERATION
        return self.generations.get(parameters[0])


def source(uuid: str, peer: str, state: str = "wired") -> dict[str, Any]:
    return {
        "server_uuid": uuid, "peer_uuid": peer, "state": state,
        "log_file": "bin.000001", "log_pos": 120,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("own_source", "peers_source", "found"),
    [
        (None, source(PEER, ME), "has had 240 from it"),
        (None, source(PEER, OLD), None),
        (None, source(OLD, ME), None),  # it came with a copy of another server's data
        (None, None, None),
        (source(ME, PEER), source(PEER, OLD), "has had 240 from a later server"),
        (source(ME, OLD), source(PEER, OLD), None),
        (source(OLD, PEER), source(PEER, OLD), None),
        (source(ME, PEER, "wiring"), source(PEER, OLD), None),
    ],
)
def test_a_peer_is_believed_that_was_pointed_at_this_incarnation_or_that_this_one_has_joined(
    own_source: dict[str, Any] | None, peers_source: dict[str, Any] | None, found: str | None
) -> None:
    asked: list[str] = []
    own, other = Server(ME, {1: 100, 2: 7}, asked), Server(PEER, {1: 240, 2: 7}, asked)
    own.source, other.source = own_source, peers_source
    said = set_back(cast(Session, own), cast(Session, other), 1)
    assert (said is None) if found is None else (said is not None and found in said)
    last_of_peer = max(at for at, who in enumerate(asked) if who == PEER)
    reads_of_own = [at for at, who in enumerate(asked) if who == ME][1:]  # but for its schema
    assert min(reads_of_own) > last_of_peer, "what is read first may be overtaken meanwhile"


def test_a_node_that_was_set_back_is_refused_on_both_sides_with_the_way_out() -> None:
    old = node(PEER, set_back="it is a day old", origin=born(PEER, ME), **wired(PEER, ME))
    sound = node(ME, content=("base table app.t",), origin=born(ME, PEER), **wired(ME, PEER))
    for me, peer in ((old, sound), (sound, old)):
        for decision in (decide_seed(me, peer), decide_follow(me, peer)):
            assert isinstance(decision, Refusal)
            assert decision.case == "set back in time"
            assert "node-2 was set back in time: it is a day old" in decision.found
            assert "on node-2: `sudo ring-node rejoin --discard node-2`" in decision.next_step
            assert "then on node-1: `sudo ring-node rejoin`" in decision.next_step


def test_a_node_that_gives_up_what_it_holds_may_have_been_set_back() -> None:
    old = node(PEER, set_back="it is a day old", origin=copying(PEER, ME))
    sound = node(ME, content=("base table app.t",), origin=copied(ME, OLD, "ready"))
    assert not isinstance(decide_seed(old, sound), Refusal)
    assert not isinstance(decide_seed(sound, old), Refusal)


def test_nothing_is_compared_with_a_server_that_has_no_schema_of_the_ring() -> None:
    asked: list[str] = []
    own, other = Server(ME, {1: 1}, asked), Server(PEER, {1: 9}, asked)
    other.has_schema = False
    assert set_back(cast(Session, own), cast(Session, other), 1) is None


def test_what_takes_a_nodes_place_begins_beyond_all_that_the_one_before_can_have_beaten() -> None:
    raised: list[int] = []

    class Taking:
        @contextmanager
        def unlogged(self) -> Iterator[None]:
            yield

        def do(self, statement: str, parameters: list[int]) -> None:
            assert statement == schema.RAISE
            raised.append(parameters[0])

    for known in (0, 240):
        schema.go_on_from(cast(Session, Taking()), 1, known)
    a_century = 100 * 366 * 86400
    assert raised[0] == 0, "there was none before"
    assert raised[1] > 240 + a_century


def test_the_beat_raises_the_generation_in_the_same_statement() -> None:
    assert "generation = generation + 1" in schema.BEAT
