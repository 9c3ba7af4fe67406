"""Verb `install`: packages, MySQL, users, folders and units. Starts nothing."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..agent import service
from ..base import paths
from ..base.errors import refused
from ..base.report import Report
from ..host import archive, files, gate, network, packages, systemd, users, volumes
from ..mysql import datadir, lifecycle, program
from ..ring import copy_units, documents, records
from ..ring.documents import Node

# libaio1, libnuma1: mysqld, the second since 5.6.27. libtinfo5, libncurses5: the client programs of
# the vendor's archive. nftables: the gate. xfsprogs: the data volume.
# mariadb-client-core: a prompt, and with logrotate other log files.
PACKAGES = (
    "libaio1",
    "libnuma1",
    "libtinfo5",
    "libncurses5",
    "nftables",
    "xfsprogs",
    "python3-pymysql",
    "mariadb-client-core",
    "logrotate",
)
FOLDERS = (
    (paths.CONFIG.parent, 0o755, "root"),
    (paths.SSL, 0o755, "root"),
    (paths.ETC, 0o755, "root"),
)


def run(document: Any) -> Report:
    report = Report("install")
    wanted = documents.archive(document)
    node = records.node()
    if node is None:
        raise refused(f"no {paths.NODE}", "who this node is", "run `ring-node tools` first")
    program.refuse_other_servers()
    datadir.refuse_foreign_data()
    if not _serves():
        network.refuse_taken_port(lifecycle.PORT)
    archive.refuse_small_disk(wanted, paths.MYSQL_ROOT)
    before = os.path.realpath(paths.MYSQL)
    # Side by side: each waits for another mirror most of its time.
    with ThreadPoolExecutor(1) as pool:
        packaged = pool.submit(packages.install, PACKAGES, report)
        version = program.install(wanted, report, packaged.result)
    if users.make(paths.MYSQL_USER):
        report.did(f"system user {paths.MYSQL_USER}")
    for path, mode, owner in FOLDERS:
        if files.folder(path, mode=mode, owner=owner):
            report.did(f"folder {path}")
    if os.path.realpath(paths.MYSQL) != before and _serves():
        report.note(f"the server runs on with {Path(before).name} until it is restarted")
    _units(node, report)
    if files.write(paths.LOGROTATE, lifecycle.LOGROTATE.encode(), mode=0o644):
        report.did(f"{paths.LOGROTATE} written")
    network.notice_dead_links(report)
    report.facts["version"] = version
    return report


def _serves() -> bool:
    return lifecycle.installed() and lifecycle.running()


def _units(node: Node, report: Report) -> None:
    units = (
        (paths.VOLUME_SERVICE, volumes.UNIT),
        (paths.GATE_SERVICE, gate.unit(paths.MYSQL_SERVICE)),
        (paths.MYSQL_SERVICE, lifecycle.UNIT),
        (paths.AGENT_SERVICE, service.UNIT),
        (paths.COPY_SOCKET, copy_units.socket_unit(node.replication_address)),
    )
    changed = [systemd.put_unit(name, text, report) for name, text in units]
    copies = paths.UNITS / paths.COPY_SERVICE
    changed.append(files.write(copies, copy_units.SERVICE.encode(), mode=0o644))
    if any(changed):
        systemd.systemctl("daemon-reload")
    # From now on the peer may ask for a copy. A run that was killed may have put the units only.
    if any(changed) or systemd.state(paths.COPY_SOCKET)[0] != "active":
        systemd.systemctl("restart", paths.COPY_SOCKET)
