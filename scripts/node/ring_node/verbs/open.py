"""Verb `open`: opens the gate by hand, when nothing else can."""

from __future__ import annotations

from ..base import paths
from ..base.errors import refused, too_late
from ..base.report import Report
from ..host import gate
from ..mysql import sql
from ..ring import admission, agent_state, opening, records


def run(*, though_behind: str) -> Report:
    report = Report("open")
    records.refuse_other_name(
        f"--though-behind {though_behind}",
        though_behind,
        "what it lacks, its clients will not see, and a row that its peer changed meanwhile may "
        "end different on both",
        "look at `ring-node gate` on both nodes and open the one whose data is wanted",
    )
    closed = gate.number()
    if closed is None:
        return report
    if not admission.admitted():
        raise refused(
            "this node has not joined its ring: it may hold a part of the data",
            "a node that held all that its peer held",
            "`pulumi up`, or `sudo ring-node rejoin` on this node",
        )
    why = agent_state.why_closed()
    with sql.own(report) as own:
        if not opening.lift(own, closed):
            raise too_late(
                "the gate was closed again meanwhile, as each start of the server does",
                "a server that runs on",
                f"see that it does (`systemctl status {paths.MYSQL_SERVICE}`), run this again",
            )
    report.did(f"serves clients, though {why}")
    return report
