"""What is taken of which binary log, so that each transaction up to a moment is there once.

A ring's server writes into its own log what it executes of the other one's, so the log of the
server that a backup is of, the trunk, is a history of both. What the trunk lacks at its end is in
the logs of the others, behind the last transaction of that origin that was taken: in each log the
transactions of one origin stand in the same order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..base.errors import NodeError, refused
from ..mysql.shows import Coordinates
from ..mysql.transactions import MASK, Transaction

# How many transactions of an origin are remembered, to find the place behind them in another log.
RECENT = 50_000
# For how long behind the moment, by its server's clock, a log is looked at for what came late.
LOOK_SECONDS = 3600
SHORT_SECONDS = 2
# How many logs before the likely one are looked at first.
BACK = 2


@dataclass(frozen=True)
class Log:
    """`first_time`, `last_time`: seconds UTC, the bounds of all its events. `read`: its
    transactions."""

    file: str
    first_time: int
    last_time: int
    read: Callable[[], Iterable[Transaction]]


@dataclass(frozen=True)
class Source:
    """A server's logs, without a gap. `name`: how errors call it. `start`: the place up to which
    the backup has all of the server's own; None: not known. `born`: it has its logs from its first
    one on, and had none before."""

    name: str
    server_id: int
    logs: Sequence[Log]
    start: Coordinates | None = None
    born: bool = False


@dataclass
class Part:
    """What is taken of one log: ranges of bytes. `first`: where its first transaction begins.
    `cut`: there may be more in the log."""

    source: Source
    log: Log
    first: int = 0
    cut: bool = False
    ranges: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def add(self, one: Transaction) -> None:
        if self.ranges and self.ranges[-1][1] == one.start:
            self.ranges[-1] = (self.ranges[-1][0], one.end)
        else:
            self.ranges.append((one.start, one.end))

    @property
    def is_beginning(self) -> bool:
        """Whether it is all of the log up to a place."""
        return len(self.ranges) == 1 and self.ranges[0][0] == self.first


class Name(NamedTuple):
    """Tells a transaction from those that look the same: it is the n-th of them."""

    sign: tuple[int, int, int, int]
    ordinal: int


class Numbers:
    """How many equal ones came before. Equal ones are of one second: old ones are forgotten."""

    def __init__(self) -> None:
        self._now: dict[tuple[int, int, int, int], int] = {}
        self._before: dict[tuple[int, int, int, int], int] = {}

    def of(self, one: Transaction) -> Name:
        sign = one.sign
        count = self._now.get(sign) or self._before.get(sign, 0)
        self._now[sign] = count + 1
        if len(self._now) > RECENT:
            self._now, self._before = {}, self._now
        return Name(sign, count + 1)


class Origin:
    """What is there of what one server wrote. `behind`: its first transaction behind the moment,
    so nothing is missing. `taken`: how many, beside what the backup holds."""

    def __init__(self, server_id: int) -> None:
        self.server_id = server_id
        self.behind: Transaction | None = None
        self.taken = 0
        self.last: Transaction | None = None
        self.last_log = ""
        self.recent: deque[tuple[Name, Transaction]] = deque(maxlen=RECENT)
        self._numbers = Numbers()

    @property
    def done(self) -> bool:
        return self.behind is not None

    def has(self, one: Transaction, log: str) -> None:
        self.last, self.last_log = one, log
        self.recent.append((self._numbers.of(one), one))

    def take(self, one: Transaction, log: str) -> None:
        self.has(one, log)
        self.taken += 1


class Known:
    """What is there of each origin. `until`: seconds UTC of the moment; None: all there is."""

    def __init__(self, ids: Iterable[int], until: int | None) -> None:
        self.until = until
        self.origins = {each: Origin(each) for each in ids}

    def origin(self, server_id: int) -> Origin:
        found = self.origins.get(server_id)
        if found is None:
            found = self.origins[server_id] = Origin(server_id)
        return found

    def later(self, one: Transaction) -> bool:
        return self.until is not None and one.time > self.until

    @property
    def open(self) -> list[Origin]:
        return [each for each in self.origins.values() if not each.done]


def trunk(
    known: Known, source: Source, start: Coordinates, end: Coordinates | None = None
) -> Iterator[Part]:
    """Of the log that the backup's own server wrote, from `start` on: what stands before its own
    last transaction up to the moment. `end`: take what stands before that place.

    When one of another origin was committed only the log of that tells: here it is as old as its
    last statement. But what was executed here before one of the server's own is older than that.
    """
    own = known.origin(source.server_id)
    exact = known.until is None or end is not None
    waiting: list[tuple[Part, Transaction]] = []  # for one of the server's own
    parts: list[Part] = []
    barred: set[int] = set()  # origins that are behind the moment

    def take() -> None:
        for part, one in waiting:
            known.origin(one.origin).take(one, part.log.file)
            part.add(one)
        waiting.clear()

    ended = False
    for log in source.logs:
        here = Coordinates(log.file, 0).order[0]
        part = Part(source, log)
        parts.append(part)
        ended = end is not None and here > end.order[0]
        for one in () if ended else log.read():
            part.first = part.first or one.start
            if log.file == start.file and one.start < start.offset:
                if one.end > start.offset:
                    raise _inside(log, start.offset)
                known.origin(one.origin).has(one, log.file)
                continue
            if end is not None and (here, one.end) > end.order:
                part.cut = ended = True
                break
            if known.later(one):
                if one.origin == own.server_id:
                    own.behind = one
                    part.cut = ended = True
                    break
                barred.add(one.origin)
            if one.origin in barred:
                part.cut = True
            else:
                waiting.append((part, one))
            if exact or one.origin == own.server_id or len(waiting) > RECENT:
                take()
        if ended:
            break
        if not waiting:
            yield from (each for each in parts if each.ranges)
            parts.clear()
    for part, _ in waiting:
        part.cut = True
    yield from (each for each in parts if each.ranges)


def others(known: Known, source: Source) -> Iterator[Part]:
    """Of another server's log: what it has of each origin behind what is there already."""
    wanted = known.open
    if not wanted or not source.logs:
        return
    starts = _starts(known, source, wanted)
    if not starts:
        return
    index = {log.file: place for place, log in enumerate(source.logs)}
    first = min(index.get(place.file, 0) for place in starts.values())
    left = {each.server_id: each for each in wanted if each.server_id in starts}
    for log in source.logs[first:]:
        number = Coordinates(log.file, 0).order[0]
        part = Part(source, log)
        for one in log.read():
            part.first = part.first or one.start
            if _far(known, source, one):
                left.clear()
                break
            origin = left.get(one.origin)
            if origin is None or (number, one.start) < starts[one.origin].order:
                continue
            if known.later(one):
                origin.behind = one
                del left[one.origin]
                if not left:
                    break
            else:
                origin.take(one, log.file)
                part.add(one)
        part.cut = not left
        if part.ranges:
            yield part
        if not left:
            return


