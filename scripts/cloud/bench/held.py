"""sysbench on a node while a snapshot of its own is held, against sysbench without, on files of
which no snapshot was ever taken and on the same after thirty.

The first write to a block that a snapshot shares goes to a new one. What was written so lies in
ever more parts."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cloud.bench import load
from cloud.bench.figures import Figure, turns
from cloud.bench.filled import PATIENCE, Filled

LOAD_SECONDS = 15
SNAPSHOTS = 30
HELD_SECONDS = 1.0  # each of the thirty
SECONDS = 120.0
"""After so many no further turn begins, before the thirty and after them."""


def measure(ring: Filled, repeat: int, say: Callable[[str], None]) -> Iterator[Figure]:
    """On new files, in turns after a load that does not count: sysbench without a snapshot, then
    while one is held. After thirty snapshots beside a load the same again."""
    hosts, node = ring.hosts, ring.writer
    say("held: new files")
    for table in load.TABLE_NAMES:
        hosts.ask(node, "rebuild", table, seconds=PATIENCE)
    parts = [hosts.ask(node, "parts")]
    ring.sysbench(LOAD_SECONDS)
    new = _turns(ring, repeat, say, "new files")
    yield figure("held", "a snapshot is held", new, new[1])
    say(f"held: {SNAPSHOTS} snapshots")
    hosts.ask(
        node, "snapshots", load.LOGIN, str(SNAPSHOTS), str(HELD_SECONDS),
        *load.tables(load.MANY_ROWS), seconds=PATIENCE,
    )  # fmt: skip
    load.settle(hosts)
    old = _turns(ring, repeat, say, f"after {SNAPSHOTS}")
    parts.append(hosts.ask(node, "parts"))
    yield figure(
        "held_later",
        f"a snapshot is held, after {SNAPSHOTS} others",
        old,
        new[1],
        {
            "held_later_without_transactions_per_second": max(old[1]),
            "held_parts_of_new_files": float(parts[0]),
            "held_parts_of_files_later": float(parts[1]),
        },
    )


def figure(
    name: str,
    what: str,
    rates: tuple[list[float], list[float]],
    without: list[float],
    extra: dict[str, float] | None = None,
) -> Figure:
    """`rates`: while a snapshot was held, and without one. `without`: what counts as such."""
    return Figure(
        name,
        f"sysbench while {what}",
        "sysbench before any snapshot",
        rates[0],
        without,
        more_is_better=True,
        unit="transactions_per_second",
        extra=extra or {},
    )


def _turns(
    ring: Filled, repeat: int, say: Callable[[str], None], when: str
) -> tuple[list[float], list[float]]:
    held: list[float] = []
    without: list[float] = []
    for turn in turns(repeat, SECONDS):
        say(f"held: {when}, turn {turn} of {repeat}")
        without.append(load.rate(ring.sysbench(LOAD_SECONDS)))
        with _held(ring):
            held.append(load.rate(ring.sysbench(LOAD_SECONDS)))
        load.settle(ring.hosts)
    return held, without


@contextmanager
def _held(ring: Filled) -> Iterator[None]:
    snapshot = ring.hosts.start(ring.writer, "hold")
    try:
        yield
    finally:
        answered, _ = snapshot.communicate(timeout=PATIENCE)
    json.loads(answered)  # it was whole until the end
