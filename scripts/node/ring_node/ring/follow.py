"""The slave that follows the peer: pointed, started, judged, and when it has caught up."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from ..base.errors import Exit, NodeError, refused, too_late
from ..base.report import Report
from ..base.waiting import QUICK, Deadline, poll
from ..mysql import master, shows, sql
from ..mysql.login import Login
from ..mysql.shows import Coordinates, SlaveStatus
from ..mysql.sql import Session
from . import admission, health, records, relay, schema
from .documents import Pair
from .join import State, discarding_either, where_to_read
from .schema import Source

THREADS_SECONDS = 60.0
CATCH_UP_SECONDS = 600.0
# Errors of the IO thread that no second try mends: the reader is told at once.
LOG_UNREADABLE = 1236  # ER_MASTER_FATAL_ERROR_READING_BINLOG
PERMANENT_IO = frozenset({LOG_UNREADABLE, 1593, 1045, 1044, 1227})


class Threads(Enum):
    """What the slave's threads are at."""

    RUN = "both run"
    COMING = "not both run yet, and nothing says that they will not"
    BROKEN = "an error that does not pass by itself"


def threads(status: SlaveStatus) -> Threads:
    if status.both_run:
        return Threads.RUN
    broken = status.sql_running == "No" and status.sql_errno
    if broken or (status.io_stopped and status.io_errno in PERMANENT_IO):
        return Threads.BROKEN
    return Threads.COMING


def connection(pair: Pair, login: Login) -> master.Connection:
    return master.Connection(pair.peer.replication_address, login, pair.node.replication_address)


def begin(own: Session, me: State, peer: State, target: master.Connection, report: Report) -> None:
    coordinates = where_to_read(me, peer)
    assert coordinates is not None
    if me.slave is not None:  # ALL: a slave without coordinates must not pass for a whole one
        relay.stop(own)
        own.do("RESET SLAVE ALL")
    source = Source(me.uuid, peer.uuid, "wiring", coordinates)
    schema.write_source(own, source)
    own.do(master.change_master(target, coordinates))
    report.did(f"follows {peer.name} ({peer.uuid[:8]}) from {coordinates}")


def adjust(own: Session, target: master.Connection, report: Report) -> bool:
    """Leaves the slave stopped when something had to change.

    The same master and place in its log; address, account or TLS settings may be new."""
    row = master.stored(own)
    different = master.differs(target, row) if row else []
    if not different:
        return False
    relay.drain(own)  # CHANGE MASTER drops the relay logs
    relay.stop(own)
    status = shows.show_slave_status(own)
    assert status is not None
    own.do(master.change_master(target, status.executed))
    report.did(f"connection to the peer changed: {', '.join(different)}")
    return True


def start(own: Session, report: Report) -> None:
    """Starts what does not run, also what a killed run had stopped."""
    status = shows.show_slave_status(own)
    assert status is not None
    if "No" in (status.io_running, status.sql_running):
        own.do("START SLAVE")
        report.did("slave started")


def wait_for_threads(own: Session) -> SlaveStatus:
    def settled() -> SlaveStatus | None:
        status = shows.show_slave_status(own)
        assert status is not None
        return None if threads(status) is Threads.COMING else status

    status = poll(settled, Deadline(THREADS_SECONDS), longest_pause=QUICK)
    status = status or shows.show_slave_status(own)
    assert status is not None
    return status


def check(status: SlaveStatus, me: State, peer: State) -> None:
    if not status.both_run:
        next_step = "resolve the error that the slave names, then run this again"
        if status.repeats:
            next_step = health.ALREADY_DONE + next_step
        if status.behind_the_torn is not None:
            next_step = f"{health.read_on(status.behind_the_torn)}; then run this again"
        elif status.io_errno == LOG_UNREADABLE:
            next_step = (
                "the peer no longer has what this node lacks, or never had it: "
                f"{discarding_either(me, peer)}"
            )
        raise NodeError(
            Exit.SERVER,
            f"IO thread {status.io_running}, SQL thread {status.sql_running}: "
            f"{status.errors or 'no error yet'}",
            "both Yes",
            next_step,
        )
    if not status.ssl_allowed:
        raise refused("Master_SSL_Allowed is No", "Yes", "run this again")
    if status.master_uuid and status.master_uuid != peer.uuid:
        raise refused(
            f"the slave reads from {status.master_uuid}",
            f"{peer.uuid}, which answered at the same address a moment ago",
            "run this again: the peer has just been replaced",
        )


def take_part(
    own: Session, other: Session, me: State, peer: State, pair: Pair, report: Report
) -> None:
    """Only a node that held all that its peer held is admitted."""
    if not admission.admitted():
        goal = shows.show_master_status(other)
        if goal is not None and not caught_up(own, goal):
            raise too_late(
                f"the slave has not reached {goal} of {peer.name}",
                f"that within {CATCH_UP_SECONDS:.0f} s",
                "run this again: it goes on from where it is",
            )
    source = schema.read_source(own)
    if source is not None and source.state != "wired":
        schema.write_source(own, replace(source, state="wired"))
    if me.copied and me.origin is not None:
        schema.write_origin(own, replace(me.origin, state="ready"))
    admission.admit(me.uuid, pair.peer, report)  # last: an interrupted run is done again


def caught_up(own: Session, goal: Coordinates) -> bool:
    def reached() -> bool | None:
        status = shows.show_slave_status(own)
        if status is None or not status.executed.file:
            return None
        return True if status.executed.order >= goal.order else None

    return bool(poll(reached, Deadline(CATCH_UP_SECONDS), longest_pause=QUICK))


def tell_password(replication: Login, report: Report) -> None:
    """A slave that is wired keeps the replication account's password: it gets the new one."""
    node, peer = records.node(), records.peer()
    if node is None or peer is None:
        return
    with sql.own(report) as session:
        source = schema.read_source(session)
        if source is None or source.state != "wired" or master.stored(session) is None:
            return
        target = connection(Pair(node, peer), replication)
        if adjust(session, target, report) or _left_stopped(session):
            start(session, report)


def _left_stopped(session: Session) -> bool:
    """Whether the slave was told to stop, as a killed run of this verb leaves it. An IO thread that
    an error stopped names it."""
    status = shows.show_slave_status(session)
    return status is not None and status.io_stopped and not status.io_errno
