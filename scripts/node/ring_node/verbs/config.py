"""Verb `config`: /etc/mysql/conf.d/mysqld.cnf, judged by mysqld itself."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from ..base import paths
from ..base.errors import Exit, NodeError, refused, wrong_input
from ..base.report import Report
from ..host import files
from ..host.programs import attempt
from ..mysql import datadir, lifecycle
from ..ring import fence, restart

OWN_SETTINGS = {
    "datadir": str(paths.DATA),
    "socket": str(paths.SOCKET),
    "basedir": str(paths.MYSQL),
    "log-error": str(paths.ERROR_LOG),
    "ssl-ca": str(paths.CA),
    "ssl-cert": str(paths.CERTIFICATE),
    "ssl-key": str(paths.KEY),
}
SETTINGS = "correct the my.cnf settings of the program"
VALUE = re.compile(r"^(\S+)\s+(.*)$")


def run(text: str) -> Report:
    report = Report("config")
    if "[mysqld]" not in text:
        raise wrong_input("no [mysqld] group on standard input", "the text of my.cnf")
    content = text.encode()
    old = files.read_bytes(paths.CONFIG)
    same = old == content
    if not same:
        values = _judge(content)
        _own_settings(values)
        _same_server_id(old, values)
    started = datadir.initialised()
    left_down = started and lifecycle.left_down()
    running = started and lifecycle.running() and not left_down
    if same and not (running and lifecycle.restart_due()) and (running or not started):
        return report
    if not started:
        files.write(paths.CONFIG, content, mode=0o644)
        report.did(f"{paths.CONFIG} written")
        return report
    if running:
        restart.in_turn(
            "a changed my.cnf",
            report,
            before=lambda: _put(content, report),
            undo=lambda: _back(old),
        )
    else:
        _put(content, report)
        lifecycle.restart() if left_down else lifecycle.start()
        report.did("server started")
    return report


def _put(content: bytes, report: Report) -> None:
    if files.write(paths.CONFIG, content, mode=0o644):
        report.did(f"{paths.CONFIG} written")


def _back(old: bytes | None) -> None:
    if old is not None:
        files.write(paths.CONFIG, old, mode=0o644)


def _judge(content: bytes) -> dict[str, str]:
    """What mysqld makes of the file: its variables; its own words when it refuses."""
    if not paths.MYSQLD.exists():
        raise refused(f"no {paths.MYSQLD}", "MySQL in place", "run `ring-node install` first")
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder, "mysqld.cnf")
        candidate.write_bytes(content)
        Path(folder).chmod(0o755)
        candidate.chmod(0o644)
        status, output, problems = attempt(
            [
                str(paths.MYSQLD),
                f"--defaults-file={candidate}",
                f"--user={paths.MYSQL_USER}",
                "--log-error=",  # its complaints belong on standard error here
                "--verbose",
                "--help",
            ],
            seconds=60,
            next_step=SETTINGS,
        )
    wrong = complaints(problems)
    if status != 0 and not wrong:
        wrong = [problems.strip()[-600:] or f"exit status {status}"]
    if wrong:
        raise NodeError(
            Exit.REFUSED,
            f"mysqld refuses this my.cnf: {' | '.join(wrong)}",
            "a file that it takes",
            SETTINGS,
        )
    stated = re.search(rb"^\s*log[-_]error\s*=\s*(\S+)", content, re.MULTILINE)
    return {**variables(output), "log-error": stated[1].decode() if stated else ""}


def complaints(log: str) -> list[str]:
    """The errors that are about the file. Without a data directory it misses that too."""
    lines = [line for line in log.splitlines() if "[ERROR]" in line]
    return [line for line in lines if "mysql.plugin" not in line and "Aborting" not in line]


def variables(output: str) -> dict[str, str]:
    """The table of effective values at the end of `mysqld --verbose --help`."""
    _, _, table = output.partition("Variables (--variable-name=value)")
    pairs = (VALUE.match(line) for line in table.splitlines()[2:])
    return {pair[1]: pair[2].strip() for pair in pairs if pair}


def _own_settings(values: dict[str, str]) -> None:
    for name, expected in OWN_SETTINGS.items():
        found = values.get(name, "")
        if found.rstrip("/") != expected:
            raise refused(f"{name} = {found or '(not set)'} in my.cnf", expected, SETTINGS)


def _same_server_id(old: bytes | None, values: dict[str, str]) -> None:
    """An event with an id that no node has any more would go round the ring for ever."""
    if old is None or not datadir.initialised() or fence.stands():
        return
    before = re.search(rb"^\s*server[-_]id\s*=\s*(\d+)", old, re.MULTILINE)
    after = values.get("server-id", "")
    if before and before[1].decode() != after:
        raise refused(
            f"server-id would change from {before[1].decode()} to {after} on a joined node",
            "the server-id that it joined with",
            "keep it, or replace the instance: a new node may have a new server-id",
        )
