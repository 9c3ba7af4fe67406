"""Verb `volume`: the data volume, with a file system, mounted, and as large as it is to be."""

from __future__ import annotations

from typing import Any

from ..base import paths
from ..base.errors import refused
from ..base.report import Report
from ..host import files, systemd, volumes
from ..mysql import datadir
from ..ring import documents, records

FOLDERS = (
    (paths.INCARNATIONS, 0o755, "root"),
    (paths.SNAPSHOTS, 0o700, "root"),
    (paths.ARRIVING, 0o755, "root"),
    (paths.IMAGES, 0o755, "root"),
    (paths.TMP, 0o700, paths.MYSQL_USER),
    (paths.FILES, 0o750, paths.MYSQL_USER),
)
LINKS = ((paths.DATA, paths.CURRENT / "data"), (paths.LOGS, paths.CURRENT / "log"))


def run(document: Any) -> Report:
    report = Report("volume")
    wanted = documents.volume(document)
    node = records.node()
    if node is None:
        raise refused(f"no {paths.NODE}", "who this node is", "run `ring-node tools` first")
    datadir.refuse_foreign_data()
    volumes.ready(wanted.volume_id, node.name, report)
    volumes.grow(wanted.volume_id, wanted.size_gib, report)
    for path, mode, owner in FOLDERS:
        if files.folder(path, mode=mode, owner=owner):
            report.did(f"folder {path}")
    for path, target in LINKS:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()  # empty, as refuse_foreign_data has seen
        if files.link(path, target):
            report.did(f"{path} leads to {target}")
    systemd.systemctl("start", paths.VOLUME_SERVICE)  # so that mysql.service finds it done
    report.facts.update(volume_id=wanted.volume_id, size_gib=wanted.size_gib)
    return report
