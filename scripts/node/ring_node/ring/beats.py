"""Whether rows travel both ways, by the heartbeats, for who has a session on both servers.

No clock is compared, neither of the hosts' with each other nor with the time in a row: a heartbeat
is fresh when its row was seen to change, and when by then its writer had not beaten much oftener
than the reader had got.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..base.waiting import Deadline, poll
from ..mysql.sql import Session
from . import schema

BEHIND_BEATS = 5  # a beat a second
PAUSE = 0.1


@dataclass(frozen=True)
class Way:
    """The heartbeat row of one node as the other one's server has it."""

    changed: bool  # since the watch began
    behind: int  # beats that its writer has done and the reader has not; below zero: set back

    @property
    def fresh(self) -> bool:
        return self.changed and 0 <= self.behind < BEHIND_BEATS

    def __str__(self) -> str:
        if not self.changed:
            return "does not change"
        return f"is {self.behind} beats behind" if self.behind >= 0 else "is ahead of its writer's"


@dataclass(frozen=True)
class Ways:
    peer_here: Way
    own_there: Way

    @property
    def fresh(self) -> bool:
        return self.peer_here.fresh and self.own_there.fresh

    def __str__(self) -> str:
        return (
            f"the peer's heartbeat here {self.peer_here}, this node's heartbeat there "
            f"{self.own_there}"
        )


class Watch:
    """Begins when it is made: what it tells is since then."""

    def __init__(self, own: Session, other: Session, own_id: int, peer_id: int) -> None:
        self._own, self._other = own, other
        self._own_id, self._peer_id = own_id, peer_id
        self._peer_here = schema.generation(own, peer_id)
        self._own_there = schema.generation(other, own_id)

    def look(self) -> Ways:
        return Ways(
            _way(self._own, self._other, self._peer_id, self._peer_here),
            _way(self._other, self._own, self._own_id, self._own_there),
        )

    def until_fresh(self, seconds: float) -> Ways:
        """What is seen when both are fresh, or after `seconds`."""

        def fresh() -> Ways | None:
            ways = self.look()
            return ways if ways.fresh else None

        return poll(fresh, Deadline(seconds), longest_pause=PAUSE) or self.look()


def _way(reader: Session, writer: Session, writer_id: int, first: int) -> Way:
    got = schema.generation(reader, writer_id)  # before the writer's, or it could seem ahead
    return Way(got != first, schema.generation(writer, writer_id) - got)
