"""How two servers become a ring and stay one. Pure decisions: state in, one named outcome out.

Each node decides for itself, from its own state and its peer's. Nothing is guessed: a node
follows its peer only from coordinates that somebody wrote down while they were true.

- A node is born behind a closed gate, and read-only. It is admitted when it has joined, so what one
  that is not admitted holds came from this tool.
- `origin` of a node says from where on in its binary log its peer must read, and for which
  incarnation (server_uuid) of the peer that holds.
- `source` of a node says which incarnation of the peer its own slave was pointed at. SHOW SLAVE
  STATUS cannot say that: after the peer was replaced it shows the new Master_UUID beside
  coordinates that belong to the old one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..mysql.shows import Coordinates, SlaveStatus
from .schema import Origin, Source


@dataclass(frozen=True)
class State:
    """What one node knows of itself, or of its peer through the peer's server."""

    name: str
    uuid: str
    server_id: int
    content: tuple[str, ...]  # some of its users' tables, routines, events; empty when none
    origin: Origin | None
    source: Source | None
    slave: SlaveStatus | None
    logs: frozenset[str]  # names of the binary logs that it still has
    set_back: str | None = None  # why its data is older than what its peer has seen of it

    @property
    def empty(self) -> bool:
        return not self.content

    @property
    def own_origin(self) -> Origin | None:
        """The origin, unless this data directory came from another server."""
        return self.origin if self.origin and self.origin.server_uuid == self.uuid else None

    @property
    def own_source(self) -> Source | None:
        return self.source if self.source and self.source.server_uuid == self.uuid else None

    @property
    def copying(self) -> bool:
        return self.own_origin is not None and self.own_origin.state == "copying"

    @property
    def copied(self) -> bool:
        """A whole copy of somebody that nothing has been added to yet."""
        return self.own_origin is not None and self.own_origin.state == "copied"

    def follows(self, other: State) -> bool:
        """Whether this node's slave reads this very incarnation of `other`."""
        source = self.own_source
        return self.slave is not None and source is not None and source.peer_uuid == other.uuid

    def follows_former(self, other: State) -> bool:
        """Whether this node's slave reads an earlier incarnation of `other`."""
        known = self.slave is not None and self.own_source is not None
        return known and not self.follows(other)

    def lost_slave(self, other: State) -> bool:
        """It was following `other`, and somebody removed its slave's configuration."""
        source = self.own_source
        return (
            self.slave is None
            and source is not None
            and (source.peer_uuid, source.state) == (other.uuid, "wired")
        )

    @property
    def foreign_slave(self) -> bool:
        """A slave that this tool did not configure."""
        return self.slave is not None and self.own_source is None

    def describe(self) -> str:
        what = f"holds {', '.join(self.content[:3])}" if self.content else "is empty"
        origin = self.own_origin
        return f"{self.name} ({self.uuid[:8]}) {what}" + (f", {origin.state}" if origin else "")


class Seed(Enum):
    """What `seed` does."""

    JOINED = "follows its peer already"
    READY = "its start in the ring is written down already"
    BEGIN = "both are empty: write down where the peer must begin to read"
    COPY = "empty beside data: copy the peer"
    COPY_AGAIN = "an interrupted or outdated copy: drop it and copy the peer again"
    SERVE = "what it holds is wanted: let the peer copy it"


class Follow(Enum):
    """What `replicate` does."""

    KEEP = "follows its peer already"
    BEGIN = "follow the peer from the coordinates that were written down"
    WAIT = "the peer's coordinates are not written down yet"


@dataclass(frozen=True)
class Refusal:
    """Why nothing may be done, and what resolves it."""

    case: str
    found: str
    expected: str
    next_step: str


def discarding(node: str, other: str) -> str:
    """The next step that makes `node` give up what it holds and copy the other one."""
    return (
        f"on {node}: `sudo ring-node rejoin --discard {node}`; then on {other}: "
        "`sudo ring-node rejoin`"
    )


def discarding_either(me: State, peer: State) -> str:
    """The same, where somebody must say whose data is not wanted."""
    return (
        f"decide whose data is not wanted; if it is {me.name}'s, {discarding(me.name, peer.name)}; "
        f"if it is {peer.name}'s, {discarding(peer.name, me.name)}"
    )


