"""Verb `server`: initialise, secure, start; root over the socket with a password."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import Exit, NodeError, refused
from ..base.report import Report
from ..host import files, room, systemd
from ..mysql import bootstrap, datadir, lifecycle, sql, tls
from ..mysql.login import keep_root_password
from ..ring import documents, fence

INITIALISE_SECONDS = 300.0
# The next run must not find it writing. mysqld's own --user would clear the signal (prctl(2)).
DIES_WITH_VERB = (
    "setpriv", f"--reuid={paths.MYSQL_USER}", f"--regid={paths.MYSQL_USER}", "--init-groups",
    "--pdeathsig", "KILL", "--",
)  # fmt: skip
# Where a plugin keeps its password: 5.6 looks into Password for its own two, whatever stands in
# authentication_string, and lets anybody in by a sha256_password that is empty. Of other plugins an
# empty string says nothing: they ask elsewhere, or take the account's name.
OTHERS = (
    "SELECT CONCAT(User, '@', Host) AS account FROM mysql.user WHERE User = ''"
    " OR (User = 'root' AND Host <> 'localhost')"
    " OR (Password = ''"
    " AND IFNULL(plugin, '') IN ('', 'mysql_native_password', 'mysql_old_password'))"
    " OR (plugin = 'sha256_password' AND IFNULL(authentication_string, '') = '')"
)


def run(document: Any) -> Report:
    report = Report("server")
    password = documents.root_password(document)
    _prerequisites()
    datadir.refuse_foreign_data()
    if not datadir.initialised():
        fence.put_up(report)
        keep_root_password(
            password
        )  # first: nobody else knows it, if this is killed and it changes
        with room.needed(paths.DATA.parent, "room for the data directory"):
            _initialise(password)
        report.did(f"{paths.DATA} initialised and secured")
    if systemd.enable(paths.MYSQL_SERVICE):
        report.did("starts with the host")
    if not lifecycle.running():
        lifecycle.start()
        report.did("server started")
    elif not lifecycle.greets():
        lifecycle.start()  # waits for a start that is under way
    _apply_password(password, report)
    _verify(report)
    return report


def _prerequisites() -> None:
    for path, verb in ((paths.MYSQLD, "install"), (paths.KEY, "tls"), (paths.CONFIG, "config")):
        if not path.exists():
            raise refused(f"no {path}", "it in place", f"run `ring-node {verb}` first")


def _initialise(password: str) -> None:
    """Makes a data directory beside its place and moves it there when it is whole."""
    for old in paths.DATA.parent.glob(f".{paths.DATA.name}.*.new"):
        files.remove_tree(old)  # of a run that was interrupted
    place = paths.DATA.with_name(f".{paths.DATA.name}.{secrets.token_hex(4)}.new")
    place.mkdir(mode=0o750)
    (place / "mysql").mkdir(mode=0o750)
    for path in (place, place / "mysql"):
        shutil.chown(path, paths.MYSQL_USER, paths.MYSQL_USER)
    try:
        sources = [(paths.SHARE / name).read_text() for name in bootstrap.FILES]
        _bootstrap(place, bootstrap.script(sources, password))
        (place / "auto.cnf").unlink(missing_ok=True)
        (place / paths.DATA_MARKER).write_text("initialised by ring-node\n")
        os.sync()
        os.rename(place, paths.DATA)
        files.sync_folder(paths.DATA.parent)
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


def _apply_password(password: str, report: Report) -> None:
    try:
        with sql.own(report, password=password):
            pass
    except NodeError as error:
        if not sql.denied(error):
            raise
    else:
        if keep_root_password(password):
            report.did(f"{paths.ROOT_CLIENT} written")
        return
    try:
        with sql.own(report) as session, session.unlogged():
            session.do(
                "SET PASSWORD FOR 'root'@'localhost' = %s", [bootstrap.password_hash(password)]
            )
    except NodeError as error:
        if not sql.denied(error):
            raise
        raise refused(
            f"root's password is neither the given one nor the one in {paths.ROOT_CLIENT}",
            "one of the two",
            f"put the password that is in force into {paths.ROOT_CLIENT}, then run this again",
        ) from None
    keep_root_password(password)
    report.did("root's password changed")


def _verify(report: Report) -> None:
    from ..mysql import shows

    with sql.own(report) as session:
        found = shows.identity(session)
        others = [row["account"] for row in session.rows(OTHERS)]
    tls.refuse_disabled(found.have_ssl)
    if not found.version.startswith("5.6."):
        raise refused(f"version {found.version}", "MySQL 5.6", "correct mysqlArchiveUrl")
    if others:
        raise refused(
            f"accounts that anyone may use: {', '.join(others)}",
            "no anonymous account, no account without a password, no root but root@localhost",
            "drop them with `SET sql_log_bin = 0; DROP USER ...` on this server",
        )
    report.facts.update(
        version=found.version,
        server_uuid=found.uuid,
        server_id=found.server_id,
        have_ssl=found.have_ssl,
        joined=not fence.stands(),
    )
