"""Verb `rejoin`: seed and replicate from the records on this host, by hand.

Of two nodes the one whose data is wanted runs it without an option. The other one, whose data is
not wanted, runs it with `--discard` and its own name first: it then copies its peer. A peer that
was set back in time, or of which this node's server cannot say whether it was, is copied only if
`--though-behind` names it.
"""

from __future__ import annotations

from ..agent import service
from ..backup import whole
from ..base.errors import Exit, NodeError, refused
from ..base.report import Report
from ..ring import records, replicating, seeding
from ..ring.documents import Pair


def run(*, discard: str | None, though_behind: str | None) -> Report:
    report = Report("rejoin")
    pair = records.pair()
    if discard is not None:
        _discard(discard, though_behind, pair, report)
    elif though_behind is not None:
        raise NodeError(
            Exit.INPUT,
            "--though-behind without --discard",
            "both, or none of them",
            "ring-node rejoin --help",
        )
    seeding.run(pair, report)
    service.start(report)
    replicating.run(pair, report)
    whole.ring_is_whole(report)
    return report


def _discard(named: str, though_behind: str | None, pair: Pair, report: Report) -> None:
    if named != pair.node.name:
        raise refused(
            f"--discard {named} on {pair.node.name}",
            f"--discard {pair.node.name}: the name of the node that gives up what it holds",
            "run it on the node whose data is not wanted",
        )
    seeding.discard(pair, though_behind, report)
