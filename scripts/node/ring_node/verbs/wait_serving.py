"""Verb `wait-serving`: a node of a ring whose host was stopped has come back as it was.

On a host that has not joined yet, such as a new one, there is nothing to wait for.
"""

from __future__ import annotations

from ..base import paths
from ..base.errors import too_late
from ..base.report import Report
from ..base.waiting import Deadline, poll
from ..host import gate
from ..ring import agent_state, records

BACK_SECONDS = 900.0  # it catches up first


def run() -> Report:
    report = Report("wait-serving")
    node, peer = records.node(), records.peer()
    if node is None or peer is None:
        return report
    from ..ring import restart  # needs packages, which a new host lacks so far

    def serves() -> bool | None:
        return restart.healthy(node, peer) if gate.is_open() else None

    if poll(serves, Deadline(BACK_SECONDS)) is None:
        said = f"heartbeats of {node.name} and {peer.name} are not fresh on the other side"
        if not gate.is_open():
            said = f"the gate of {node.name} is closed: {agent_state.why_closed()}"
        raise too_late(
            said,
            f"an open gate and fresh heartbeats both ways within {BACK_SECONDS:.0f} s",
            f"resolve what that names (`systemctl status {paths.AGENT_SERVICE}`, "
            "`ring-node status` on both nodes), then run this again",
        )
    report.facts["serves"] = True
    return report
