"""sysbench on the node that clients write to, beside its archive and a backup of the other node,
against sysbench alone.

In the lab both hosts share the machine's processors; on AWS each node has its own. So this is the
worst that it can be."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from cloud.bench import load
from cloud.bench.figures import Figure, turns
from cloud.bench.filled import Filled

AIM = 0.95
LOAD_SECONDS = 20
PASS_SECONDS = 5.0  # between two passes of the archive, each with a new log
SECONDS = 180.0
"""After so many no further turn begins."""


@dataclass
class Done:
    """What was done beside the load."""

    backups: int = 0
    passes: int = 0


def measure(ring: Filled, repeat: int, say: Callable[[str], None]) -> Iterator[Figure]:
    """In turns, after a load that does not count: sysbench beside both; sysbench alone."""
    say("beside: a load that does not count")
    ring.sysbench(LOAD_SECONDS)
    done = Done()
    beside: list[float] = []
    alone: list[float] = []
    for turn in turns(repeat, SECONDS):
        say(f"beside: turn {turn} of {repeat}, archive and backup")
        with _at_work(ring, done):
            beside.append(load.rate(ring.sysbench(LOAD_SECONDS)))
        load.settle(ring.hosts)
        say(f"beside: turn {turn} of {repeat}, alone")
        alone.append(load.rate(ring.sysbench(LOAD_SECONDS)))
        load.settle(ring.hosts)
    yield figure(beside, alone, done)


def figure(beside: list[float], alone: list[float], done: Done) -> Figure:
    return Figure(
        "beside",
        "sysbench beside archive, and backup of the other node",
        "sysbench alone",
        beside,
        alone,
        aim=AIM,
        more_is_better=True,
        unit="transactions_per_second",
        extra={
            "beside_backups": float(done.backups),
            "beside_passes_of_the_archive": float(done.passes),
        },
    )


@contextmanager
def _at_work(ring: Filled, done: Done) -> Iterator[None]:
    """Both are at work all through the block, and have ended after it."""
    over = threading.Event()

    def back_up() -> None:
        while not over.is_set():
            ring.backup(ring.peer)
            done.backups += 1

    def archive() -> None:
        while True:
            ring.hosts.ask(ring.writer, "flush")
            ring.archive(ring.writer)
            done.passes += 1
            if over.wait(PASS_SECONDS):
                return

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(back_up), pool.submit(archive)]
        try:
            yield
        finally:
            over.set()
        for future in futures:
            future.result()
