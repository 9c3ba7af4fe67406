"""A copy of a running server's data directory as of one moment, by reference (XFS reflink).

Nothing commits under FLUSH TABLES WITH READ LOCK. InnoDB's redo logs are copied last, so the copy
has every record of what was done to a data file before that was copied: InnoDB writes no page
before its records. With the logs goes the checkpoint that was in force before the first data file
was copied. From there recovery replays, and brings every page to where the logs end, whatever was
written in between. This is redo_log.py's part.

So most files are copied before the lock already, and a data file of InnoDB is not copied again
because it was written to since: the time that the lock is held grows neither with the number of
tables nor with their size. But what a statement that defines objects does to files is not all in
the redo logs. When one ran meanwhile, all that was written to since follows under the lock.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..base import paths
from ..base.errors import Exit, NodeError, refused, too_late
from ..base.lock import try_lock
from ..base.waiting import Deadline, poll
from ..host import files, reflink
from ..host.reflink import Mirror
from . import binlogs, inventory, kept, redo_log, snapshot_room, snapshot_source, sql, statements
from .binlogs import Commits
from .redo_log import Head
from .shows import Coordinates, innodb_status, show_master_status
from .snapshot_room import Watcher
from .snapshot_source import Source
from .sql import PATIENT, Session

# FLUSH TABLES WITH READ LOCK waits for the statements that run and for the tables that sessions
# keep, and everybody else for it. When it gives up, after LOCK_SECONDS, they go on, but for those
# that use a table that was in the way: 5.6 opens a flushed table for nobody before all have let it
# go, and nothing takes a flush back. So the lock is not even tried beside a statement that has been
# running for LONG_SECONDS, or beside a table that is kept.
LONG_SECONDS = 2
LOCK_SECONDS = 2
LOCK_PAUSE = 5.0
GO_ON_SECONDS = 0.2
LOCK_PATIENCE = 60.0
# The longest that the lock may be held. The server ends it as well, should this tool stand still.
HELD_SECONDS = 10.0
AHEAD_SECONDS = 3600.0  # for what is copied before it
NEXT_STEP = "see that the server runs, then run this again: it takes another snapshot"
LOCK_FILE = ".lock"
# A process that was killed as it started a program may have it for a moment longer.
LOCK_FILE_SECONDS = 2.0
# Files of one server, not of its data, at the top of the data directory. A folder is a database,
# and may have such a name.
LEFT_OUT = re.compile(
    r"\.mysql-ring.*|auto\.cnf|ibtmp\d+|ib_buffer_pool(\.incomplete)?|core(\.\d+)?"
    r"|[^/]*\.(pid|sock|err|lock)"
)
UNDO = re.compile(r"undo\d+")
LOG_SEQUENCE = re.compile(r"^Log sequence number\s+(\d+)$", re.MULTILINE)
LOG_FLUSHED = re.compile(r"^Log flushed up to\s+(\d+)$", re.MULTILINE)
SLAVE = "SELECT Master_log_name AS file, Master_log_pos AS offset FROM mysql.slave_relay_log_info"


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a snapshot holds: the files of a data directory, as of `master` in its server's binary
    log.

    `innodb`: what a server that is started on it must name as the place where InnoDB ended; None
    when that cannot be told.
    `slave`: what the server's slave had executed of its own master's log; None without a slave.
    `holes`: how many of the bytes are in no block: of the redo logs what no recovery reads.
    `locked_seconds`: how long nobody could write.
    """

    version: str
    server_uuid: str
    master: Coordinates
    innodb: Commits | None
    slave: Coordinates | None
    bytes: int
    files: int
    holes: int
    locked_seconds: float
    objects_before: Mapping[str, str]
    objects_after: Mapping[str, str]

    @property
    def filled(self) -> int:
        """Bytes that are in blocks: what a copy transfers."""
        return self.bytes - self.holes

    @property
    def changed_meanwhile(self) -> bool:
        """Whether a definition or an account changed while it was taken."""
        return self.objects_before != self.objects_after


@dataclass(frozen=True, kw_only=True)
class Snapshot(Contents):
    """With the files in `folder`."""

    folder: Path
    _watcher: Watcher = field(repr=False)

    def check(self) -> None:
        """Raises when the snapshot was dropped, because the volume ran short of room."""
        self._watcher.check()


def _for_ever() -> None:
    """Who takes a snapshot for itself wants it until it has it."""


