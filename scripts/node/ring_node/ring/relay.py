"""What a slave has received and not applied. Nobody else may have it any more."""

from __future__ import annotations

from ..base.errors import Exit, NodeError
from ..base.waiting import Deadline, poll
from ..mysql.shows import SlaveStatus, show_slave_status
from ..mysql.sql import Session

DRAIN_SECONDS = 120.0


def drain(own: Session) -> None:
    """Stops the IO thread and applies all that it received, for what is not applied will be lost.

    If that cannot be, the IO thread goes on as before and this refuses.
    """
    before = show_slave_status(own)
    if before is None:
        return
    own.do("STOP SLAVE IO_THREAD")

    def settled() -> bool | None:
        status = show_slave_status(own)
        return True if status is None or status.drained or status.sql_running == "No" else None

    poll(settled, Deadline(DRAIN_SECONDS))
    status = show_slave_status(own)
    if status is None or status.drained:
        return
    if not before.io_stopped:
        own.do("START SLAVE IO_THREAD")
    raise _not_applied(status)


def _not_applied(status: SlaveStatus) -> NodeError:
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
        next_step = "run this again: the slave goes on"
    return NodeError(
        code,
        f"the slave has received what it has not applied: {why}",
        "all of it applied, for here it would be dropped and a lost peer cannot send it again",
        next_step,
    )
