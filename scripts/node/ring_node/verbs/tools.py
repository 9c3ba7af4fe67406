"""Verb `tools`: this tool becomes a release of its own on the host."""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import too_late
from ..base.fields import to_json
from ..base.report import Report
from ..host import files, gate, systemd
from ..host.programs import attempt
from ..mysql import lifecycle
from ..ring import documents

FIRST_BOOT_SECONDS = 300.0
RECOVERABLE = 2  # of `cloud-init status`, since 23.4: done, with errors that it got over
RELEASES_KEPT = 3


def run(document: Any) -> Report:
    report = Report("tools")
    digest, node = documents.release(document)
    _wait_for_first_boot(report)
    release = paths.RELEASES / digest
    if _copy(Path(__file__).resolve().parents[2], release):
        report.did(f"release {digest} in {release}")
    if files.link(paths.CURRENT_RELEASE, release):
        report.did(f"{paths.CURRENT_RELEASE} points at it")
        if (paths.UNITS / paths.AGENT_SERVICE).exists():
            systemd.systemctl("try-restart", paths.AGENT_SERVICE)
    if files.link(paths.COMMAND, paths.CURRENT_RELEASE / "ring-node"):
        report.did(f"{paths.COMMAND} is the command for people")
    files.folder(paths.ETC, mode=0o755)
    if files.write(paths.NODE, to_json(node), mode=0o644):
        report.did(f"{paths.NODE} says which node this is: {node.name}")
    closed = gate.rules(node.replication_address, lifecycle.PORT)
    if files.write(paths.GATE, closed.encode(), mode=0o644):
        report.did(f"{paths.GATE} says whom the gate lets through: the peer")
    _remove_old(release)
    report.facts["release"] = digest
    return report


def _copy(source: Path, release: Path) -> bool:
    if release.is_dir():
        return False
    temporary = release.with_name(f".{release.name}.{os.getpid()}.new")
    files.remove_tree(temporary)
    temporary.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, temporary, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (temporary, *temporary.rglob("*")):
        os.chown(path, 0, 0)
        entry = path.parent == temporary and path.name == "ring-node"
        path.chmod(0o755 if path.is_dir() or entry else 0o644)
    compileall.compile_dir(
        temporary,
        quiet=2,
        stripdir=str(temporary),
        prependdir=str(release),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    os.sync()  # a release counts as whole by its name
    os.rename(temporary, release)
    files.sync_folder(release.parent)
    return True


def _remove_old(current: Path) -> None:
    releases = sorted(
        (path for path in paths.RELEASES.iterdir() if path != current),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for path in releases[RELEASES_KEPT - 1 :]:
        files.remove_tree(path)


def _wait_for_first_boot(report: Report) -> None:
    """cloud-init writes network files and keys; nothing may build on a half booted host, and the
    replication interface is attached when this verb has ended.

    Where the tool stands already that has ended well, and what cloud-init says is of a later boot:
    one failed module of it is no reason to give up a host.
    """
    built_on = paths.CURRENT_RELEASE.is_symlink()
    status, output, problems = attempt(
        ["cloud-init", "status", "--wait"],
        seconds=FIRST_BOOT_SECONDS,
        next_step="read /var/log/cloud-init.log on the host",
    )
    said = (output + problems).strip()[-300:]
    if status == RECOVERABLE:
        report.note(f"cloud-init had recoverable errors: {said}")
    elif status != 0 and built_on:
        report.note(f"cloud-init had errors since the first boot: {said}")
    elif status != 0:
        raise too_late(
            f"cloud-init ended with: {said}",
            "a first boot without errors",
            "read /var/log/cloud-init.log on the host, then replace the instance",
        )
