"""Verb of a unit, at boot: the data volume in its place, and what a killed copy left is gone."""

from __future__ import annotations

from ..base import paths
from ..base.report import Report
from ..host import files, volumes


def run() -> Report:
    report = Report("mount")
    if not volumes.mount_again():
        return report  # a copy may be at work on it
    for folder in (paths.SNAPSHOTS, paths.ARRIVING):
        for left in folder.iterdir() if folder.is_dir() else ():
            files.remove_tree(left)
            report.did(f"removed {left}, which a copy had left")
    return report
