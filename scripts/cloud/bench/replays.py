"""The replay of archived logs on a backup, against the time in which the writes were made.

The load does nothing but write: what reads would take is not in the logs."""

import json
from collections.abc import Callable, Iterator

from cloud.bench import load
from cloud.bench.figures import Figure, turns
from cloud.bench.filled import Filled, Restored
from cloud.cli.errors import LabError

WRITE_SECONDS = 60
TEST = "oltp_write_only"
SECONDS = 120.0
"""After so many no further turn begins."""


def measure(ring: Filled, repeat: int, say: Callable[[str], None]) -> Iterator[Figure]:
    """A backup, then a load on one node, whose logs both nodes archive; then restores of all."""
    say("replay: a backup")
    backup = ring.backup(ring.writer)
    say(f"replay: writes for {WRITE_SECONDS} s")
    written = load.transactions(ring.sysbench(WRITE_SECONDS, TEST))
    load.settle(ring.hosts)
    ring.hosts.both(lambda node: ring.hosts.ask(node, "flush"))
    ring.hosts.both(ring.archive)
    found: list[Restored] = []
    for turn in turns(repeat, SECONDS):
        say(f"replay: turn {turn} of {repeat}")
        with ring.restored(backup, {"latest": True}) as server:
            found.append(server)
    yield figure(found, written)


def figure(found: list[Restored], written: int) -> Figure:
    """Of the replay alone: the restore before it is another figure."""
    seconds = [_replayed(each, written) for each in found]
    return Figure(
        "replay",
        f"replay of {WRITE_SECONDS} s of logs",
        f"the {WRITE_SECONDS} s of {TEST} that they are of",
        seconds,
        [float(WRITE_SECONDS)],
        extra={
            "replay_transactions": float(written),
            "replay_transactions_per_second": written / max(min(seconds), 0.1),
            "replay_with_restore_seconds": min(each.seconds for each in found),
        },
    )


def _replayed(server: Restored, written: int) -> float:
    """Its seconds; LabError when it lacks some of what was written."""
    told = server.as_of
    if told is None or told["transactions"] < written:
        raise LabError(
            f"found a restore as of {json.dumps(told)[:500]}; expected {written} transactions or "
            "more, as many as the load made; look at the logs with `ring-node backups` on the node"
        )
    return float(told["seconds"])
