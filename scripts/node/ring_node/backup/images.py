"""The image of a backup: a snapshot of the own server that was started, checked, and ended clean.

A snapshot shares its blocks with the server's files and may be written to. Nobody else needs it, so
it is moved, not copied, to where a server of its own can run on it, and the next snapshot, for a
peer that asks for a copy, does not have to wait until the backup is in the bucket.

When that server has ended, what it left is cloned once more, and its tables are checked in the
clone while the image is sent: what is sent is what was checked, and no one waits for the other.
"""

from __future__ import annotations

import io
import os
import secrets
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ..base import paths
from ..base.errors import Exit, NodeError
from ..base.lock import try_lock
from ..base.report import Report
from ..base.waiting import Deadline
from ..host import files, reflink
from ..host.programs import DIES_WITH_VERB
from ..mysql import checking, incarnations, inventory, scratch, shows, snapshot, snapshot_room, sql
from ..mysql.checking import Outcome
from ..mysql.scratch import Scratch
from ..mysql.snapshot import Contents
from ..mysql.snapshot_room import Watcher
from ..mysql.sql import Session
from ..ring import proving

WHO = "this server"
# The server runs beside it and has the memory. A table that was not closed is not repaired, which
# could lose rows of it unseen: it is reported.
BESIDE = (
    "--innodb-buffer-pool-size=128M",
    "--innodb-buffer-pool-instances=1",
    "--myisam-recover-options=OFF",
    "--sql-mode=NO_ENGINE_SUBSTITUTION",
    "--default-time-zone=SYSTEM",
)
CLONE = "checked"
CLONE_SECONDS = 3600.0
STATEMENT_SECONDS = 24 * 3600.0  # bounded by the budget
LEVEL = "-3"  # of zstd
PART = 1 << 20
NICE = 10  # at the least, 19, a busy host would let it wait for days
AGAIN = "see what it names, then run this again: the backups that are in the bucket stay"


@dataclass(frozen=True, kw_only=True)
class Image:
    """`folder`: with data/, not proven yet, and log/. `taken_at`: UTC, by the clock of this host.
    `peer_uuid`: whom the server follows."""

    folder: Path
    contents: Contents
    taken_at: datetime
    server_id: int
    peer_uuid: str | None
    _watcher: Watcher

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def check(self) -> None:
        """Raises when it was dropped, because the volume ran short of room."""
        self._watcher.check()


@contextmanager
def alone(seconds: float = 0.0) -> Iterator[None]:
    """One backup at a time on a host, and nothing that rebuilds tables beside it; waits that long
    for its turn. What a killed one left goes."""
    with try_lock(paths.UPKEEP_LOCK, seconds) as mine:
        if not mine:
            raise NodeError(
                Exit.BUSY,
                "a backup or the maintenance of tables is at work on this node",
                "one at a time",
                "wait until it has ended, then run this again",
            )
        paths.IMAGES.mkdir(mode=0o755, exist_ok=True)
        remove_left()
        yield


def sweep() -> None:
    """Removes what a killed backup left, which holds room as long as it lies there."""
    if paths.IMAGES.exists():
        with suppress(NodeError), alone():
            pass


def remove_left() -> None:
    for left in paths.IMAGES.iterdir():
        files.remove_tree(left)


@contextmanager
def taken(report: Report) -> Iterator[Image]:
    """A snapshot of the own server in a place of its own; it goes when the block ends.

    Whoever reads it for long asks `check()` after any error: it gives way when the volume runs
    short.
    """
    folder = paths.IMAGES / secrets.token_hex(4)
    try:
        incarnations.make(folder)
        with sql.own(report) as session:
            own, slave = shows.identity(session), shows.show_slave_status(session)
            with snapshot.taken(session) as held:
                moment = datetime.now(UTC).replace(microsecond=0)
                (folder / "data").rmdir()
                os.rename(held.folder, folder / "data")
            held.check()  # before it is watched in its new place
        watcher = Watcher(folder, snapshot_room.of_the_volume().drop)
        watcher.start()
        try:
            yield Image(
                folder=folder,
                contents=held,
                taken_at=moment,
                server_id=own.server_id,
                peer_uuid=(slave.master_uuid or None) if slave else None,
                _watcher=watcher,
            )
        finally:
            watcher.end()
    finally:
        files.remove_tree(folder)


@contextmanager
def started(image: Image) -> Iterator[Scratch]:
    """A server on the image, which is what the own server was. It ends clean with the block; then
    the image has no trace of it but what recovery wrote."""
    with scratch.running(image.folder, *BESIDE, patience=STATEMENT_SECONDS, grants=False) as server:
        proving.check_place(server.innodb, image.contents, WHO)
        proving.check_objects(inventory.objects(server.session), image.contents, WHO)
        yield server
    files.remove_tree(image.data / "auto.cnf")


