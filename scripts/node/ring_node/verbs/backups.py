"""Verb `backups`: what the bucket holds, and what of it is restored on this host."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..backup import choosing, drills, manifest, place, restore, restored
from ..backup.choosing import Bucket, Found
from ..backup.store import Store
from ..base import paths
from ..base.report import Report
from ..mysql import program


def run() -> Report:
    report = Report("backups")
    where = place.read()
    store, nodes = Store(where), restore.nodes()
    bucket = Bucket(store, nodes)
    found = bucket.read_all(program.check(paths.MYSQL))
    report.facts.update(
        bucket=where.bucket,
        stack=where.stack,
        ring=where.ring,
        node=where.node,
        backups=[_shown(each) for each in found],
        logs=[asdict(each) for each in choosing.spans(store, nodes)],
        turns=[manifest.moment_of(turn).strftime(manifest.TIME_FORMAT) for turn in bucket.turns],
        drills=drills.kept(store, nodes),
        restored=[each.shown() for each in restored.all_here()],
    )
    return report


def _shown(found: Found) -> dict[str, Any]:
    kept, problem = found.manifest, found.problem
    return {
        "node": found.name.node,
        "name": found.name.identity,
        "taken_at": found.name.taken_at.strftime(manifest.TIME_FORMAT),
        "server_uuid": kept and kept.server_uuid,
        "mysql_version": kept and kept.mysql_version,
        "bytes": kept and kept.bytes,
        "files": kept and kept.files,
        "seconds": kept and kept.seconds,
        "stored_bytes": kept and kept.data.bytes + (kept.export.bytes if kept.export else 0),
        "export": kept and kept.export is not None,
        "inexact": kept and list(kept.inexact),
        "checked": kept and asdict(kept.checked),
        "master": kept and list(kept.master),
        "problem": problem and problem.found,
        "next_step": problem and problem.next_step,
    }
