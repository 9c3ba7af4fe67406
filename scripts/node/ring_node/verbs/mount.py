"""Verb of a unit, at boot: the data volume in its place; what a killed copy or backup left goes."""

from __future__ import annotations

from ..base import paths
from ..base.report import Report
from ..host import files, volumes


def run() -> Report:
    report = Report("mount")
    if not volumes.mount_again():
        return report  # a copy may be at work on it
    for folder in (paths.SNAPSHOTS, paths.ARRIVING, paths.IMAGES, paths.RESTORING):
        for left in folder.iterdir() if folder.is_dir() else ():
            files.remove_tree(left)
            report.did(f"removed {left}, which a copy or a backup had left")
    return report
