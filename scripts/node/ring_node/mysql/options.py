"""What mysqld makes of a my.cnf, and what this tool relies on in one."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from ..base import paths
from ..base.errors import Exit, NodeError, refused
from ..host.programs import attempt

OWN_SETTINGS = {
    "datadir": str(paths.DATA),
    "socket": str(paths.SOCKET),
    "basedir": str(paths.MYSQL),
    "log-error": str(paths.ERROR_LOG),
    "ssl-ca": str(paths.CA),
    "ssl-cert": str(paths.CERTIFICATE),
    "ssl-key": str(paths.KEY),
}
JUDGE_SECONDS = 60.0
SETTINGS = "correct the my.cnf settings of the program"
VALUE = re.compile(r"^(\S+)\s+(.*)$")
EVENTS = re.compile(
    r"(?:^|\s)--(?:loose[-_])?(?:(skip|disable|enable)[-_])?event[-_]scheduler(?:=(\S*))?(?=\s|$)",
    re.IGNORECASE,
)
STATED_SERVER_ID = re.compile(rb"^\s*server[-_]id\s*=\s*(\d+)", re.MULTILINE)


def judge(content: bytes) -> dict[str, str]:
    """What mysqld makes of the file: its variables; its own words when it refuses."""
    if not paths.MYSQLD.exists():
        raise refused(f"no {paths.MYSQLD}", "MySQL in place", "run `ring-node install` first")
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder, "mysqld.cnf")
        candidate.write_bytes(content)
        Path(folder).chmod(0o755)
        shutil.chown(folder, paths.MYSQL_USER)
        candidate.chmod(0o644)
        status, output, problems = attempt(
            [
                str(paths.MYSQLD),
                f"--defaults-file={candidate}",
                f"--user={paths.MYSQL_USER}",
                "--log-error=",  # its complaints belong on standard error here
                f"--log-bin-index={folder}/index",  # it makes one
                "--verbose",
                "--help",
            ],
            seconds=JUDGE_SECONDS,
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


def refuse_other_places(values: dict[str, str]) -> None:
    for name, expected in OWN_SETTINGS.items():
        found = values.get(name, "")
        if found.rstrip("/") != expected:
            raise refused(f"{name} = {found or '(not set)'} in my.cnf", expected, SETTINGS)


def server_id(content: bytes) -> str:
    """The one that a my.cnf states, or an empty text."""
    stated = STATED_SERVER_ID.search(content)
    return stated[1].decode() if stated else ""


def events_run() -> bool:
    """Whether the my.cnf in place asks for a running event scheduler."""
    # Not --help: that wants to become the user that the file names.
    status, output, problems = attempt(
        [str(paths.MYSQLD), f"--defaults-file={paths.CONFIG}", "--print-defaults"],
        seconds=60,
        next_step=SETTINGS,
    )
    if status != 0:
        raise NodeError(
            Exit.HOST,
            f"mysqld cannot read {paths.CONFIG}: {problems.strip()[-300:]}",
            "a file that it takes",
            SETTINGS,
        )
    return events_asked(output)


def events_asked(arguments: str) -> bool:
    """Of the arguments that mysqld would have been started with, the last one counts.

    https://dev.mysql.com/doc/refman/5.6/en/server-system-variables.html#sysvar_event_scheduler
    """
    asked = False
    for modifier, value in EVENTS.findall(arguments):
        asked = modifier.lower() not in ("skip", "disable") and value.upper() in ("", "1", "ON")
    return asked
