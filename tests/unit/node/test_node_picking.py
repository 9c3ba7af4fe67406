"""What is taken of which log. Most of it by rings that are made up: two servers that write, execute
what the other one wrote, begin new logs, die and are made anew, as a seed has it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from ring_node.backup import picking, replay
from ring_node.backup.picking import Known, Log, Part, Source, common
from ring_node.base.errors import NodeError
from ring_node.mysql.shows import Coordinates
from ring_node.mysql.transactions import Transaction

pytestmark = pytest.mark.unit

X, Y = 1, 2
BEGIN, EPOCH = 120, 1_764_126_000
SEEDS = range(60)


@dataclass(frozen=True)
class Written:
    """A transaction as the model knows it: which one it is, whatever log it stands in."""

    number: int
    origin: int
    thread: int
    begun: int
    worked: int
    time: int
    content: int


class Server:
    """One incarnation: its log, in files, and how far its slave is in the master's."""

    def __init__(self, node: int, at: float) -> None:
        self.node = node
        self.files: list[list[Written]] = [[]]
        self.times: list[list[int]] = [[int(at)]]  # of the events that begin and end each log
        self.executed = 0  # of the master's log, all of its transactions in a row

    @property
    def log(self) -> list[Written]:
        return [one for file in self.files for one in file]

    def write(self, one: Written) -> None:
        self.files[-1].append(one)

    def rotate(self, at: float) -> None:
        self.times[-1].append(int(at))
        self.files.append([])
        self.times.append([int(at)])

    def place(self) -> Coordinates:
        return Coordinates(name(len(self.files) - 1), BEGIN + 100 * len(self.files[-1]))

    def place_of(self, index: int) -> Coordinates:
        """Behind that many transactions."""
        for number, file in enumerate(self.files):
            if index <= len(file):
                return Coordinates(name(number), BEGIN + 100 * index)
            index -= len(file)
        raise AssertionError(index)

    def source(self, start: Coordinates | None = None, *, archived: int, born: bool = False):
        logs = []
        for number, file in enumerate(self.files[:archived]):
            first = Coordinates(name(number), 0)
            if start is not None and first.order[0] < start.order[0]:
                continue
            lies = laid(file, self.node)
            stamps = [*self.times[number], *(each.time for each in lies)]
            logs.append(Log(first.file, min(stamps), max(stamps), lambda lies=lies: lies))
        return Source(f"server of {self.node}", self.node, logs, start, born)


def name(number: int) -> str:
    return f"bin.{number + 1:06d}"


def laid(file: Sequence[Written], node: int) -> list[Transaction]:
    """As MySQL 5.6 has it: a slave does not keep when its master committed."""
    return [
        Transaction(
            BEGIN + 100 * place, BEGIN + 100 * place + 100, one.origin, one.thread, one.begun,
            one.worked, one.time if one.origin == node else one.worked, one.content,
        )
        for place, one in enumerate(file)
    ]  # fmt: skip


