"""The files of a server change, and it restarts with those that wait for it; with a my.cnf only
where that has to be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path

from ..base import paths
from ..base.report import Report
from ..mysql import datadir, lifecycle, server_files
from . import live, restart


class Act(Enum):
    """What is done with the server."""

    NOTHING = "it runs with the files that are in place"
    IN_TURN = "given the files that wait: restarted in its turn, where that has to be"
    AT_ONCE = "it is down and serves nobody: started, with the files that wait"


def decide(*, due: bool, runs: bool, left_down: bool) -> Act:
    """`runs` is what systemd says; `left_down` that a killed restart ended it."""
    if left_down or not runs:
        return Act.AT_ONCE
    return Act.IN_TURN if due else Act.NOTHING


def lay(contents: Mapping[Path, bytes], report: Report) -> bool:
    """Lays files ready for a server that runs: True. Of one that is down they are in place."""
    runs = datadir.initialised() and lifecycle.running() and not server_files.left_down()
    for path in server_files.leave(contents) if runs else server_files.put(contents):
        report.did(f"{path} waits for the server's restart" if runs else f"{path} written")
    return runs


def bring_in(report: Report, only: Collection[Path] | None = None) -> None:
    """With all files that wait, or `only` those of them."""
    act = decide(
        due=server_files.restart_due(),
        runs=lifecycle.running(),
        left_down=server_files.left_down(),
    )
    waiting = {path for path in server_files.waiting() if only is None or path in only}
    reason = " and ".join(_kinds(waiting)) or "a restart that did not come to its end"
    if act is Act.AT_ONCE:
        restart.at_once(reason, report, only)
    elif act is Act.IN_TURN:
        if only is None and live.bring_in(report):
            return
        # New certificates may be what makes the ring healthy.
        needed = not waiting or paths.CONFIG in waiting
        restart.in_turn(reason, report, only, peer_must_be_healthy=needed)


def bring_in_though_unwell(report: Report) -> None:
    """As `bring_in`, by a restart that waits for no peer."""
    if server_files.restart_due() or not lifecycle.running():
        reason = " and ".join(_kinds(set(server_files.waiting()))) or "what was begun"
        restart.though_unwell(reason, report)


def _kinds(waiting: set[Path]) -> list[str]:
    found = []
    if paths.CONFIG in waiting:
        found.append("a changed my.cnf")
    if waiting - {paths.CONFIG}:
        found.append("new certificates")
    return found
