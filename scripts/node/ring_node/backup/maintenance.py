"""The maintenance of tables: CHECK of all, and a rebuild of those that it makes smaller.

On one node of a healthy ring at a time, within a budget of time, never beside a copy, a backup or
another verb, and without a trace in the binary log.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from ..base import paths
from ..base.errors import Exit, NodeError, refused, too_late
from ..base.lock import held
from ..base.report import Report
from ..base.waiting import Deadline
from ..host import room
from ..mysql import bounded, checking, rebuilding, snapshot, snapshot_room, sql
from ..mysql.rebuilding import Size
from ..mysql.sql import Session
from ..ring import admission, beats, reach, records
from ..ring.documents import Pair
from . import images, turns
from .turns import AGAIN

FRESH_SECONDS = 15.0
WAIT_SECONDS = 5  # for a table that is in use; whoever comes after it waits as long
CHECK_PART = 0.5  # of the time
WAITING = (
    "SELECT COUNT(*) FROM information_schema.processlist"
    " WHERE state = 'Waiting for table metadata lock' AND id <> %s"
)
ROOM_FACTOR = 1.2  # of what is used, for the table beside its former self


def maintain(seconds: float, wait: float, report: Report) -> None:
    """Looks after the tables of this node's server for so long. Raises at its end if some are not
    sound; those are left as they are. `wait`: until the other node has ended with its own."""
    pair, login = records.pair(), records.credentials().peer
    if not admission.admitted():
        raise refused(
            f"{pair.node.name} is not part of its ring yet", "one that serves", "`pulumi up`"
        )
    with (
        images.alone(wait),
        turns.upkeep(pair, wait, without_peer=False) as turn,
        sql.own(patience=seconds + images.STATEMENT_SECONDS) as own,
        reach.peer(pair.peer.replication_address, login) as other,
        own.unlogged(),
        sql.own() as watch,
    ):
        _refuse_unhealthy(own, other, pair)
        own.do("SET SESSION lock_wait_timeout = %s", [WAIT_SECONDS])
        deadline = Deadline(seconds)

        process = own.value("SELECT CONNECTION_ID()")

        def over() -> bool:
            return deadline.over or disturbed() is not None or awaited(watch, process)

        wrong = _check(own, Deadline(seconds * CHECK_PART), over, report)
        for size in rebuilding.gain(rebuilding.sizes(own)):
            if deadline.over or disturbed() is not None or not turn.held:
                break
            if size.quoted not in wrong:
                _rebuild(own, size, over, report)
        found = disturbed()
        if found is not None:
            report.note(f"ended early: {found}")
        elif deadline.over:
            report.note(f"ended after {seconds:.0f} s; the rest comes another time")
    if wrong:
        said = [f"{table}: {problem}" for table, problem in sorted(wrong.items())]
        raise NodeError(
            Exit.SERVER,
            f"tables of {pair.node.name} are not sound: {' | '.join(said[:5])}",
            "CHECK TABLE says OK of each of them",
            f"compare them with {pair.peer.name}'s; `sudo ring-node rejoin --discard "
            f"{pair.node.name}` on {pair.node.name} copies them anew, if they are sound there",
        )


def disturbed() -> str | None:
    """What on this host goes first."""
    if held(paths.SNAPSHOTS / snapshot.LOCK_FILE):
        return "a copy of this node is being taken"
    if held(paths.LOCK):
        return "another verb is at work on this host"
    return None


def awaited(session: Session, process: int) -> bool:
    """Whether somebody waits to define a table that is in use, the slave maybe: whoever uses that
    table waits behind. What runs in `process` may be why, and ends then; the next table has its
    turn."""
    try:
        return bool(session.value(WAITING, [process]))
    except NodeError:
        return True  # a server that cannot be asked has no time for this


def _refuse_unhealthy(own: Session, other: Session, pair: Pair) -> None:
    """While the other node cannot serve, this one has better to do."""
    found = disturbed()
    if found is not None:
        raise NodeError(Exit.BUSY, found, "nothing beside the maintenance of tables", AGAIN)
    watch = beats.Watch(own, other, pair.node.server_id, pair.peer.server_id)
    ways = watch.until_fresh(FRESH_SECONDS)
    if not ways.fresh:
        raise too_late(
            str(ways),
            f"both to change, and to be no more than {beats.BEHIND_BEATS} beats behind",
            "run `ring-node status` on both nodes; tables are looked after in a healthy ring only",
        )


def _check(
    own: Session, deadline: Deadline, over: Callable[[], bool], report: Report
) -> dict[str, str]:
    """What is wrong, by table. Those that nobody could write to for long are left to the backup's
    check of a snapshot."""
    sizes = {each.quoted: each for each in rebuilding.sizes(own)}

    def quick(table: checking.Table) -> bool:
        size = sizes.get(table.quoted)
        return table.engine == "InnoDB" or size is None or size.used <= rebuilding.LOCKED_MOST

    found = checking.in_turn(
        [each for each in checking.tables(own) if quick(each)],
        datetime.now(UTC).date().isoformat(),
    )
    outcome = checking.check(
        own, _another, found, deadline, checksums=False, gently=True, over=over
    )
    there = {each.quoted for each in checking.tables(own)}
    for each in outcome.warned:
        report.note(f"CHECK TABLE: {each}")
    unchecked = checking.unchecked(outcome)
    if unchecked is not None:
        report.note(unchecked)
    report.facts["tables_checked"] = len(outcome.sound)
    report.facts["tables_left_out"] = len(outcome.left_out)
    return {table: said for table, said in outcome.wrong.items() if table in there}


def _rebuild(own: Session, size: Size, over: Callable[[], bool], report: Report) -> None:
    needed = int(size.used * ROOM_FACTOR) + snapshot_room.of_the_volume().begin
    if room.settled(paths.VOLUME) < needed:
        report.note(f"{size.quoted} is not rebuilt: that needs {needed >> 20} MiB free")
        return
    try:
        said = bounded.rows(own, _another, rebuilding.OPTIMIZE.format(size.quoted), over)
    except NodeError as error:
        if not own.open:
            raise
        report.note(f"{size.quoted} is not rebuilt: {error.found}")
        return
    if said is None or checking.held_up(said):
        report.note(f"{size.quoted} is not rebuilt: it is in use, or the time was over")
        return
    problem, _ = checking.judge(said)
    if problem is not None:
        report.note(f"{size.quoted} is not rebuilt: {problem}")
        return
    report.did(f"rebuilt {size.quoted}, of which {size.free >> 20} MiB were empty")


def _another() -> AbstractContextManager[Session]:
    return sql.own()
