"""Whether a server was set back in time: whether its peer has seen more of it than it holds.

A volume that was restored from a snapshot brings server_uuid, slave and log names of then along, so
a server on it passes for one that follows its peer. But it would never get back what it lost: the
peer has those events with this server's id, and the slave here skips its own. Two things tell:

- generation: each beat raises the one in the node's own heartbeat row, which travels to the peer.
  A peer whose copy of the row is ahead of the row itself has applied what is not here.
- the end of the binary log: a slave cannot have read beyond it, nor applied more of a log than
  there is of it.

The log's end holds only for a peer whose slave was pointed at this very incarnation (server_uuid):
its `source` row says so. The generation holds besides for a server that follows the peer while that
follows another one: each that takes a node's place begins far beyond what the peer knew of the one
before, so a peer that has had more has followed a later one. Such a server is on a volume that the
node had before. Of one that has not joined, what a peer has of a former one says nothing.

A server that was set back catches up with the generation by beating, so it must be asked before its
first beat after a start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..mysql import shows
from ..mysql.shows import Coordinates
from ..mysql.sql import Session
from . import schema


@dataclass(frozen=True)
class Held:
    """What a server has of itself."""

    uuid: str
    generation: int
    end: Coordinates | None  # of its binary log; None: it writes none
    logs: Mapping[str, int] = field(default_factory=dict[str, int])  # name and size of each
    joined: bool = False  # it follows that very peer, and has joined it


@dataclass(frozen=True)
class Seen:
    """What its peer has of it."""

    follows: str | None  # server_uuid that the peer's slave was pointed at
    generation: int
    read: Coordinates | None = None  # how far the peer's slave has read
    executed: Coordinates | None = None  # how far it has applied what it read
    master_uuid: str = ""  # server_uuid that the slave has met last; empty: none yet


def ahead(held: Held, seen: Seen) -> str | None:
    """Why the peer has seen more than the server holds; None when it has not."""
    if seen.follows != held.uuid:
        if held.joined and seen.generation > held.generation:
            return (
                f"its heartbeat is of generation {held.generation}, and its peer has had "
                f"{seen.generation} from a later server in its place"
            )
        return None
    if seen.generation > held.generation:
        return (
            f"its heartbeat is of generation {held.generation}, and its peer has had "
            f"{seen.generation} from it"
        )
    if held.end is None or seen.read is None or seen.master_uuid not in ("", held.uuid):
        return None
    if seen.read.order > held.end.order:
        return f"its binary log ends at {held.end}, and its peer has read to {seen.read} in it"
    if seen.executed is None:
        return None
    # Not what was read: a crash in the middle of a large transaction cuts it off a log's end.
    size = held.logs.get(seen.executed.file, seen.executed.offset)
    if seen.executed.offset > size:
        return (
            f"its {seen.executed.file} ends at {size}, and its peer has applied it to "
            f"{seen.executed.offset}"
        )
    return None


def set_back(own: Session, other: Session, own_id: int) -> str | None:
    """Why the data of the server `own` is older than what `other`, its peer, has seen of it.

    None: it is not, or nothing tells. `own_id` is the server_id of `own`. Read from the peer first:
    what a server has of itself only grows.
    """
    if not schema.exists(own) or not schema.exists(other):
        return None
    peer = shows.identity(other).uuid
    seen = _seen(other, peer, own_id)
    uuid, source = shows.identity(own).uuid, schema.read_source(own)
    held = Held(
        uuid,
        schema.generation(own, own_id),
        shows.show_master_status(own),
        shows.show_binary_logs(own),
        source is not None
        and (source.server_uuid, source.peer_uuid, source.state) == (uuid, peer, "wired"),
    )
    return ahead(held, seen)


def _seen(other: Session, uuid: str, own_id: int) -> Seen:
    source, slave = schema.read_source(other), shows.show_slave_status(other)
    return Seen(
        source.peer_uuid if source is not None and source.server_uuid == uuid else None,
        schema.generation(other, own_id),
        slave.read if slave is not None and slave.read.file else None,
        slave.executed if slave is not None and slave.executed.file else None,
        slave.master_uuid if slave is not None else "",
    )
