"""Verb `config`: /etc/mysql/conf.d/mysqld.cnf, judged by mysqld itself."""

from __future__ import annotations

from enum import Enum

from ..base import paths
from ..base.errors import Exit, NodeError, refused
from ..base.report import Report
from ..host import files
from ..mysql import datadir, lifecycle, options
from ..ring import admission, restart

END = "# The end of what the program wrote."
"""The last line of the program's text: a part of a my.cnf looks like a whole one."""


class Act(Enum):
    """What is done with the file and the server."""

    NOTHING = "the server runs with it, or will when it is first started"
    WRITE = "put in place for a server that has no data directory yet"
    RESTART = "put in place, and the server restarted in its turn"
    START = "put in place, and the server started"
    START_AGAIN = "put in place, and a server that a killed restart left down started again"


def decide(*, same: bool, initialised: bool, runs: bool, left_down: bool, due: bool) -> Act:
    """`runs` is what systemd says; `due` that a killed verb owes the server a restart."""
    if not initialised:
        return Act.NOTHING if same else Act.WRITE
    if left_down:
        return Act.START_AGAIN
    if not runs:
        return Act.START
    return Act.NOTHING if same and not due else Act.RESTART


def run(text: str) -> Report:
    report = Report("config")
    if "[mysqld]" not in text or END not in text.splitlines():
        raise NodeError(
            Exit.INPUT,
            "standard input is no my.cnf, or a part of one",
            f"the text of my.cnf with a [mysqld] group and the line `{END}`",
            "run it again: a connection that breaks off leaves a part",
        )
    content = text.encode()
    old = files.read_bytes(paths.CONFIG)
    same = old == content
    if not same:
        values = options.judge(content)
        options.refuse_other_places(values)
        _refuse_other_server_id(old, values)
    initialised = datadir.initialised()
    act = decide(
        same=same,
        initialised=initialised,
        runs=initialised and lifecycle.running(),
        left_down=initialised and lifecycle.left_down(),
        due=lifecycle.restart_due(),
    )
    if act is Act.RESTART:
        restart.in_turn(
            "a changed my.cnf",
            report,
            before=lambda: _put(content, report),
            undo=lambda: _back(old),
        )
    elif act is not Act.NOTHING:
        _put(content, report)
    if act in (Act.START, Act.START_AGAIN):
        lifecycle.start() if act is Act.START else lifecycle.restart()
        report.did("server started")
    return report


def _put(content: bytes, report: Report) -> None:
    if files.write(paths.CONFIG, content, mode=0o644):
        report.did(f"{paths.CONFIG} written")


def _back(old: bytes | None) -> None:
    if old is not None:
        files.write(paths.CONFIG, old, mode=0o644)


def _refuse_other_server_id(old: bytes | None, values: dict[str, str]) -> None:
    """An event with an id that no node has any more would go round the ring for ever."""
    if old is None or not admission.admitted():
        return
    before, after = options.server_id(old), values.get("server-id", "")
    if before and before != after:
        raise refused(
            f"server-id would change from {before} to {after} on a joined node",
            "the server-id that it joined with",
            "keep it: the data of this node was written with it",
        )
