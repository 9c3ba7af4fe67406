"""The data directory: whether there is one, whose it is, and how it is made."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

from ..base import paths
from ..base.errors import Exit, NodeError, refused
from ..host import files
from . import bootstrap, incarnations, lifecycle

INITIALISE_SECONDS = 300.0
NEW = ".new-"
UUID = re.compile(r"^server-uuid\s*=\s*([0-9a-fA-F-]{36})\s*$", re.MULTILINE)
# The next run must not find it writing. mysqld's own --user would clear the signal (prctl(2)).
DIES_WITH_VERB = (
    "setpriv", f"--reuid={paths.MYSQL_USER}", f"--regid={paths.MYSQL_USER}", "--init-groups",
    "--pdeathsig", "KILL", "--",
)  # fmt: skip


def initialised() -> bool:
    return (paths.DATA / paths.DATA_MARKER).is_file()


def server_uuid() -> str | None:
    """The uuid that the server gave itself at its first start; None before that."""
    content = files.read_bytes(paths.DATA / "auto.cnf")
    found = UUID.search(content.decode(errors="replace")) if content else None
    return found[1] if found else None


def refuse_foreign_data() -> None:
    """Refuses data where the links into the data volume belong, or where one leads to."""
    for place in (paths.DATA, paths.LOGS):
        if place.is_symlink() and Path(os.readlink(place)).parent == paths.CURRENT:
            continue
        try:
            entries = sorted(entry.name for entry in place.iterdir())
        except FileNotFoundError:
            continue
        if entries or place.is_symlink():
            raise refused(
                f"{place} holds {', '.join(entries[:5]) or 'nothing, and leads elsewhere'}, and "
                "was not made by this ring",
                f"an absent or empty {place}",
                "move that data away if it is wanted, remove it if not, then run this again",
            )
    if incarnations.current() is not None and not initialised():
        raise refused(
            f"{paths.CURRENT} leads to {incarnations.current()}, which was not initialised by this "
            "ring",
            "the data directory that it was",
            "see what happened to it on the data volume; nothing was changed",
        )


def initialise(password: str) -> None:
    """Makes an incarnation beside its place and moves it there when it is whole."""
    for old in paths.VOLUME.glob(f"{NEW}*"):
        files.remove_tree(old)  # of a run that was interrupted
    place = paths.VOLUME / f"{NEW}{secrets.token_hex(4)}"
    data = place / "data"
    try:
        incarnations.make(place)
        (data / "mysql").mkdir(mode=0o750)
        shutil.chown(data / "mysql", paths.MYSQL_USER, paths.MYSQL_USER)
        sources = [(paths.SHARE / name).read_text() for name in bootstrap.FILES]
        _bootstrap(data, bootstrap.script(sources, password))
        (data / "auto.cnf").unlink(missing_ok=True)
        (data / paths.DATA_MARKER).write_text("initialised by ring-node\n")
        incarnations.take_place(place)
    except OSError as error:
        raise NodeError(
            Exit.HOST, f"{error}", "an initialised data directory", "correct that, run this again"
        ) from None
    finally:
        files.remove_tree(place)


def _bootstrap(place: Path, script: str) -> None:
    command = [
        *DIES_WITH_VERB,
        str(paths.MYSQLD),
        f"--defaults-file={paths.CONFIG}",
        "--bootstrap",
        f"--datadir={place}",
        f"--log-error={place}/bootstrap.err",
        "--skip-log-bin",
        "--skip-log-slave-updates",
        "--skip-slave-start",
        "--skip-ssl",
        "--innodb-buffer-pool-load-at-startup=0",
        "--innodb-buffer-pool-dump-at-shutdown=0",
        "--lc-messages-dir=" + str(paths.SHARE),
    ]
    log = place / "bootstrap.err"
    try:
        result = subprocess.run(
            command,
            input=script.encode(),
            capture_output=True,
            timeout=INITIALISE_SECONDS,
            check=False,
        )
        text = log.read_text(errors="replace") if log.exists() else ""
        text += result.stderr.decode(errors="replace")
        status = result.returncode
    except subprocess.TimeoutExpired:
        status, text = -1, f"still at work after {INITIALISE_SECONDS:.0f} s"
    # A failing statement does not always change the exit status of --bootstrap.
    if status != 0 or "[ERROR]" in text or "ERROR:" in text:
        raise NodeError(
            Exit.SERVER,
            f"`mysqld --bootstrap` ended with {status}: {lifecycle.errors_of(text)[-1200:]}",
            "a data directory with the system tables",
            f"correct what it names ({paths.CONFIG}), then run this again",
        )
    log.unlink(missing_ok=True)
