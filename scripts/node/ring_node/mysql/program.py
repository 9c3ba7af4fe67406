"""The server's program: the vendor's archive in its place, and what may be in one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from ..base import paths
from ..base.errors import Exit, NodeError, refused
from ..base.report import Report
from ..host import archive, files, packages, programs
from ..host.archive import SETTINGS, Archive, unsuitable

# Of the loader, ld.so(8).
LACKING = re.compile(r"error while loading shared libraries: (?P<library>[^:\s]+):")
VERSION = re.compile(r"Ver (5\.6\.(?P<release>\d+))\S* .*?for (\S+) on (\S+)")
# The first that knows binlog_error_action, which is in every my.cnf.
# https://dev.mysql.com/blog-archive/new-option-to-stop-the-server-if-binlogging-fails-in-mysql-5-6/
OLDEST_RELEASE = 22


def install(wanted: Archive, report: Report, libraries: Callable[[], object]) -> str:
    """Makes /opt/mysql/current this archive's MySQL; answers its version.

    `libraries` returns when the packages are there that the server needs to run.
    """

    def judge(place: Path) -> str:
        libraries()
        return check(place)

    place, new = archive.install(wanted, paths.MYSQL_ROOT, judge)
    version = judge(place)
    if new:
        report.did(f"MySQL {version} in {place}")
    if files.link(paths.MYSQL, place):
        report.did(f"{paths.MYSQL} points at {place.name}")
    return version


def check(place: Path) -> str:
    """The version of the server in `place`; refuses what is not MySQL 5.6 for x86-64, 5.6.22 or
    later."""
    mysqld = place / "bin" / "mysqld"
    if not mysqld.is_file():
        raise unsuitable(f"no bin/mysqld in {place.name}")
    machine = programs.elf_machine(mysqld)
    if machine != "x86-64":
        raise unsuitable(f"bin/mysqld is made for {machine}")
    status, output, problems = programs.attempt(
        [str(mysqld), "--no-defaults", "--version"], seconds=30, next_step=SETTINGS
    )
    lacking = LACKING.search(problems)
    if lacking:
        raise _no_library(lacking["library"])
    found = VERSION.search(output)
    if status != 0 or found is None:
        raise unsuitable(f"mysqld --version says: {(output + problems).strip()[-300:]}")
    if int(found["release"]) < OLDEST_RELEASE:
        raise unsuitable(f"MySQL {found[1]}, older than 5.6.{OLDEST_RELEASE}")
    return found[1]


def _no_library(library: str) -> NodeError:
    package = packages.debian_package(library)
    return NodeError(
        Exit.HOST,
        f"mysqld of the archive needs {library}, and this host has none",
        "the libraries that the archive's mysqld is linked with",
        f"install Debian's package of it (`apt-get install {package}`; if there is none of that "
        "name, look for the one that has the file), then run this again",
    )


def refuse_other_servers() -> None:
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
