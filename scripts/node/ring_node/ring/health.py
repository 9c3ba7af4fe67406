"""Whether rows travel both ways, by the heartbeat."""

from __future__ import annotations

from dataclasses import dataclass

from ..mysql.sql import Session
from . import schema

FRESH_SECONDS = 5.0  # the heartbeat beats every second


@dataclass(frozen=True)
class Ages:
    """Seconds since the newest row from the other side: clock difference and delay together."""

    peer_here: float | None
    own_there: float | None

    @property
    def fresh(self) -> bool:
        return all(
            age is not None and age < FRESH_SECONDS for age in (self.peer_here, self.own_there)
        )

    def __str__(self) -> str:
        here, there = _age(self.peer_here), _age(self.own_there)
        return f"the peer's row here {here}, this node's row there {there}"


def ages(own: Session, other: Session, own_id: int, peer_id: int) -> Ages:
    return Ages(schema.beat_age(own, peer_id), schema.beat_age(other, own_id))


def _age(seconds: float | None) -> str:
    return "has never come" if seconds is None else f"is {seconds:.1f} s old"