def _far(known: Known, source: Source, one: Transaction) -> bool:
    own = one.origin == source.server_id
    return own and known.until is not None and one.time > known.until + LOOK_SECONDS


@dataclass
class Seen:
    """Of one origin in another log. `place`: behind the newest transaction that is there already;
    `rest`: those taken that came after it; `after`: those that follow it in this log."""

    origin: Origin
    names: dict[Name, int]
    numbers: Numbers = field(default_factory=Numbers)
    best: int = -1
    place: Coordinates | None = None
    after: list[tuple[str, Transaction]] = field(default_factory=list[tuple[str, Transaction]])
    count: int = 0
    newest: int = 0
    oldest: int = 1 << 62  # of those that are there already
    repeated: set[tuple[int, int, int, int]] = field(default_factory=set[tuple[int, int, int, int]])
    ended: bool = False

    @property
    def certain(self) -> bool:
        """Whether equal ones of its second that stand in an earlier log would have been seen."""
        return self.best >= 0 and self.oldest < self.begun

    @property
    def begun(self) -> int:
        return self.origin.recent[self.best][1].begun

    @property
    def alike(self) -> bool:
        """Whether the newest that is there already may be another one that looks the same."""
        name, best = self.origin.recent[self.best]
        last = self.origin.last
        assert last is not None
        if last.time <= best.begun + SHORT_SECONDS:  # then any of so few may be the wrong one
            return bool(self.repeated) or any(each.ordinal > 1 for each in self.names)
        return name.sign in self.repeated or Name(name.sign, 2) in self.names

    def look(self, one: Transaction, log: str) -> None:
        self.count += 1
        self.newest = max(self.newest, one.time)
        name = self.numbers.of(one)
        found = self.names.get(name, -1)
        if name.ordinal > 1 and Name(name.sign, 1) in self.names:
            self.repeated.add(name.sign)
        if found >= 0 and found >= self.best:
            self.best, self.place = found, Coordinates(log, one.end)
            self.oldest = min(self.oldest, one.time)
            self.after.clear()
            self.ended = found == len(self.origin.recent) - 1
        elif len(self.after) < RECENT:
            self.after.append((log, one))


def _starts(known: Known, source: Source, wanted: Sequence[Origin]) -> dict[int, Coordinates]:
    """Behind which place of the source's logs there is something of each origin that is missing."""
    result: dict[int, Coordinates] = {}
    sought: list[Origin] = []
    for origin in wanted:
        own = origin.server_id == source.server_id
        if own and not origin.taken and source.start is not None:
            result[origin.server_id] = source.start
        else:
            sought.append(origin)
    for back in _tries(source, sought):
        seen = _scan(known, source, back, sought)
        if back == 0 or all(each.certain for each in seen):
            for each in seen:
                place = _place(each, source)
                if place is not None:
                    result[each.origin.server_id] = place
            break
    return result


