"""A changed my.cnf is brought in on the server that runs, where all of it is variables that can be
set there: nobody loses a connection, and it is also for a ring that is not healthy."""

from __future__ import annotations

from contextlib import suppress

from ..base import paths
from ..base.errors import NodeError
from ..base.report import Report
from ..base.waiting import Deadline, poll
from ..host import files
from ..mysql import options, server_files, shows, sql, variables
from ..mysql.sql import Session
from ..mysql.variables import Change, File
from . import admission, records, relay, restart, trial

HEALED_SECONDS = 15.0
BEHIND_SECONDS = 5
OF_THE_RING = "SELECT id FROM information_schema.processlist WHERE user IN (%s, %s)"


def bring_in(report: Report) -> bool:
    """False: nothing was changed, and the server has to restart.

    If the ring was healthy and is not any more, the values and the file from before are back.
    """
    node, peer = records.node(), records.peer()
    if node is None or peer is None or not admission.admitted():
        return False
    changes = _changes()
    if changes is None:
        return False
    with suppress(NodeError):  # a dead peer's lock lasts
        restart.wait_for_peers_turn()
    healthy = poll(lambda: restart.healthy(node, peer), Deadline(restart.FRESH_SECONDS)) is True
    not_set: list[variables.NotSet] = []
    with sql.own(report) as own:
        told = _told_to_stop(own)

        def take() -> None:
            try:
                variables.set_all(own, {each.variable: each.new for each in changes})
            except variables.NotSet as error:
                not_set.append(error)
                raise
            judge()

        def judge() -> None:
            _begin_anew(own, report, told)
            if healthy:
                restart.wait_until_healthy(node, peer, report, "the change", known=True)

        def take_back() -> None:
            if not not_set:  # else nothing was
                variables.set_all(own, {each.variable: each.old for each in changes})
                judge()

        # The file first: a run that is killed between leaves a restart due, whatever is set.
        try:
            trial.run({paths.CONFIG}, take, take_back)
        except NodeError:
            if not not_set:
                raise
            report.note(f"a restart is needed: {not_set[0].found}")
            return False
    names = ", ".join(each.variable for each in changes) or "nothing that it knows"
    report.did(f"a changed my.cnf brought in without a restart, by SET GLOBAL: {names}")
    if not healthy and poll(lambda: restart.healthy(node, peer), Deadline(HEALED_SECONDS)) is None:
        report.note(f"the ring is not healthy, as before: {restart.unhealthy(node, peer)}")
    return True


def _changes() -> list[Change] | None:
    """None: of what waits or is in place, something needs a restart, or may."""
    waiting = server_files.waiting()
    new, old = waiting.get(paths.CONFIG), server_files.read_by_server(paths.CONFIG)
    # After a killed restart the server runs with the file in place, or with the one before.
    placed = files.read_bytes(paths.CONFIG)
    if new is None or len(waiting) > 1 or old is None or placed is None:
        return None
    try:
        before = [_file(each) for each in dict.fromkeys((old, placed))]
    except NodeError:
        return None  # edited by hand: the server does not start with it
    return variables.changes(_file(new), *before)


def _file(content: bytes) -> File:
    return File(content.decode(errors="replace"), options.judge(content))


def _told_to_stop(own: Session) -> bool:
    """Whether somebody stopped a thread of the slave, maybe to keep from here what the peer did.

    A killed run of this may have done it: then the files are exchanged still.
    """
    status = shows.show_slave_status(own)
    if status is None or server_files.exchanged():
        return False
    threads = (status.io_running, status.io_errno), (status.sql_running, status.sql_errno)
    return ("No", 0) in threads


def _begin_anew(own: Session, report: Report, told_to_stop: bool) -> None:
    """The ring's sessions, which keep the values that they began with: they are what is judged."""
    ring = [records.credentials().replication.user, records.heartbeat_login().user]
    for row in own.rows(OF_THE_RING, ring):
        with suppress(NodeError):  # it has ended
            own.do("KILL CONNECTION %s", [row["id"]])
    status = shows.show_slave_status(own)
    if status is None:
        return
    if told_to_stop:
        report.note("the slave was stopped, and stays so: START SLAVE begins with the new values")
        return
    behind = status.waits_for_table or (status.seconds_behind or 0) > BEHIND_SECONDS
    if status.both_run and behind:  # it may be long in one statement
        report.note("the slave is behind: its threads take the new values when they begin anew")
        return
    if status.both_run:
        relay.stop(own)
    own.do("START SLAVE")
