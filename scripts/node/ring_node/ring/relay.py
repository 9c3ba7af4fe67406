"""Stopping the slave, and what it has received and not applied: nobody else may have that."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..base.errors import Exit, NodeError, too_late
from ..base.waiting import Deadline, poll
from ..mysql import sql, statements
from ..mysql.shows import SlaveStatus, show_slave_status
from ..mysql.sql import Session

DRAIN_SECONDS = 120.0
STOP_SECONDS = 120.0
CERTAIN_SECONDS = 1.0


def stop(own: Session) -> None:
    """STOP SLAVE, which waits for the statement that the SQL thread is in.

    A thread that a lock holds up is not told to stop: it would do so when the lock is gone, after
    this has given up, and nobody would start it again.
    """

    def stopped() -> bool | None:
        status = show_slave_status(own)
        if status is None:
            return True
        if status.waits_for_table:
            return None
        return _told_to_stop(own)

    if poll(stopped, Deadline(STOP_SECONDS)) is None:
        raise too_late(
            f"the slave's SQL thread is in a statement, {_held_up_by(own)}",
            f"that statement's end within {STOP_SECONDS:.0f} s, to stop the slave",
            "end what holds it up (KILL with its process), see in `ring-node status` that the "
            "slave goes on, then run this again; if it stopped, this starts it",
        )


def _told_to_stop(own: Session) -> bool | None:
    try:
        own.do("STOP SLAVE")
    except NodeError as error:
        if not sql.stop_is_incomplete(error):
            raise
        return None
    return True


def _held_up_by(own: Session) -> str:
    holders = statements.transactions(own) or statements.long(own, 1)
    status = show_slave_status(own)
    state = (status.sql_state if status else "") or "at work"
    return f"{state}; what may hold it up: {statements.named(holders) or 'nothing that shows'}"


def applied(own: Session, seconds: float, hopeless: Callable[[SlaveStatus], bool | int]) -> bool:
    """Whether the slave, whose IO thread is stopped, has applied all that it received.

    By its coordinates at once. That its SQL thread says so counts when it still does a while later:
    right after the IO thread's last write it has not woken up yet.
    """
    since: list[float] = []

    def settled() -> bool | None:
        status = show_slave_status(own)
        if status is None or not status.read.file or status.read == status.executed:
            return True
        if not status.drained:
            since.clear()
            return False if hopeless(status) else None
        since.append(time.monotonic())
        return True if since[-1] - since[0] >= CERTAIN_SECONDS else None

    return bool(poll(settled, Deadline(seconds)))


def drain(own: Session) -> None:
    """Stops the IO thread and applies all that it received, for what is not applied will be lost.

    If that cannot be, the IO thread goes on as before and this refuses.
    """
    before = show_slave_status(own)
    if before is None:
        return
    own.do("STOP SLAVE IO_THREAD")
    if applied(own, DRAIN_SECONDS, lambda status: status.sql_running == "No"):
        return
    status = show_slave_status(own)
    if status is None:
        return
    if not before.io_stopped:
        own.do("START SLAVE IO_THREAD")
    raise _not_applied(own, status)


def _not_applied(own: Session, status: SlaveStatus) -> NodeError:
    code, next_step = (
        Exit.REFUSED,
        "START SLAVE SQL_THREAD, see that it goes on, then run this again",
    )
    if status.sql_errno:
        why = status.errors
        next_step = f"resolve the error that the slave names, {next_step}"
    elif status.sql_running == "No":
        why = "its SQL thread is stopped"
    else:
        code, why = Exit.DEADLINE, f"still at work after {DRAIN_SECONDS:.0f} s"
        if status.waits_for_table:
            why += f", {_held_up_by(own)}"
        next_step = "run this again: the slave goes on"
    return NodeError(
        code,
        f"the slave has received what it has not applied: {why}",
        "all of it applied, for here it would be dropped and a lost peer cannot send it again",
        next_step,
    )
