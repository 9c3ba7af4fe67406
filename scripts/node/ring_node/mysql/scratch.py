"""A server of its own on a folder with a data directory: to prove a copy, and to adapt it."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..base import paths
from ..base.errors import Exit, NodeError
from ..base.waiting import QUICK, Deadline, poll
from ..host import files
from . import lifecycle, sql
from .datadir import DIES_WITH_VERB
from .shows import Coordinates
from .sql import Session

# Crash recovery reads the redo logs; a clean end writes all that it changed.
START_SECONDS = 1800.0
STOP_SECONDS = 1800.0
# A session that is being closed is still counted, and mysqld gives it two seconds when it ends.
LEAVE_SECONDS = 0.1
# "InnoDB: Last MySQL binlog file position 0 120, file name bin.000002": the offset in two halves.
PLACE = re.compile(
    r"Last MySQL binlog file position (?P<high>\d+) (?P<low>\d+), file name (?P<file>\S+)"
)
WRONG = re.compile(r"\[ERROR\]|InnoDB: Error|Assertion failure|corrupt")
LINES = 6
WHO = "the scratch server"


@dataclass(frozen=True)
class Scratch:
    """`innodb`: where in its binary log InnoDB says that it ended; None when it never wrote it."""

    session: Session
    innodb: Coordinates | None
    error_log: Path
    socket: Path


@contextmanager
def running(
    folder: Path, *more: str, patience: float = sql.STATEMENT_SECONDS, grants: bool = True
) -> Iterator[Scratch]:
    """A mysqld on `folder`/data with what the server's my.cnf says of its files and sets.

    It has no network, no password, no binary log, no slave and no events. It has the buffer pool
    that my.cnf states, and the server should not run beside it: a small one makes recovery go over
    the redo logs in many parts. `more`: arguments of mysqld that say otherwise. It ends clean with
    the block, and is killed with the verb. Its error log is `folder`/log/scratch.err.

    `grants`: whether the session may change accounts; any further one then needs a password.
    """
    data, log, own = folder / "data", folder / "log", folder / "scratch"
    error_log = log / "scratch.err"
    files.remove_tree(own)
    for place in (log, own):
        place.mkdir(mode=0o750, exist_ok=True)
        shutil.chown(place, paths.MYSQL_USER, paths.MYSQL_USER)
    files.remove_tree(error_log)
    socket = own / "sock"
    process = subprocess.Popen(
        [*DIES_WITH_VERB, *command(data, log, own), *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with _session(process, socket, error_log, patience) as session:
            if grants:
                session.do("FLUSH PRIVILEGES")
            yield Scratch(session, _innodb(session, data, error_log), error_log, socket)
        _end(process, error_log)
    finally:
        process.kill()
        process.wait()
        files.remove_tree(own)


def command(data: Path, log: Path, own: Path) -> list[str]:
    """mysqld with the server's my.cnf, and other places and habits than the server's."""
    return [
        str(paths.MYSQLD),
        f"--defaults-file={paths.CONFIG}",
        f"--datadir={data}",
        f"--tmpdir={own}",
        f"--slave-load-tmpdir={own}",
        f"--socket={own}/sock",
        f"--pid-file={own}/pid",
        f"--log-error={log}/scratch.err",
        f"--relay-log={log}/scratch-relay",
        f"--relay-log-index={log}/scratch-relay.index",
        f"--relay-log-info-file={log}/scratch-relay.info",
        f"--lc-messages-dir={paths.SHARE}",
        "--skip-networking",
        "--skip-grant-tables",
        "--skip-ssl",
        "--skip-log-bin",
        "--skip-log-slave-updates",
        "--skip-slave-start",
        "--event-scheduler=OFF",
        "--read-only=OFF",
        "--init-file=",
        "--init-connect=",
        "--general-log=OFF",
        "--slow-query-log=OFF",
        "--performance-schema=OFF",
        "--query-cache-type=0",
        "--query-cache-size=0",
        "--key-buffer-size=8M",
        "--innodb-buffer-pool-load-at-startup=OFF",
        "--innodb-buffer-pool-dump-at-shutdown=OFF",
        "--innodb-fast-shutdown=1",
        "--innodb-force-recovery=0",
        "--max-connections=10",
        "--wait-timeout=31536000",
        "--max-allowed-packet=1G",
    ]


def place_in(error_log: str) -> Coordinates | None:
    """The place that InnoDB names after it recovered from a crash: it names none otherwise."""
    found = list(PLACE.finditer(error_log))
    if not found:
        return None
    last = found[-1]
    return Coordinates(last["file"], (int(last["high"]) << 32) + int(last["low"]))


# InnoDB keeps the place in page 5 of its system tablespace, a page less 1000 bytes behind where the
# header of that page ends (fil0fil.h, fsp0fsp.h, trx0sys.h of MySQL 5.6; seen in 5.6.24). The size
# of a page is in the flags of page 0.
FLAGS = struct.Struct(">I")
PAGE_HEADER = 38
FLAGS_AT = PAGE_HEADER + 16
TRX_SYS_PAGE = 5
PLACE_BEFORE_END = 1000 - PAGE_HEADER
STORED = struct.Struct(">III512s")
STORED_MAGIC = 873422344


def stored_place(tablespace: Path) -> Coordinates | None:
    """The place in a system tablespace that was closed clean; None when it holds none."""
    with tablespace.open("rb") as stream:
        stream.seek(FLAGS_AT)
        size = page_size(FLAGS.unpack(stream.read(FLAGS.size))[0])
        stream.seek((TRX_SYS_PAGE + 1) * size - PLACE_BEFORE_END)
        magic, high, low, name = STORED.unpack(stream.read(STORED.size))
    if magic != STORED_MAGIC:
        return None
    return Coordinates(name.partition(b"\0")[0].decode(), (high << 32) + low)


def page_size(flags: int) -> int:
    code = flags >> 6 & 0xF
    return 512 << code if code else 16384


def _innodb(session: Session, data: Path, error_log: Path) -> Coordinates | None:
    named = place_in(error_log.read_text(errors="replace"))
    if named is None:
        first = str(session.value("SELECT @@innodb_data_file_path")).partition(":")[0]
        named = stored_place(data / first)
    return Coordinates(Path(named.file).name, named.offset) if named else None


@contextmanager
def _session(
    process: subprocess.Popen[bytes], socket: Path, error_log: Path, patience: float
) -> Iterator[Session]:
    def probe() -> bool | None:
        return True if process.poll() is not None or lifecycle.greets(socket) else None

    started = poll(probe, Deadline(START_SECONDS), longest_pause=QUICK)
    if started is None or process.poll() is not None:
        raise _failed(error_log, "does not start", f"an answer within {START_SECONDS:.0f} s")
    with sql.at_socket(WHO, socket, patience=patience) as session:
        yield session


def _end(process: subprocess.Popen[bytes], error_log: Path) -> None:
    time.sleep(LEAVE_SECONDS)
    process.terminate()
    try:
        status = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        status = None
    if status != 0:
        raise _failed(error_log, f"ended with {status}", f"a clean end in {STOP_SECONDS:.0f} s")


def said_wrong(error_log: str) -> str:
    """What went wrong first: a crash of InnoDB ends in a stack of addresses that says nothing."""
    wrong = [line.strip() for line in error_log.splitlines() if WRONG.search(line)]
    return " | ".join(wrong[:LINES]) or lifecycle.errors_of(error_log)


def _failed(error_log: Path, what: str, expected: str) -> NodeError:
    text = error_log.read_text(errors="replace") if error_log.exists() else ""
    said = said_wrong(text)[:1200] or "its error log is empty"
    return NodeError(
        Exit.SERVER, f"{WHO} {what}: {said}", expected, f"see {error_log}, then run this again"
    )
