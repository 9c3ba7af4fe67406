"""A copy of the peer takes the place of what this node holds: fetched, proven, then renamed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..base import paths
from ..base.errors import NodeError, too_late
from ..base.report import Report
from ..base.waiting import Deadline
from ..host import files
from ..mysql import binlogs, incarnations, lifecycle, program
from ..mysql.shows import Coordinates
from . import arriving, proving
from .arriving import Arrived
from .documents import Pair

TRIES = 3  # of a copy that definitions changed under
COPY_SECONDS = 14 * 3600.0  # for all tries


def copy(pair: Pair, expected_uuid: str, known: int, beaten: int, report: Report) -> None:
    """The own server is restarted on the copy; what was there before is removed then.

    After an error, or killed, what was there is there, or the whole copy is. The copy's own
    `origin` says as of where it is. `known`: the highest number of a binary log that the peer's
    slave may ask this node for. Such a place must not exist in the new log: the slave would read
    on there, past what comes before it. It gets error 1236 until the peer follows the new server.
    `beaten`: the generation of the server whose place the copy takes, of which a peer that was set
    back in time knows an earlier one.
    """
    remove_left()
    first = binlogs.beginning_behind(max(known, binlogs.highest(paths.LOGS)))
    with back_after_an_error():
        arrived = _proven(pair, expected_uuid, first, beaten, report)
        lifecycle.stop()
        incarnations.take_place(arrived.folder)
    report.did(
        f"copied {arrived.offer.filled >> 20} MiB of {pair.peer.name} as of {arrived.offer.master}"
    )
    report.facts["copy"] = {
        "bytes": arrived.offer.filled,
        "seconds": round(arrived.seconds, 1),
        "locked_s": arrived.offer.locked_seconds,
    }
    lifecycle.start()
    remove_left()


@contextmanager
def back_after_an_error() -> Iterator[None]:
    """The server that was told to stop inside runs again, on what it holds."""
    try:
        yield
    except BaseException:
        with suppress(NodeError):
            if not lifecycle.running():
                lifecycle.start()
        raise


def remove_left() -> None:
    """What a copy leaves, also a killed one: copies that did not take their place, and data whose
    place one took, each as large as all of the data; the file before the first binary log."""
    arriving.remove_left()
    incarnations.remove_former()
    binlogs.remove_stand_in(paths.LOGS)


def _proven(
    pair: Pair, expected_uuid: str, first: Coordinates, beaten: int, report: Report
) -> Arrived:
    version, deadline = program.check(paths.MYSQL), Deadline(COPY_SECONDS)
    for left in reversed(range(TRIES)):
        arrived = arriving.fetch(pair, expected_uuid, version, deadline)
        lifecycle.begin_stop()  # beside the proof, which takes as much memory as it does
        try:
            arriving.say(f"proving the copy of {pair.peer.name} on a scratch server")
            proving.prove(arrived, first, beaten, pair, report)
            _refuse_reached(first)
        except NodeError as error:
            files.remove_tree(arrived.folder)
            if not left or not isinstance(error, proving.Changed):
                raise
            report.note(f"copied anew: {error.found}")
            continue
        return arrived
    raise AssertionError


def _refuse_reached(first: Coordinates) -> None:
    reached = binlogs.highest(paths.LOGS)
    if reached >= binlogs.number(first.file):
        raise too_late(
            f"the binary log of this node has reached number {reached} while the copy came",
            f"less than {first.file}, with which the new one is to begin",
            "run this again",
        )
