"""What a pass of the archive sends when there is nothing new, against one with a new log: counted
by the stand-in's S3."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud.bench.figures import Figure, turns
from cloud.bench.filled import Filled
from cloud.lab import Lab

LOAD_SECONDS = 5
SECONDS = 60.0
"""After so many no further turn begins."""
RECEIVED = re.compile(r" s3 (?:PUT|POST): .* (?P<bytes>\d+) bytes$", re.MULTILINE)


def measure(ring: Filled, repeat: int, say: Callable[[str], None]) -> Iterator[Figure]:
    """In turns: a pass with a new log; one with none."""
    sent: list[int] = []
    none: list[int] = []
    seconds: list[float] = []
    for turn in turns(repeat, SECONDS):
        say(f"archive: turn {turn} of {repeat}")
        ring.sysbench(LOAD_SECONDS)
        ring.hosts.ask(ring.writer, "flush")
        with _received(ring.lab, sent):
            ring.archive(ring.writer)
        with _received(ring.lab, none):
            seconds.append(ring.archive(ring.writer))
    yield figure(none, sent, seconds)


def figure(none: list[int], sent: list[int], seconds: list[float]) -> Figure:
    """The pass that sent the most counts, of each side."""
    return Figure(
        "archive",
        "bytes that a pass of the archive sends, nothing new",
        "a pass with a new binary log",
        [float(max(none))],
        [float(max(sent))],
        limit=0.0,
        aim=0.0,
        unit="bytes",
        extra={"archive_nothing_new_seconds": min(seconds)},
    )


@contextmanager
def _received(lab: Lab, found: list[int]) -> Iterator[None]:
    """Adds what all of S3 received within the block. It logs a request before it answers."""
    log = lab.cloud / "daemon.log"
    begun = log.stat().st_size
    yield
    found.append(received(log, begun))


def received(log: Path, begun: int) -> int:
    """Bytes of the requests that are logged from a place in the log on."""
    text = log.read_bytes()[begun:].decode(errors="replace")
    return sum(int(match["bytes"]) for match in RECEIVED.finditer(text))
