"""Verb `install`: packages, MySQL, users, folders and units. Starts nothing."""

from __future__ import annotations

import os
import pwd
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import refused
from ..base.report import Report
from ..host import archive, files, network, packages, systemd, units
from ..host.programs import attempt
from ..host.programs import run as run_program
from ..mysql import datadir, lifecycle
from ..ring import documents

NEXT_STEP = "read the message; nothing was started"


def run(document: Any) -> Report:
    report = Report("install")
    wanted = documents.archive(document)
    _refuse_other_servers()
    archive.refuse_small_disk(wanted)
    before = os.path.realpath(paths.MYSQL)
    # Side by side: each waits for another mirror most of its time.
    with ThreadPoolExecutor(1) as pool:
        packaged = pool.submit(packages.install, report)
        version = archive.install(wanted, report, packaged.result)
    _user(paths.MYSQL_USER, "/nonexistent", report)
    _user(paths.HEARTBEAT_USER, "/nonexistent", report)
    _folders(report)
    if os.path.realpath(paths.MYSQL) != before and lifecycle.installed() and lifecycle.running():
        report.note(f"the server runs on with {Path(before).name} until it is restarted")
    _units(report)
    _keepalive(report)
    report.facts["version"] = version
    return report


def _refuse_other_servers() -> None:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program = os.readlink(process / "exe")
        except OSError:
            continue
        name = Path(program.removesuffix(" (deleted)")).name
        if name in ("mysqld", "mariadbd") and not program.startswith(f"{paths.MYSQL_ROOT}/"):
            raise refused(
                f"a server that is not this ring's runs here: {program}, process {process.name}",
                "a host without another MySQL or MariaDB server",
                "stop and remove it if its data is not wanted, or give the ring another host",
            )
    datadir.refuse_foreign_data()
    if not (lifecycle.installed() and lifecycle.running()):
        network.refuse_taken_port(lifecycle.PORT)


def _user(name: str, home: str, report: Report) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        run_program(
            ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", home,
             "--shell", "/usr/sbin/nologin", name],
            seconds=60,
            expected=f"a system user {name}",
            next_step=NEXT_STEP,
        )  # fmt: skip
        report.did(f"system user {name}")


def _folders(report: Report) -> None:
    wanted = (
        (paths.LOGS, 0o750, paths.MYSQL_USER),
        (paths.CONFIG.parent, 0o755, "root"),
        (paths.SSL, 0o755, "root"),
        (paths.ETC, 0o755, "root"),
        (paths.STATE, 0o700, "root"),
    )
    for path, mode, owner in wanted:
        if files.folder(path, mode=mode, owner=owner):
            report.did(f"folder {path}")


def _units(report: Report) -> None:
    changed = False
    for name, text in (
        (paths.MYSQL_SERVICE, units.MYSQL),
        (paths.HEARTBEAT_SERVICE, units.HEARTBEAT),
    ):
        if files.write(paths.UNITS / name, text.encode(), mode=0o644):
            report.did(f"unit {name}")
            changed = True
        if systemd.enable(name):
            report.did(f"{name} starts with the host")
            changed = True
    if changed:
        systemd.systemctl("daemon-reload")


def _keepalive(report: Report) -> None:
    if files.write(paths.SYSCTL, units.SYSCTL.encode(), mode=0o644):
        report.did(f"kernel settings {paths.SYSCTL}")
    held = {name: Path("/proc/sys", *name.split(".")) for name in units.KEEPALIVE}
    if all(held[name].read_text().strip() == value for name, value in units.KEEPALIVE.items()):
        return
    status, _, problems = attempt(
        ["sysctl", "--quiet", "--load", str(paths.SYSCTL)], seconds=30, next_step=NEXT_STEP
    )
    if status != 0:  # a container whose kernel settings belong to its host
        report.note(f"kernel settings not applied: {problems.strip()[:200]}")