@dataclass
class Ring:
    """`skew`: how far a node's clock is ahead, in seconds."""

    seed: int
    skew: dict[int, float] = field(default_factory=lambda: {X: 0.0, Y: 0.0})
    busy: tuple[int, ...] = (X, Y)
    contents: int = 30
    at: float = EPOCH + 0.5
    written: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311
        self.servers = {X: Server(X, self.at), Y: Server(Y, self.at)}
        self.beats = {X: 0, Y: 0}

    def other(self, node: int) -> Server:
        return self.servers[X + Y - node]

    def clock(self, node: int, at: float) -> int:
        return int(at + self.skew[node])

    def write(self, node: int, seconds: float = 0.0, content: int | None = None) -> None:
        self.written += 1
        begun = self.clock(node, self.at - seconds)
        worked = self.clock(node, self.at - self.random.choice([0.0, seconds / 2, seconds]))
        ended = self.clock(node, self.at) if self.random.random() < 0.7 else worked
        if content is None:
            content = self.random.randrange(self.contents)
        self.servers[node].write(
            Written(self.written, node, self.random.randrange(2), begun, worked, ended, content)
        )

    def replicate(self, node: int, most: int) -> None:
        """The slave of that node executes up to so many transactions of the other one's log."""
        here, there = self.servers[node], self.other(node)
        for one in there.log[here.executed : here.executed + most]:
            here.executed += 1
            if one.origin != node:
                here.write(one)

    def step(self, live: Iterable[int] = (X, Y)) -> None:
        live = tuple(live)
        self.at += self.random.choice([0.0, 0.01, 0.2])
        for node in live:
            if self.beats[node] != int(self.at):
                self.beats[node] = int(self.at)
                self.write(node)
        node = self.random.choice(live)
        kind = self.random.random()
        if kind < 0.5:
            if node in self.busy:
                self.write(node, self.random.choice([0.0, 0.0, 0.6, 2.5]))
        elif kind < 0.95:
            if len(live) == 2:
                self.replicate(node, self.random.choice([1, 1, 5, 50]))
        else:
            self.servers[node].rotate(self.at)

    def run(self, steps: int, live: Iterable[int] = (X, Y)) -> None:
        for _ in range(steps):
            self.step(live)

    def settle(self) -> None:
        for _ in range(3):
            for node in (X, Y):
                self.replicate(node, 1 << 30)


def numbers(parts: Iterable[Part]) -> list[int]:
    """Which transactions those parts hold, in their order."""
    result = []
    for part in parts:
        lies = {one.start: place for place, one in enumerate(part.log.read())}
        file = FILES[id(part.log)]
        for start, end in part.ranges:
            result += [file[lies[at]].number for at in range(start, end, 100)]
    return result


FILES: dict[int, list[Written]] = {}


def remember(ring_server: Server, source: Source) -> Source:
    for log in source.logs:
        FILES[id(log)] = ring_server.files[Coordinates(log.file, 0).order[0] - 1]
    return source


def restored(
    trunk: tuple[Server, Source], start: Coordinates, until: int | None,
    others: Sequence[tuple[Server, Source]],
) -> tuple[list[int], Known]:  # fmt: skip
    known = Known((X, Y), until)
    remember(*trunk)
    parts = list(picking.trunk(known, trunk[1], start))
    for server, source in (*others, trunk):
        parts += picking.others(known, remember(server, source))
    return numbers(parts), known


def up_to(written: Iterable[Written], until: int | None) -> list[int]:
    result = []
    for one in written:
        if until is not None and one.time > until:
            break
        result.append(one.number)
    return result


def own(server: Server) -> list[Written]:
    return [one for one in server.log if one.origin == server.node]


def check(got: list[int], backup: set[int], expected: set[int], of: dict[int, int]) -> None:
    assert len(got) == len(set(got)), "a transaction is there twice"
    assert not set(got) & backup, "a transaction of the backup is there again"
    assert set(got) | backup == expected | backup
    for node in (X, Y):
        each = [number for number in got if of[number] == node]
        assert all(one < other for one, other in pairwise(each)), "out of order"