class Check:
    """Of every table of an image that nobody writes to, in a clone of it, beside what its owner
    does meanwhile. It ends with the block."""

    def __init__(self, image: Image, seconds: float) -> None:
        self._image, self._seconds = image, seconds
        self._over = threading.Event()
        self._outcome: Outcome | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="check", daemon=True)

    def __enter__(self) -> Check:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def outcome(self) -> Outcome:
        """Waits for it. Raises where an image has a table that is not sound."""
        self._thread.join()
        self.raise_wrong()
        assert self._outcome is not None
        return self._outcome

    def raise_wrong(self) -> None:
        """What is known to be wrong by now."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        folder = self._image.folder / CLONE
        try:
            clone(self._image.data, folder)
            with scratch.running(
                folder, *BESIDE, patience=STATEMENT_SECONDS, grants=False
            ) as server:
                self._outcome = check(server, self._image, self._seconds, self._over.is_set)
            files.remove_tree(folder)
        except Exception as error:  # for whoever waits for it
            self._error = error


def clone(data: Path, folder: Path) -> None:
    """An incarnation of the same files, by reference."""
    files.remove_tree(folder)
    incarnations.make(folder)
    mirror = reflink.Mirror(data, folder / "data")
    mirror.refresh(reflink.listed(data), Deadline(CLONE_SECONDS), still=True)


def check(
    server: Scratch, image: Image, seconds: float, over: Callable[[], bool] = lambda: False
) -> Outcome:
    """Every table within that time. Refuses an image with one that is not sound."""

    def another() -> AbstractContextManager[Session]:
        return sql.at_socket(scratch.WHO, server.socket)

    found = checking.in_turn(checking.tables(server.session), image.taken_at.isoformat())
    try:
        outcome = checking.check(
            server.session, another, found, Deadline(seconds), checksums=True, over=over
        )
    except NodeError as error:
        log = server.error_log.read_text(errors="replace") if server.error_log.exists() else ""
        raise _unsound(f"{error.found}: {scratch.said_wrong(log)[:1200]}") from None
    if outcome.wrong:
        said = [f"{table}: {problem}" for table, problem in outcome.wrong.items()]
        more = f", and {len(said) - 5} more" if len(said) > 5 else ""
        raise _unsound(f"{' | '.join(said[:5])}{more}")
    return outcome


def _unsound(found: str) -> NodeError:
    return NodeError(
        Exit.SERVER,
        f"a snapshot of this server is not sound: {found}",
        "CHECK TABLE says OK of each table",
        "do not trust this node's disk; what is broken is to be had from the peer (`sudo ring-node "
        "rejoin --discard` with this node's own name copies all of it) or from the last backup, "
        "which stays. Then run this again: nothing was put in the bucket",
    )


def sizes(data: Path) -> tuple[int, int]:
    """Bytes and number of the regular files."""
    found = reflink.sizes(reflink.listed(data))
    return sum(found), len(found)


def quietly() -> None:
    """From here on whatever else runs on the host comes first."""
    with suppress(OSError):
        os.nice(NICE - os.nice(0))


class Held:
    """A stream that ends only when a check has ended well, and fails where it does not: what is
    made of it is not made before."""

    def __init__(self, stream: IO[bytes], check: Check) -> None:
        self._stream, self._check = stream, check

    def read(self, size: int, /) -> bytes:
        self._check.raise_wrong()
        part = self._stream.read(size)
        if not part:
            self._check.outcome()
        return part


@contextmanager
def packed(folder: Path) -> Iterator[IO[bytes]]:
    """What a folder holds, as tar and zstd. Its end raises unless both programs ended well, so
    nobody takes the half for the whole."""
    with tempfile.TemporaryFile() as problems:
        tar = subprocess.Popen(
            [*DIES_WITH_VERB, "tar", "--create", f"--directory={folder}", "--file=-",
             "--blocking-factor=2048", "."],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=problems,
        )  # fmt: skip
        assert tar.stdout is not None
        processes = [tar]
        try:
            zstd = subprocess.Popen(
                [*DIES_WITH_VERB, "zstd", LEVEL, "--threads=0", "--quiet", "--stdout"],
                stdin=tar.stdout,
                stdout=subprocess.PIPE,
                stderr=problems,
            )
            processes.append(zstd)
            tar.stdout.close()  # so that tar hears of an end of zstd
            assert zstd.stdout is not None

            def ended() -> None:
                wrong = [
                    f"{name} ended with {process.returncode}"
                    for name, process in (("zstd", zstd), ("tar", tar))
                    if process.wait() != 0
                ]
                if wrong:
                    problems.seek(0)
                    said = problems.read(2000).decode(errors="replace").strip()
                    raise NodeError(
                        Exit.HOST,
                        f"packing {folder}: {', '.join(wrong)}: {said[:600]}",
                        "all of it read and packed",
                        AGAIN,
                    )

            with io.BufferedReader(Whole(zstd.stdout.fileno(), ended), PART) as stream:
                yield stream
            zstd.stdout.close()  # who did not read to the end finds out here
            ended()
        finally:
            for process in processes:
                process.kill()
                process.wait()


class Whole(io.RawIOBase):
    """What comes out of a pipe; at its end `ended` may raise."""

    def __init__(self, descriptor: int, ended: Callable[[], None]) -> None:
        self._descriptor, self._ended = descriptor, ended

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = os.readv(self._descriptor, [buffer])
        if size == 0:
            self._ended()
        return size
