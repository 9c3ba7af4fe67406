"""The files of a server change, and it restarts with those that wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from ..base import paths
from ..base.report import Report
from ..mysql import datadir, lifecycle, server_files
from . import restart


class Act(Enum):
    """What is done with the server."""

    NOTHING = "it runs with the files that are in place"
    IN_TURN = "restarted in its turn, with the files that wait"
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


def bring_in(report: Report) -> None:
    act = decide(
        due=server_files.restart_due(),
        runs=lifecycle.running(),
        left_down=server_files.left_down(),
    )
    waiting = server_files.waiting()
    reason = " and ".join(_kinds(waiting)) or "a restart that did not come to its end"
    if act is Act.AT_ONCE:
        restart.at_once(reason, report)
    elif act is Act.IN_TURN:
        # New certificates may be what makes the ring healthy.
        needed = not waiting or paths.CONFIG in waiting
        restart.in_turn(reason, report, peer_must_be_healthy=needed)


def _kinds(waiting: dict[Path, bytes]) -> list[str]:
    found = []
    if paths.CONFIG in waiting:
        found.append("a changed my.cnf")
    if waiting.keys() - {paths.CONFIG}:
        found.append("new certificates")
    return found