def origins(*servers: Server) -> dict[int, int]:
    return {one.number: one.origin for server in servers for one in server.log}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_restored_is_what_each_node_wrote_up_to_the_moment(seed: int) -> None:
    ring = Ring(seed)
    ring.skew[Y] = ring.random.choice([0.0, 0.0, 0.7, -0.7, 3.0])
    ring.busy = ring.random.choice([(X, Y), (X, Y), (X,), (Y,)])
    ring.run(60)
    x, y = ring.servers[X], ring.servers[Y]
    start, slave, backup = x.place(), y.place_of(x.executed), {one.number for one in x.log}
    taken_at = ring.clock(X, ring.at)
    ring.run(150)
    ended = ring.at
    ring.run(100)
    for server in (x, y):
        server.rotate(ring.at)
    until = ring.random.choice([None, ring.random.randint(taken_at, int(ended))])
    got, known = restored(
        (x, x.source(start, archived=len(x.files))), start, until,
        [(y, y.source(slave, archived=len(y.files)))],
    )  # fmt: skip
    expected = set(up_to(own(x), until)) | set(up_to(own(y), until))
    if ring.skew[Y] > 0:  # what X's log has of them by then is as old as its last statement
        expected |= set(got) & {one.number for one in own(y) if one.worked <= (until or one.time)}
    check(got, backup, expected, origins(x, y))
    if until is not None and until < int(ended) - 5:
        assert not known.open


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_dead_server_had_not_archived_is_taken_as_far_as_the_other_one_has_it(
    seed: int,
) -> None:
    ring = Ring(seed)
    ring.run(60)
    x, y = ring.servers[X], ring.servers[Y]
    start, slave, backup = x.place(), y.place_of(x.executed), {one.number for one in x.log}
    x.rotate(ring.at)
    ring.run(150)
    until = ring.random.choice([None, int(ring.at)])
    ring.run(60, live=(Y,))
    y.rotate(ring.at)
    archived = max(Coordinates(start.file, 0).order[0] + 1, len(x.files) - 1)
    got, _ = restored(
        (x, x.source(start, archived=archived)), start, until,
        [(y, y.source(slave, archived=len(y.files)))],
    )  # fmt: skip
    there = [one for file in x.files[:archived] for one in file] + y.log
    each = {
        node: {one.number for one in there if one.origin == node} & set(up_to(own(server), until))
        for node, server in ring.servers.items()
    }
    check(got, backup, each[X] | each[Y], origins(x, y))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_peer_that_was_made_anew_goes_on_where_its_predecessor_ended(seed: int) -> None:
    ring = Ring(seed)
    ring.run(60)
    x, y = ring.servers[X], ring.servers[Y]
    start, backup = x.place(), {one.number for one in x.log}
    ring.run(80)
    ring.at += 2
    ring.run(40, live=(X,))  # Y is dead, and what X had not of it by then is lost
    ring.at += 2
    anew = ring.servers[Y] = Server(Y, ring.at)
    anew.executed, x.executed = len(x.log), 0
    ring.run(150)
    until = ring.random.choice([None, int(ring.at) - ring.random.randint(0, 3)])
    ring.run(60)
    for server in (x, anew):
        server.rotate(ring.at)
    archived = ring.random.choice([len(x.files), len(x.files) - 1])
    got, _ = restored(
        (x, x.source(start, archived=archived)), start, until,
        [(anew, anew.source(archived=len(anew.files), born=True))],
    )  # fmt: skip
    there = [one for file in x.files[:archived] for one in file] + anew.log
    of_x = {one.number for one in there if one.origin == X} & set(up_to(own(x), until))
    former = {one.number for one in there if one.origin == Y} - {o.number for o in own(anew)}
    check(got, backup, of_x | former | set(up_to(own(anew), until)), origins(x, y, anew))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_node_that_was_made_anew_from_its_peer_goes_on_in_the_peers_log(seed: int) -> None:
    ring = Ring(seed)
    ring.run(60)
    x, y = ring.servers[X], ring.servers[Y]
    start, slave, backup = x.place(), y.place_of(x.executed), {one.number for one in x.log}
    ring.run(80)
    x.rotate(ring.at)
    ring.replicate(Y, 1 << 30)
    ring.at += 2
    ring.run(40, live=(Y,))
    ring.at += 2
    anew = ring.servers[X] = Server(X, ring.at)
    anew.executed, y.executed = len(y.log), 0
    ring.run(150)
    until = ring.random.choice([None, int(ring.at) - ring.random.randint(0, 3)])
    ring.run(60)
    for server in (y, anew):
        server.rotate(ring.at)
    got, _ = restored(
        (x, x.source(start, archived=len(x.files))), start, until,
        [
            (y, y.source(slave, archived=len(y.files))),
            (anew, anew.source(archived=len(anew.files), born=True)),
        ],
    )  # fmt: skip
    of_x = {one.number for one in own(x)} | set(up_to(own(anew), until))
    check(got, backup, of_x | set(up_to(own(y), until)), origins(x, y, anew))


