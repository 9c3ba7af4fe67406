"""A backup out of the bucket as a data directory of its own, and the logs after it, up to a moment.

It comes beside the server's data and touches nothing of that: whoever asked for it runs a server on
it, reads from it, or lets it take the place of the data.
"""

from __future__ import annotations

import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..base import paths
from ..base.errors import Exit, NodeError, refused
from ..base.fields import Fields
from ..base.lock import try_lock
from ..base.report import Report
from ..base.waiting import Deadline
from ..host import files, room
from ..host.programs import DIES_WITH_VERB
from ..mysql import incarnations, program, scratch, snapshot_room
from ..mysql.scratch import Scratch
from ..mysql.snapshot_room import Watcher
from ..ring import arriving, records
from . import choosing, images, moment, replay, turning
from .choosing import Bucket
from .manifest import Manifest
from .moment import AsItIs, Moment
from .replay import Plan
from .store import Store, Stored

LOCK_FILE = ".lock"
SECONDS = 24 * 3600.0  # for all of a restore
ROOM_BYTES = 256 << 20  # for the scratch server
NEXT_STEP = "run this again; it begins anew, and nothing that ran was touched"


@dataclass(frozen=True)
class Wanted:
    """`backup`: NODE/NAME, or None: the newest that is good and not after the moment."""

    moment: Moment
    backup: str | None

    def document(self) -> dict[str, Any]:
        return {"moment": moment.document(self.moment), "backup": self.backup}


@dataclass(frozen=True)
class Source:
    """What is restored, read from the bucket before any of the data comes. Every refusal that can
    be known by then was made. `plan`: of the logs; None: none of them."""

    wanted: Wanted
    manifest: Manifest
    plan: Plan | None

    @property
    def backup(self) -> str:
        return f"{self.manifest.node}/{self.manifest.identity}"

    @property
    def needed(self) -> int:
        """Bytes: of the logs once as they are, and once for what the data grows by them."""
        return self.manifest.bytes + 2 * (self.plan.bytes if self.plan else 0) + ROOM_BYTES


@dataclass(frozen=True)
class Made:
    """`folder`: with data/ and log/, ended clean, without a server's uuid and with no master.
    `as_of`: what the replay came to; None without one."""

    folder: Path
    source: Source
    as_of: dict[str, Any] | None
    seconds: float

    @property
    def data(self) -> Path:
        return self.folder / "data"


def wanted(fields: Fields) -> Wanted:
    """Of a document."""
    backup = fields.optional("backup", None)
    if backup is not None:
        backup = str(choosing.name(str(backup)))
    return Wanted(moment.parse(fields.any("moment"), f"{fields.where}.moment"), backup)


def nodes() -> tuple[str, ...]:
    """Whose backups the ring has: those of both."""
    pair = records.pair()
    return pair.node.name, pair.peer.name


def look(store: Store, of: Sequence[str], asked: Wanted) -> Source:
    """Decides what is restored. Fetches none of it."""
    version = program.check(paths.MYSQL)
    bucket = Bucket(store, of)
    found = choosing.choose(bucket, asked.moment, asked.backup, version)
    assert found.manifest is not None
    if isinstance(asked.moment, AsItIs):
        return Source(asked, found.manifest, None)
    given_up = turning.given_up(store, bucket.listed, of, found.manifest)
    chains = choosing.chains(store, found.manifest, of, given_up)
    return Source(asked, found.manifest, replay.plan(found.manifest, chains, asked.moment))


def refuse_no_room(source: Source) -> None:
    state = snapshot_room.reserve(room.size(paths.VOLUME))
    free, needed = room.settled(paths.VOLUME), source.needed + state.begin
    if free < needed:
        raise refused(
            f"{free >> 20} MiB free in {paths.VOLUME}, and {source.backup} needs "
            f"{source.needed >> 20} MiB",
            f"at least {needed >> 20} MiB: what is there now stays",
            room.NEXT_STEP,
        )


@contextmanager
def alone() -> Iterator[None]:
    """One restore at a time on a host. What a killed one left goes."""
    paths.RESTORING.mkdir(mode=0o755, exist_ok=True)
    with try_lock(paths.RESTORING / LOCK_FILE) as mine:
        if not mine:
            raise NodeError(
                Exit.BUSY,
                "another restore is at work on this node",
                "one at a time",
                "wait until it has ended, then run this again",
            )
        for left in paths.RESTORING.iterdir():
            if left.name != LOCK_FILE:
                files.remove_tree(left)
        yield


def sweep() -> None:
    """Removes what a killed restore left."""
    if paths.RESTORING.exists():
        with suppress(NodeError), alone():
            pass


