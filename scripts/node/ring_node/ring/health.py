"""Whether rows travel both ways, by the heartbeat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..mysql.sql import Session
from . import schema

FRESH_SECONDS = 5.0  # the heartbeat beats every second


@dataclass(frozen=True)
class Ages:
    """Seconds since the newest row that came from the other side was written.

    By the clock of the node that wrote it: a difference of the hosts' clocks does not enter, so a
    clock that is ahead makes no row look new, and one that is behind makes none look old.
    """

    peer_here: float | None
    own_there: float | None

    @property
    def fresh(self) -> bool:
        return is_fresh(self.peer_here) and is_fresh(self.own_there)

    def __str__(self) -> str:
        here, there = _said(self.peer_here), _said(self.own_there)
        return f"the peer's row here {here}, this node's row there {there}"


def ages(own: Session, other: Session, own_id: int, peer_id: int) -> Ages:
    return Ages(_age(own, other, peer_id), _age(other, own, own_id))


def age(beat: datetime | None, now: datetime) -> float | None:
    """Seconds from a beat until `now`, both of one clock; None without a beat."""
    return None if beat is None else (now - beat).total_seconds()


def is_fresh(seconds: float | None) -> bool:
    """A row from the future is not: the clock that wrote it was set back, or is another one."""
    return seconds is not None and 0 <= seconds < FRESH_SECONDS


def _age(reader: Session, writer: Session, writer_id: int) -> float | None:
    beat = schema.beat(reader, writer_id)  # before the clock, or it could lie in its future
    return age(beat, schema.clock(writer))


def _said(seconds: float | None) -> str:
    return "has never come" if seconds is None else f"is {seconds:.1f} s old"