@pytest.mark.parametrize("seed", range(100))
def test_a_log_that_is_missing_between_what_is_there_and_the_others_is_a_refusal(seed: int) -> None:
    ring = Ring(seed)
    ring.run(60)
    x, y = ring.servers[X], ring.servers[Y]
    start = x.place()
    x.rotate(ring.at)
    ring.at += 3
    ring.run(100)
    y.rotate(ring.at)
    missing = len(y.files) - 1
    ring.at += 3
    ring.run(60)
    y.rotate(ring.at)
    archived = Coordinates(start.file, 0).order[0]
    whole = y.source(archived=len(y.files))
    last = Source(whole.name, Y, whole.logs[missing:])
    with pytest.raises(NodeError, match="not the last one that is there"):
        restored((x, x.source(start, archived=archived)), start, None, [(y, last)])


@pytest.mark.parametrize(("archived", "expected"), [(1, [1, 2, 3]), (0, [1, 2, 3, 4])])
def test_when_the_other_node_committed_its_own_log_tells_if_it_is_there(
    archived: int, expected: list[int]
) -> None:
    x, y = Server(X, EPOCH), Server(Y, EPOCH)
    made = [
        Written(1, Y, 7, EPOCH, EPOCH, EPOCH, 1),
        Written(2, X, 8, EPOCH, EPOCH, EPOCH, 2),
        Written(3, Y, 7, EPOCH, EPOCH, EPOCH, 3),
        Written(4, Y, 7, EPOCH, EPOCH, EPOCH + 1, 4),  # began, waited, and was committed later
        Written(5, Y, 7, EPOCH + 1, EPOCH + 1, EPOCH + 1, 5),
        Written(6, X, 8, EPOCH + 1, EPOCH + 1, EPOCH + 1, 6),
    ]
    for one in made:
        x.write(one)
        y.write(one)
    got, _ = restored(
        (x, x.source(archived=1)), Coordinates("bin.000001", BEGIN), EPOCH,
        [(y, y.source(archived=archived))],
    )  # fmt: skip
    assert got == expected


@pytest.mark.parametrize(
    ("contents", "executed", "expected"),
    [
        ([1, 2, 3, 4, 5], 5, [3, 4, 5, 6]),
        ([7, 7, 7, 7, 7], 5, None),  # which of them the backup has: nobody can tell
        ([1, 7, 3, 7, 5], 5, None),
        ([7, 2, 7, 4, 5], 2, None),  # the other one has none of those that came after the backup
    ],
)
def test_what_looks_the_same_in_the_second_of_the_backup_is_a_refusal_or_right(
    contents: list[int], executed: int, expected: list[int] | None
) -> None:
    """The logs of the node that died end in the second of its backup."""
    x, y = Server(X, EPOCH), Server(Y, EPOCH)
    for number, content in enumerate(contents, 1):
        if number == 3:
            x.rotate(EPOCH)
        each = Written(number, X, 7, EPOCH, EPOCH, EPOCH, content)
        x.write(each)
        if number <= executed:
            y.write(each)
    y.write(Written(6, Y, 8, EPOCH, EPOCH, EPOCH, 6))
    start = Coordinates("bin.000002", BEGIN)
    given = (x, x.source(start, archived=2)), start, None
    found = (y, y.source(Coordinates("bin.000001", BEGIN), archived=1))
    if expected is not None:
        assert restored(*given, [found])[0] == expected
        return
    with pytest.raises(NodeError, match="cannot be told"):
        restored(*given, [found])