@contextmanager
def made(store: Store, source: Source, report: Report) -> Iterator[Made]:
    """The data as of the moment; who wants it for longer moves it away. Under `alone`.

    It gives way when the volume runs short of room.
    """
    begun, deadline, as_of = time.monotonic(), Deadline(SECONDS), None
    refuse_no_room(source)
    folder = paths.RESTORING / secrets.token_hex(4)
    floor = snapshot_room.reserve(room.size(paths.VOLUME)).drop
    watcher = Watcher(folder, floor, f"what came of {source.backup}")
    watcher.start()
    try:
        incarnations.make(folder)
        try:
            with room.needed(paths.VOLUME, f"room for {source.backup}"):
                fetch(store, source.manifest, folder)
                with started(folder, source.manifest) as server:
                    server.session.do("RESET SLAVE ALL")
                if source.plan is not None:
                    arriving.say(f"replaying {source.plan.bytes >> 20} MiB of binary logs")
                    done = replay.run(folder, source.plan, store, report, deadline)
                    as_of = done.document()
                    for note in done.notes:
                        report.note(note)
        except (NodeError, OSError):
            watcher.check()  # whose files are gone when the volume ran short
            raise
        watcher.check()
        clean(folder)
        yield Made(folder, source, as_of, round(time.monotonic() - begun, 1))
    finally:
        watcher.end()
        files.remove_tree(folder)


def clean(folder: Path) -> None:
    """What is of a scratch server, and not of the data."""
    files.remove_tree(folder / "data" / "auto.cnf")
    for left in (folder / "log").iterdir():
        files.remove_tree(left)


@contextmanager
def started(folder: Path, of: Manifest) -> Iterator[Scratch]:
    """A server on what was just fetched: it is what its manifest says, or this raises."""
    arriving.say(f"proving {of.node}/{of.identity} on a scratch server")
    with scratch.running(
        folder, *images.BESIDE, patience=images.STATEMENT_SECONDS, grants=False
    ) as server:
        if server.innodb != of.innodb:
            raise refused(
                f"InnoDB says that {of.node}/{of.identity} ends at {server.innodb or 'no place'}",
                f"{of.innodb or 'no place'}, as its manifest says",
                "name the next older backup; do not trust this one",
            )
        yield server


def fetch(store: Store, of: Manifest, folder: Path) -> None:
    """Unpacks the data into `folder`/data while it comes. Raises unless every byte is what was put
    into the bucket, and the files are as many and as large as they were."""
    who = f"backup {of.node}/{of.identity}"
    progress = arriving.Progress(who, of.data.bytes)
    stored = Stored(of.data.bytes, of.data.sha256, of.data.etag)
    with store.get(of.data.key, stored) as stream, unpacked(folder / "data", who) as write:
        done = 0
        while part := stream.read(images.PART):
            write(part)
            done += len(part)
            progress.at(done)
    progress.end(done)
    arriving.check_landed(folder / "data", of.bytes, of.files, who)


@contextmanager
def unpacked(data: Path, who: str) -> Iterator[Any]:
    """Takes a tar that zstd packed apart into the folder."""
    with tempfile.TemporaryFile() as said:
        zstd = subprocess.Popen(
            [*DIES_WITH_VERB, "zstd", "--decompress", "--quiet", "--stdout"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        processes = {"zstd": zstd}
        try:
            processes["tar"] = subprocess.Popen(
                [*DIES_WITH_VERB, "tar", "--extract", f"--directory={data}", "--file=-",
                 "--same-owner", "--same-permissions", "--warning=no-timestamp",
                 "--blocking-factor=2048"],
                stdin=zstd.stdout,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )  # fmt: skip
            assert zstd.stdin is not None
            assert zstd.stdout is not None
            zstd.stdout.close()  # so that zstd hears of an end of tar
            with suppress(BrokenPipeError):  # they say why
                yield zstd.stdin.write
                zstd.stdin.close()
            _ended(processes, said, data, who)
        finally:
            for process in processes.values():
                process.kill()
                process.wait()
            if zstd.stdin is not None:
                with suppress(OSError):
                    zstd.stdin.close()


def _ended(
    processes: dict[str, subprocess.Popen[bytes]], said: IO[bytes], data: Path, who: str
) -> None:
    wrong = [
        f"{name} ended with {process.returncode}"
        for name, process in processes.items()
        if process.wait() != 0
    ]
    if wrong:
        said.seek(0)
        text = said.read(4000).decode(errors="replace").strip()
        raise NodeError(
            Exit.HOST,
            f"unpacking {who} into {data}: {', '.join(wrong)}: {text[-600:]}",
            "all of it unpacked",
            NEXT_STEP,
        )