def decide_seed(me: State, peer: State) -> Seed | Refusal:
    refusal = _impossible(me, peer)
    if refusal:
        return refusal
    if me.follows(peer) and not me.copying:
        return Seed.JOINED
    if me.copying or me.copied:
        return _continue_copy(me, peer)
    if me.empty:
        return _begin_empty(me, peer)
    return _begin_with_data(me, peer)


@dataclass(frozen=True)
class GivenUp:
    """What the server says whose data is given up, before it is. One that cannot be asked is taken
    to hold something."""

    holds: bool = True
    peer_set_back: str | None = None  # why the peer's data is older than what this one has seen
    generation: int = 0  # of its own heartbeat
    unasked: str = ""  # why it cannot be asked


def decide_discard(
    name: str, own: GivenUp, peer: State, though_behind: str | None
) -> Refusal | None:
    """Whether a node may give up what it holds for what the peer holds: not for nothing, and not
    for what is older or may be, unless the peer is named for that."""
    named = f"`sudo ring-node rejoin --discard {name} --though-behind {peer.name}`"
    if peer.copying:
        return Refusal(
            "nothing to copy",
            f"{peer.name} is a copy that was begun and is not whole",
            "a peer that holds the data",
            f"let {peer.name} become whole first (`sudo ring-node rejoin` there)",
        )
    if peer.empty and own.holds:
        return Refusal(
            "nothing to copy",
            f"{peer.describe()}: {name} would give up what it holds for nothing",
            "a peer that holds the data",
            f"if it is {peer.name} that should discard: {discarding(peer.name, name)}",
        )
    if though_behind == peer.name:
        return None
    if own.unasked:
        return Refusal(
            "own server not asked",
            f"{name}'s server cannot be asked whether {peer.name} was set back in time: "
            f"{own.unasked}",
            f"its word that {peer.name} holds all that {name} has seen of it",
            f"bring {name}'s server up, then run this again; if what {peer.name} holds is wanted, "
            f"though what {name} holds may be newer and would be lost, on {name}: {named}",
        )
    if own.peer_set_back:
        return Refusal(
            "set back in time",
            f"{peer.name} was set back in time: {own.peer_set_back}; {name} holds what is newer",
            f"a peer that holds all that {name} has seen of it",
            f"{discarding(peer.name, name)}; if the older data is wanted on both, on {name}: "
            f"{named}",
        )
    return None


def decide_follow(me: State, peer: State) -> Follow | Refusal:
    """Nothing is followed that `seed` would not call ready."""
    refusal = _impossible(me, peer)
    if refusal:
        return refusal
    if me.follows(peer):
        return Follow.KEEP
    seed = decide_seed(me, peer)
    if isinstance(seed, Refusal):
        return seed
    coordinates = where_to_read(me, peer)
    if seed is not Seed.READY or coordinates is None:
        return Follow.WAIT
    if coordinates.file not in peer.logs:
        return _purged(me, peer, coordinates)
    return Follow.BEGIN


def where_to_read(me: State, peer: State) -> Coordinates | None:
    """Where `me` must begin to read the peer's binary log: everything before it has."""
    own, other = me.own_origin, peer.own_origin
    if own and own.basis == "copied" and own.state != "copying" and own.peer_uuid == peer.uuid:
        return own.copied_at
    if other and other.state != "copying" and other.peer_uuid == me.uuid:
        return other.coordinates
    return None