@contextmanager
def taken(session: Session, still_wanted: Callable[[], None] = _for_ever) -> Iterator[Snapshot]:
    """A snapshot of the server that `session` is root on; its files go when the block ends.

    One at a time on a host. `still_wanted` raises when nobody waits for it any more: it is asked
    before each try of the lock and between two. Whoever reads a snapshot for long asks `check()`
    now and then, and after any error: it gives way when the volume runs short.
    """
    with alone():
        _remove_all()
        source = snapshot_source.read(session)
        wanted = snapshot_room.refuse_no_room()
        session.do(PATIENT)
        before = inventory.objects(session)
        folder = paths.SNAPSHOTS / secrets.token_hex(4)
        watcher = Watcher(folder, wanted.drop)
        try:
            watcher.start()
            try:
                frozen = _watched(
                    watcher, lambda: frozen_under_lock(session, source, folder, still_wanted)
                )
                after = inventory.objects(session)
                innodb = binlogs.last_commits(source.logs, frozen.master)
                leave_out_what_no_recovery_reads(folder, frozen.flushed)
                held = reflink.listed(folder)
                sizes = reflink.sizes(held)
                yield Snapshot(
                    folder=folder,
                    version=source.version,
                    server_uuid=source.uuid,
                    master=frozen.master,
                    innodb=innodb,
                    slave=frozen.slave,
                    bytes=sum(sizes),
                    files=len(sizes),
                    holes=reflink.holes(held),
                    locked_seconds=frozen.seconds,
                    objects_before=before,
                    objects_after=after,
                    _watcher=watcher,
                )
            finally:
                watcher.end()
        finally:
            files.remove_tree(folder)


def _watched(watcher: Watcher, take: Callable[[], Frozen]) -> Frozen:
    """What failed because the snapshot was dropped under it says so."""
    try:
        result = take()
    except (NodeError, OSError):
        watcher.check()
        raise
    watcher.check()
    return result


def remove_left() -> None:
    """Removes what a killed process left. One that is being taken or read stays."""
    if not paths.SNAPSHOTS.exists():
        return
    with suppress(NodeError), alone():
        _remove_all()


@contextmanager
def alone() -> Iterator[None]:
    paths.SNAPSHOTS.mkdir(mode=0o700, exist_ok=True)
    with try_lock(paths.SNAPSHOTS / LOCK_FILE, LOCK_FILE_SECONDS) as mine:
        if not mine:
            raise NodeError(
                Exit.BUSY,
                "another snapshot of this server is being taken or read",
                "one at a time",
                "wait until that copy or backup has ended, then run this again",
            )
        yield


def _remove_all() -> None:
    for left in paths.SNAPSHOTS.iterdir():
        if left.name != LOCK_FILE:
            files.remove_tree(left)


@dataclass(frozen=True)
class Frozen:
    master: Coordinates
    slave: Coordinates | None
    flushed: int  # log sequence number up to which InnoDB's log was in the files
    seconds: float


def frozen_under_lock(
    session: Session, source: Source, folder: Path, still_wanted: Callable[[], None] = _for_ever
) -> Frozen:
    """The files, the last of them copied under the lock; tried anew while it is not to be had."""
    folder.mkdir(mode=0o750)
    shutil.chown(folder, paths.MYSQL_USER, paths.MYSQL_USER)
    mirror = Mirror(source.data, folder)
    patience = Deadline(LOCK_PATIENCE)
    session.do("SET SESSION lock_wait_timeout = %s", [LOCK_SECONDS])
    try:
        while True:
            _wait_until_calm(session, patience, still_wanted)
            # What waits to be written is not written under the lock: FICLONE writes a file first.
            files.sync_file_system(source.data)
            ahead = None
            if not source.unseen_writes:
                ahead = ahead_of(session, source.data)
                mirror.refresh(ordered(source.data), Deadline(AHEAD_SECONDS), still=False)
            still_wanted()
            held = _not_calm(session)  # what came meanwhile
            if held is None:
                session.do("SET SESSION wait_timeout = %s", [int(HELD_SECONDS)])
                begun = time.monotonic()
                if _locked(session):
                    try:
                        return copied(session, source, mirror, ahead, begun)
                    finally:
                        if session.open:
                            session.do("UNLOCK TABLES")
                session.do("UNLOCK TABLES")  # the failed statement keeps the half that it got
                session.do(PATIENT)
                held = _held(session)
                poll(still_wanted, Deadline(min(LOCK_PAUSE, patience.left)))
            if patience.over:
                raise _in_the_way(held)
    finally:
        if session.open:
            session.do(PATIENT)
            session.do("SET SESSION lock_wait_timeout = @@global.lock_wait_timeout")


def _wait_until_calm(
    session: Session, patience: Deadline, still_wanted: Callable[[], None]
) -> None:
    def calm() -> bool | None:
        still_wanted()
        return True if _not_calm(session) is None else None

    if poll(calm, patience) is None:
        raise _in_the_way(_not_calm(session) or "statements that come and go")


def _not_calm(session: Session) -> str | None:
    """What the lock would wait for too long."""
    running = statements.long(session, LONG_SECONDS)
    if running:
        return statements.named(running)
    tables = kept.found(session)
    return str(tables) if tables is not None else None


def _locked(session: Session) -> bool:
    try:
        session.do("FLUSH TABLES WITH READ LOCK")
    except NodeError as error:
        if not sql.lock_wait_timed_out(error):
            raise
        return False
    return True


@dataclass(frozen=True)
class Ahead:
    """What there was before files were copied without the lock."""

    head: Head
    defined: int  # statements that define objects


