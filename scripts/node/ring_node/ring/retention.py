"""Which of a server's binary logs may go. Pure: what is known in, one verdict out.

A log goes when it is safe in the bucket, old enough, and nobody reads on from it or from before it.
MySQL purges from the oldest on, so the first one that stays keeps all behind it. At a disk that is
critically full a log that is safe in the bucket goes although it is young, or although a peer that
reads nothing has not read it: that peer is copied when it is back. Nothing else ever goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..mysql.shows import Coordinates
from . import join
from .join import State

# Of the volume: less than that is not worth the copy of a peer that has not read it, until half of
# the room is gone that a critically full disk has.
UNREAD_PART = 0.01
LATE_SECONDS = 3 * 3600.0  # beyond what the settings say, until somebody should look


class Why(Enum):
    """Why a log stays."""

    OPEN = "it is being written"
    COPY = "a copy is running"
    NOT_SAFE = "it is not safe in the bucket"
    READ = "somebody reads on from there"
    YOUNG = "it is kept for keepBinlogHours"


@dataclass(frozen=True)
class Log:
    name: str
    bytes: int
    closed: float | None  # seconds ago; None: not known

    @property
    def number(self) -> int:
        return Coordinates(self.name, 0).order[0]


@dataclass(frozen=True)
class Need:
    """A place that somebody reads on from. `place` None: not known, so it may be any.
    `yields`: nobody reads now, so it counts less than a disk that is critically full."""

    place: Coordinates | None
    why: str
    yields: bool

    def has(self, log: Log) -> bool:
        return self.place is None or log.number >= self.place.order[0]


@dataclass(frozen=True)
class Disk:
    """Of the data volume: what is used of it, and from how many percent on somebody is told
    (`warn`), and logs go before their time (`critical`)."""

    used: int
    size: int
    warn: int
    critical: int

    def percent(self, freed: int = 0) -> float:
        return 100.0 * (self.used - freed) / self.size

    @property
    def critically_full(self) -> bool:
        return self.percent() >= self.critical


@dataclass(frozen=True)
class Facts:
    """`logs`: of SHOW BINARY LOGS, the last one is open. `safe`: names of those that were verified
    in the bucket as of this very server; `silent_bucket`: why that is not known. `copying`: what
    keeps every log for now: a copy or a backup that runs."""

    logs: tuple[Log, ...]
    safe: frozenset[str]
    needs: tuple[Need, ...]
    keep_seconds: float
    disk: Disk
    copying: str | None = None
    silent_bucket: str | None = None


@dataclass(frozen=True)
class Held:
    """The first log that stays. All behind it stay as well."""

    log: Log
    why: Why
    text: str
    late: bool  # longer than the settings say


@dataclass(frozen=True)
class Verdict:
    """`goes`: from the oldest on. `given_up`: those of them that the peer has not read."""

    goes: tuple[Log, ...]
    given_up: tuple[Log, ...]
    held: Held | None

    @property
    def purge_to(self) -> str | None:
        """For PURGE BINARY LOGS TO, which keeps that one. None: nothing goes."""
        return self.held.log.name if self.goes and self.held else None


def retention(facts: Facts) -> Verdict:
    goes: list[Log] = []
    given_up: list[Log] = []
    freed, worth = 0, _unread_is_worth_it(facts)
    for log in facts.logs:
        why, text, yields = _stays(facts, log)
        if why is not None:
            full = facts.disk.critically_full and facts.disk.percent(freed) >= facts.disk.warn
            if not (yields and full and (why is not Why.READ or worth)):
                late = log.closed is not None and log.closed > facts.keep_seconds + LATE_SECONDS
                held = Held(log, why, text, late and why is not Why.OPEN)
                return Verdict(tuple(goes), tuple(given_up), held)
            if why is Why.READ:
                given_up.append(log)
        goes.append(log)
        freed += log.bytes
    return Verdict((), (), None)  # a server without a binary log


def needs(me: State, peer: State | None, silent: str) -> tuple[Need, ...]:
    """From where on the peer reads `me`, as it says itself. `silent`: why it could not be asked."""
    if peer is None:
        return (Need(None, f"the peer cannot be asked: {silent}", yields=True),)
    if peer.follows(me):
        assert peer.slave is not None
        assert peer.own_source is not None
        executed = peer.slave.executed
        place = executed if executed.file else peer.own_source.coordinates
        runs = peer.slave.both_run
        state = "" if runs else ", and its slave does not run"
        return (Need(place, f"{peer.name} has executed {place}{state}", yields=not runs),)
    place = join.where_to_read(peer, me)
    if place is None:
        return (Need(None, f"{peer.name} does not follow {me.name}", yields=True),)
    return (Need(place, f"{peer.name} is to follow from {place}", yields=True),)


def _unread_is_worth_it(facts: Facts) -> bool:
    disk = facts.disk
    unread = sum(
        log.bytes
        for log in facts.logs[:-1]
        if log.name in facts.safe and any(need.has(log) for need in facts.needs)
    )
    return unread >= UNREAD_PART * disk.size or disk.percent() >= (disk.critical + 100) / 2


def _stays(facts: Facts, log: Log) -> tuple[Why | None, str, bool]:
    """Why that log stays, if it does, and whether that yields to a disk that is full."""
    if log is facts.logs[-1]:
        return Why.OPEN, "it is being written", False
    if facts.copying is not None:
        return Why.COPY, facts.copying, False
    if log.name not in facts.safe:
        silent = facts.silent_bucket
        return Why.NOT_SAFE, f"{Why.NOT_SAFE.value}" + (f": {silent}" if silent else ""), False
    wanting = [need for need in facts.needs if need.has(log)]
    if wanting:
        strongest = min(wanting, key=lambda need: need.yields)
        return Why.READ, strongest.why, strongest.yields
    if log.closed is None or log.closed < facts.keep_seconds:
        return Why.YOUNG, Why.YOUNG.value, True
    return None, "", False
