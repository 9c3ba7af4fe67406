"""Verb `restore-new`: what a new ring begins with, out of a bucket."""

from __future__ import annotations

from typing import Any

from ..backup import born
from ..base.report import Report
from ..host import network


def run(document: Any) -> Report:
    report = Report("restore-new")
    asked = born.parse(document)
    network.wait_for_address(asked.pair.node.replication_address)  # attached beside earlier steps
    born.run(asked, report)
    return report