def ahead_of(session: Session, data: Path) -> Ahead | None:
    """None: a statement may be at work that defines objects."""
    defined = inventory.defined(session)  # first: what begins after it is counted later
    if statements.may_define(session):
        return None
    return Ahead(redo_log.head(data), defined)


def copied(
    session: Session, source: Source, mirror: Mirror, ahead: Ahead | None, begun: float
) -> Frozen:
    """The rest under the lock: what redo logs do not tell of, and the redo logs."""
    deadline = Deadline(HELD_SECONDS)
    if ahead is not None and inventory.defined(session) != ahead.defined:
        ahead = None
    while True:
        places = _places(session)
        head = redo_log.head(source.data) if ahead is None else ahead.head
        session.do("FLUSH LOCAL ENGINE LOGS")
        _, flushed = _numbers(session)
        wanted = ordered(source.data)
        logged = {each for each in wanted if redoes(each, source)}
        redone = logged if ahead is not None else set[str]()
        if not mirror.refresh(wanted, deadline, still=True, redone=redone):
            raise too_late(
                f"no copy of {source.data} held within {HELD_SECONDS:.0f} s",
                "all that was written to since it was copied before the lock copied again",
                NEXT_STEP,
            )
        sizes = [wanted[each].st_size for each in wanted if redo_log.FILE.fullmatch(each)]
        holds = _places(session) == places and head.holds(_numbers(session)[0], sizes)
        if holds and not grown(source.data, wanted, logged):
            redo_log.put_head(mirror.target, head)
            return Frozen(*places, flushed, time.monotonic() - begun)
        ahead = None


def grown(data: Path, found: Mapping[str, os.stat_result], names: Iterable[str]) -> bool:
    """Whether one of these files has another size than was found. Roll-backs and InnoDB's own
    threads make files larger under the lock too, and recovery ends at a page that is not there."""
    return any(os.stat(data / name).st_size != found[name].st_size for name in names)


def redoes(name: str, source: Source) -> bool:
    """Whether the redo logs tell of all that is written to that file, but for what defines it."""
    return name.endswith(".ibd") or name in source.spaces or bool(UNDO.fullmatch(name))


def ordered(data: Path) -> dict[str, os.stat_result]:
    """What belongs to a snapshot of a data directory, as it must be copied: the redo logs last."""
    found = {
        name: status
        for name, status in reflink.listed(data).items()
        if stat.S_ISDIR(status.st_mode)
        or (stat.S_ISREG(status.st_mode) and not LEFT_OUT.fullmatch(name))
    }
    logs = {name: found.pop(name) for name in sorted(found) if redo_log.FILE.fullmatch(name)}
    return {**found, **logs}


def leave_out_what_no_recovery_reads(folder: Path, flushed: int) -> None:
    """Of the redo logs. Raises unless they hold all up to that log sequence number."""
    reached, kept = redo_log.replayed(folder)
    if reached < flushed:
        raise NodeError(
            Exit.SERVER,
            f"the redo logs of the snapshot can be followed up to {reached}",
            f"up to log sequence number {flushed}, which was in the files under the lock",
            NEXT_STEP,
        )
    for name, ranges in kept.items():
        reflink.thin(folder / name, ranges)


def _numbers(session: Session) -> tuple[int, int]:
    return log_numbers(innodb_status(session))


def log_numbers(status: str) -> tuple[int, int]:
    """InnoDB's log sequence number, and up to where its log is in the files.

    Statements of users stand before the part LOG, and may hold such lines.
    """
    written, flushed = LOG_SEQUENCE.findall(status), LOG_FLUSHED.findall(status)
    if not written or not flushed:
        raise refused(
            "SHOW ENGINE INNODB STATUS names no log sequence number",
            "the part LOG of MySQL 5.6",
            NEXT_STEP,
        )
    return int(written[-1]), int(flushed[-1])


def _places(session: Session) -> tuple[Coordinates, Coordinates | None]:
    """Both places, under the lock. SHOW SLAVE STATUS would wait for a STOP SLAVE that waits for
    the lock; the table is written with each transaction, and none ends now."""
    master = show_master_status(session)
    if master is None:
        raise refused("the server writes no binary log", "log-bin in its my.cnf", NEXT_STEP)
    row = session.row(SLAVE)
    if row is None or not row["file"]:
        return master, None
    file = row["file"]
    name = file.decode() if isinstance(file, bytes) else file
    return master, Coordinates(name, int(row["offset"]))


def _held(session: Session) -> str:
    """Who kept the lock from being had, asked when those that waited behind it have gone on."""
    time.sleep(GO_ON_SECONDS)
    running = statements.in_front(session, LOCK_SECONDS)
    if running:
        return statements.named(running)
    return str(kept.found(session) or kept.unknown(kept.look(session)))


def _in_the_way(held: str) -> NodeError:
    return too_late(
        f"the server cannot be locked for a snapshot: {held}",
        f"a moment without a statement that is older than {LONG_SECONDS} s and a table that a "
        f"session keeps, and the lock within {LOCK_SECONDS} s",
        "wait for its end, or KILL its process there; then run this again",
    )