def _impossible(me: State, peer: State) -> Refusal | None:
    if me.uuid == peer.uuid:
        return Refusal(
            "same uuid",
            f"{me.name} and {peer.name} have the same server_uuid {me.uuid}",
            "two servers of their own",
            "one is a clone: stop its server, remove auto.cnf from its data directory and start "
            f"it; then, if that is {me.name}, {discarding(me.name, peer.name)}",
        )
    if me.server_id == peer.server_id:
        return Refusal(
            "same server id",
            f"{me.name} and {peer.name} both run with server_id {me.server_id}",
            "different ones",
            "correct the server ids in the settings",
        )
    if me.foreign_slave and me.slave is not None:
        return Refusal(
            "foreign slave",
            f"{me.name} is a slave of {me.slave.host}, and this tool did not make it one",
            "no slave configuration, or the ring's own",
            "if it is not wanted: STOP SLAVE; RESET SLAVE ALL; then run this again",
        )
    if me.lost_slave(peer):
        return Refusal(
            "lost slave",
            f"{me.name} was following {peer.name} and its slave configuration has been removed",
            "SHOW SLAVE STATUS naming the peer",
            f"where it stopped is not known: {discarding_either(me, peer)}",
        )
    for old, other in ((me, peer), (peer, me)):
        if old.set_back and not old.copying:  # which gives up what it holds
            return Refusal(
                "set back in time",
                f"{old.name} was set back in time: {old.set_back}",
                f"all that {other.name} has seen of it",
                discarding(old.name, other.name),
            )
    return None


def _continue_copy(me: State, peer: State) -> Seed | Refusal:
    """A copy was begun: nothing but the copy is on this node: it was not admitted."""
    origin = me.own_origin
    assert origin is not None
    same_source = origin.peer_uuid == peer.uuid
    if me.copied and same_source:
        at = origin.copied_at
        return Seed.READY if at is not None and at.file in peer.logs else Seed.COPY_AGAIN
    if me.copied:  # the server that was copied is gone: the copy is the data now
        if _copies(peer, me) and not peer.copying:
            return Seed.READY
        return Seed.SERVE if peer.empty or peer.copying else _both_hold_data(me, peer)
    if peer.copying or (peer.empty and not same_source):
        return _source_lost(me, peer)
    return Seed.COPY_AGAIN


def _begin_empty(me: State, peer: State) -> Seed | Refusal:
    if peer.copying:  # what it copies may have become empty meanwhile
        return Seed.SERVE if _copies(peer, me) else _source_lost(me, peer)
    if peer.empty:
        return Seed.READY if _paired(me, peer) else Seed.BEGIN
    if _serves_from_its_birth(peer, me):
        return Seed.READY if _paired(me, peer) else Seed.BEGIN
    return Seed.COPY


def _begin_with_data(me: State, peer: State) -> Seed | Refusal:
    if where_to_read(peer, me) is not None and where_to_read(me, peer) is not None:
        return Seed.READY
    if peer.empty or peer.copying or _copies(peer, me):
        return Seed.SERVE
    return _both_hold_data(me, peer)


def _copies(one: State, other: State) -> bool:
    """Whether `one` is, or was last, a copy of `other`."""
    origin = one.own_origin
    return origin is not None and (origin.basis, origin.peer_uuid) == ("copied", other.uuid)


def _both_hold_data(me: State, peer: State) -> Refusal:
    return Refusal(
        "both hold data",
        f"{me.describe()}; {peer.describe()}; they are not one ring",
        "one empty node, or two that were wired",
        discarding_either(me, peer),
    )


def _source_lost(me: State, peer: State) -> Refusal:
    return Refusal(
        "source lost",
        f"{me.describe()}; {peer.describe()}: what is being copied is nowhere whole",
        "the server that was being copied, with its data",
        "bring that server back; if it is lost, restore a backup on the node that copies nothing, "
        "or leave that empty, and let the other one discard what it holds (`sudo ring-node rejoin "
        "--discard` with its own name there)",
    )


def _paired(me: State, peer: State) -> bool:
    origin = me.own_origin
    return origin is not None and origin.state == "ready" and origin.peer_uuid == peer.uuid


def _serves_from_its_birth(peer: State, me: State) -> bool:
    """Everything the peer holds is in its binary log, from the coordinates it wrote for `me`."""
    origin = peer.own_origin
    return (
        origin is not None
        and (origin.state, origin.basis, origin.peer_uuid) == ("ready", "empty", me.uuid)
        and origin.coordinates is not None
        and origin.coordinates.file in peer.logs
    )


def _purged(me: State, peer: State, coordinates: Coordinates) -> Refusal:
    return Refusal(
        "coordinates purged",
        f"{peer.name} no longer has {coordinates.file}, from where {me.name} must read",
        "that binary log",
        f"{me.describe()}; {peer.describe()}; {discarding_either(me, peer)}",
    )
