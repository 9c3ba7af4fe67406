"""Verb `gate`: whether clients reach this node, and why not."""

from __future__ import annotations

from ..base.report import Report
from ..host import gate
from ..ring import admission, agent_state


def run() -> Report:
    report = Report("gate")
    is_open = gate.is_open()
    report.facts.update(
        open=is_open,
        why=None if is_open else agent_state.why_closed(),
        admitted=admission.admitted(),
    )
    return report