def _tries(source: Source, sought: Sequence[Origin]) -> list[int]:
    """With which log to begin: with the last one that began before what is looked for; then ever
    earlier ones."""
    if not sought:
        return []
    times = [each.last.begun for each in sought if each.last is not None]
    likely = 0
    if len(times) == len(sought):
        for place, log in enumerate(source.logs):
            if log.first_time < min(times):
                likely = place
    return sorted({likely, *(max(0, likely - each) for each in range(BACK + 1)), 0}, reverse=True)


def _scan(known: Known, source: Source, back: int, sought: Sequence[Origin]) -> list[Seen]:
    result = [
        Seen(each, {name: place for place, (name, _) in enumerate(each.recent)}) for each in sought
    ]
    left = {each.origin.server_id: each for each in result}
    for log in source.logs[back:]:
        for one in log.read():
            seen = left.get(one.origin)
            if _far(known, source, one):
                return result
            if seen is None:
                continue
            if known.later(one):
                del left[one.origin]
            else:
                seen.look(one, log.file)
                if seen.ended and (seen.certain or one.begun > seen.begun + 1):
                    del left[one.origin]
            if not left:
                return result
    return result


def _place(seen: Seen, source: Source) -> Coordinates | None:
    """None: the log has nothing of that origin that is not there already."""
    origin = seen.origin
    if not seen.count:
        return None
    if seen.best >= 0:
        rest = [one for _, one in list(origin.recent)[seen.best + 1 :]]
        after = [one for _, one in seen.after]
        if not seen.certain and (seen.alike or not _alike_first(rest, after)):
            raise _cannot_tell(source, origin)
        there = common(rest, after)
        if there is None:
            raise _cannot_tell(source, origin)
        if there:
            log, one = seen.after[there - 1]
            return Coordinates(log, one.end)
        return seen.place
    last = origin.last
    own = origin.server_id == source.server_id
    if own and source.born and (last is None or source.logs[0].first_time > last.time):
        return Coordinates(source.logs[0].file, 0)
    if last is not None and seen.newest <= last.time:
        return None
    raise _gap(source, origin)


def common(rest: Sequence[Transaction], after: Sequence[Transaction]) -> int | None:
    """How many of `after`, in another log, were executed where `rest` was written. None: it cannot
    be told.

    Both follow the same transaction, and no two are equal. That happens where a slave passed over
    rows that did not fit, where it wrote one as two (CREATE TABLE ... SELECT), and where a session
    used the statement format.
    """
    alike = [_alike(one, other) for one, other in zip(rest, after, strict=False)]
    if all(alike):
        return len(alike)
    left = list(rest)
    while left:
        key = left[-1].key
        same = [place for place, one in enumerate(after) if one.key == key]
        total = sum(one.content for one in left if one.key == key) & MASK
        running = 0
        for place in same:
            running = (running + after[place].content) & MASK
            if running == total:
                return place + 1
        if len(same) == 1:
            return same[0] + 1
        if same:
            return None
        left.pop()
    return 0


def _alike_first(rest: Sequence[Transaction], after: Sequence[Transaction]) -> bool:
    return not rest or not after or bool(_alike(rest[0], after[0]))


def _alike(one: Transaction, other: Transaction) -> bool:
    return one.key == other.key and (one.content == other.content or one.text or other.text)


def _inside(log: Log, offset: int) -> NodeError:
    return refused(
        f"{log.file}:{offset} is inside a transaction",
        "the place between two of them that the backup is as of",
        "use another backup: this one or that log is not what it seems",
    )


def _cannot_tell(source: Source, origin: Origin) -> NodeError:
    assert origin.last is not None
    return refused(
        f"which of the transactions of second {origin.last.time} of server id {origin.server_id} "
        f"in the logs of {source.name} are there already cannot be told: they look the same, and "
        f"not all of them are in {origin.last_log}",
        f"the one that ends at {origin.last_log}:{origin.last.end} among them",
        "restore to a moment some seconds earlier or later, or by a backup of the other node",
    )


def _gap(source: Source, origin: Origin) -> NodeError:
    if origin.last is None:
        what = f"any transaction of server id {origin.server_id} that the backup holds"
    else:
        what = (
            f"the transaction of server id {origin.server_id} that ends at "
            f"{origin.last_log}:{origin.last.end} (second {origin.last.time})"
        )
    return refused(
        f"the logs of {source.name}, from {source.logs[0].file} on, have transactions of server id "
        f"{origin.server_id} and not the last one that is there already",
        what,
        "there are some between that nobody has: restore to a moment before them"
        + (f", up to second {origin.last.time}" if origin.last else "")
        + ", or by a backup of the other node",
    )