def test_a_transaction_that_a_slave_passed_over_is_not_looked_for() -> None:
    x, y = Server(X, EPOCH), Server(Y, EPOCH)
    made = [
        Written(each, Y, 7, EPOCH + each, EPOCH + each, EPOCH + each, 50 + each)
        for each in range(1, 9)
    ]
    for one in made:
        y.write(one)
        if one.number in (1, 2, 3, 5):
            x.write(one)
    got, _ = restored(
        (x, x.source(archived=1)), Coordinates("bin.000001", BEGIN), None,
        [(y, y.source(archived=1))],
    )  # fmt: skip
    assert got == [1, 2, 3, 5, 6, 7, 8]


def test_the_place_of_a_backup_inside_a_transaction_is_a_refusal() -> None:
    x = Server(X, EPOCH)
    x.write(Written(1, X, 7, EPOCH, EPOCH, EPOCH, 1))
    with pytest.raises(NodeError, match="inside a transaction"):
        restored((x, x.source(archived=1)), Coordinates("bin.000001", BEGIN + 50), None, [])


def test_a_place_in_the_log_takes_whole_transactions_before_it() -> None:
    x = Server(X, EPOCH)
    for each in range(6):
        x.write(Written(each, X, 7, EPOCH, EPOCH, EPOCH, each))
        if each == 3:
            x.rotate(EPOCH)
    source = remember(x, x.source(archived=2))
    start = Coordinates("bin.000001", BEGIN)
    for end, expected in (
        (Coordinates("bin.000001", BEGIN + 200), [0, 1]),
        (Coordinates("bin.000001", BEGIN + 250), [0, 1]),
        (Coordinates("bin.000002", 4), [0, 1, 2, 3]),
        (Coordinates("bin.000002", BEGIN + 100), [0, 1, 2, 3, 4]),
    ):
        assert numbers(picking.trunk(Known((X,), None), source, start, end)) == expected


def one(thread: int, second: int, content: int, text: bool = False) -> Transaction:
    return Transaction(0, 0, Y, thread, second, second, second, content, text)


@pytest.mark.parametrize(
    ("rest", "after", "there"),
    [
        ([], [one(1, 5, 9)], 0),
        ([one(1, 5, 8)], [one(1, 5, 9)], 1),  # rows that did not fit
        ([one(1, 5, 8)], [], 0),  # that log ends before
        ([one(1, 5, 8)], [one(1, 6, 9), one(1, 6, 7)], 0),
        ([one(1, 5, 3), one(1, 5, 4)], [one(1, 5, 7), one(1, 5, 9)], 1),  # one became two
        ([one(1, 5, 7)], [one(1, 5, 3), one(1, 5, 4), one(1, 5, 5)], 2),
        ([one(1, 4, 7), one(1, 5, 8)], [one(1, 4, 9), one(2, 4, 9)], 1),
        ([one(1, 5, 8)], [one(1, 5, 9), one(1, 5, 7)], None),
        ([one(1, 5, 8)], [one(1, 5, 9, True), one(1, 5, 7, True)], 1),  # as rows in one of them
        ([one(1, 5, 8), one(2, 5, 3)], [one(1, 5, 9, True), one(2, 5, 3), one(1, 5, 3)], 2),
    ],
)
def test_what_two_logs_have_alike_is_told_or_it_is_said_that_it_cannot_be(
    rest: list[Transaction], after: list[Transaction], there: int | None
) -> None:
    assert common(rest, after) == there


@pytest.mark.parametrize(
    ("seen", "own_id"), [((), 4294967295), ((1, 2), 4294967295), ((1, 4294967295), 4294967294)]
)
def test_the_server_that_replays_has_an_id_that_no_event_has(
    seen: tuple[int, ...], own_id: int
) -> None:
    assert replay.stranger(seen) == own_id
