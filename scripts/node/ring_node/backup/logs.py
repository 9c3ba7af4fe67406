"""The archive of this server's binary logs: every closed one goes to the bucket once, compressed,
and counts when its entry is in the catalogue.

One pass: the open log is closed when it is due, then what the bucket has no entry of is sent, from
the oldest on. A pass that is cut off leaves at most an object without an entry, which the next one
sends again. Nothing is kept on the host about it: the bucket is asked.
"""

from __future__ import annotations

import hashlib
import itertools
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..base.errors import Exit, NodeError, refused
from ..base.report import Report
from ..host import room
from ..host.programs import DIES_WITH_VERB
from ..mysql import binlog_file, binlogs, shows
from ..mysql.binlog_file import Damaged
from ..mysql.sql import Session
from . import catalogue
from .catalogue import Entry
from .place import Place
from .store import CHUNK, Readable, Store
from .store import Entry as Object

# The timer runs a pass each half of the interval, and the open log is due before the next one may
# be: what is written is closed after half of it at most, and has the other half to arrive.
PASSES = 2
DUE = 0.4  # of the interval
LOG_SECONDS = 3600.0  # for one log
ASK_SECONDS = 60.0  # for what is tried again within a pass; the next pass does so too
LEVEL = "-3"
ROOM = 64 << 20  # bytes, to begin a log
INDEX_ROOM = 1 << 20  # bytes, to write the index of the logs anew


@dataclass(frozen=True)
class Own:
    """The server whose logs these are. `names`: in the server's order; the last one is open.
    `expire_days`: expire_logs_days, after which it purges one whatever is safe."""

    node: str
    server_uuid: str
    server_id: int
    folder: Path
    names: tuple[str, ...]
    expire_days: int = 0

    @property
    def closed(self) -> tuple[str, ...]:
        return self.names[:-1]

    def path(self, name: str) -> Path:
        return self.folder / name

    def prefix(self, place: Place) -> str:
        return place.server(self.server_uuid)


@dataclass(frozen=True)
class Pass:
    """What one pass came to. `waiting`: closed logs that are not safe yet, and why the first is
    not."""

    sent: tuple[Entry, ...]
    waiting: tuple[str, ...]
    problem: NodeError | None


class There(Enum):
    """What the bucket has in the place of a log."""

    SAFE = "that log"
    DAMAGED = "an object or an entry that is not what was put there"
    ANOTHER = "another log of that name"


def own(session: Session, place: Place) -> Own:
    identity = shows.identity(session)
    # The links lead to this server's folder now, and may lead to another one's later.
    base = Path(session.value("SELECT @@log_bin_basename"))
    return Own(
        place.node,
        identity.uuid,
        identity.server_id,
        base.parent.resolve(),
        tuple(shows.show_binary_logs(session)),
        int(session.value("SELECT @@global.expire_logs_days")),
    )


def close_the_open_one(
    session: Session, mine: Own, place: Place, now: float, *, at_once: bool = False
) -> bool:
    """Begins a new log if the open one holds something and is due, or `at_once` it holds something.
    A slave learns nothing of it.

    Raises NodeError, and asks nothing of the server, where the disk has no room."""
    if not mine.names or not binlog_file.has_events(mine.path(mine.names[-1])):
        return False
    if not at_once and not due(_opened(mine), now, place.archive_interval):
        return False
    refuse_full_disk(mine, ROOM, "no new binary log is begun")
    session.do("FLUSH LOCAL BINARY LOGS")
    return True


def refuse_full_disk(mine: Own, needed: int, otherwise: str) -> None:
    """FLUSH LOGS and PURGE write the index of the logs anew. A server that finds no room for that
    waits for some in the middle of it, and nobody can write until then (ran on 5.6.24)."""
    left = room.free(mine.folder)
    if left < needed:
        raise NodeError(
            Exit.HOST,
            f"{left >> 20} MiB are free in {mine.folder}: {otherwise}",
            f"{needed >> 20} MiB there",
            room.NEXT_STEP,
        )


def due(opened: float | None, now: float, interval: int) -> bool:
    """A log from the future is of a clock that was set back: how old it is nobody knows."""
    return opened is None or not 0 <= now - opened < DUE * interval


def send_all(mine: Own, store: Store, report: Report, progress: Callable[[Pass], None]) -> Pass:
    """Sends what the bucket has not; `progress` is told after each log. Raises nothing that a log
    or the bucket may cause: the pass says it."""
    sent: list[Entry] = []
    damaged: list[Damaged] = []
    waiting = list(mine.closed)
    try:
        present = listed(mine, store)
        waiting = unsafe(mine, store.place, present)
        refuse_others(mine, store, [name for name in mine.closed if name not in waiting])
        for name in list(waiting):
            try:
                entry = send(mine, name, _previous(mine, name, store), store)
            except Damaged as error:
                damaged.append(error)
                continue
            waiting.remove(name)
            sent.append(entry)
            progress(Pass(tuple(sent), tuple(waiting), None))
    except (NodeError, OSError) as error:
        return Pass(tuple(sent), tuple(waiting), _as_node_error(error))
    finally:
        if sent:
            report.did(
                f"{len(sent)} binary logs are safe in bucket {store.place.bucket}, "
                f"{sum(each.stored_bytes for each in sent)} bytes: up to {sent[-1].file}"
            )
    return Pass(tuple(sent), tuple(waiting), damaged[0] if damaged else None)


def listed(mine: Own, store: Store) -> frozenset[str]:
    """Keys that the bucket has of the logs that the server has."""
    if not mine.closed:
        return frozenset()
    common = _common(mine.closed)
    return frozenset(store.listed(mine.prefix(store.place) + common, seconds=ASK_SECONDS))


def unsafe(mine: Own, place: Place, present: frozenset[str]) -> list[str]:
    """Closed logs without an entry, or whose object is gone, the oldest first."""
    prefix = mine.prefix(place)
    return [
        name
        for name in mine.closed
        if not {catalogue.log_key(prefix, name), catalogue.entry_key(prefix, name)} <= present
    ]


def refuse_others(mine: Own, store: Store, there: Sequence[str]) -> None:
    """Raises NodeError where the newest of the logs that the bucket has is not the one of that name
    here: what follows it here does not belong to what the bucket has, and a restore would mix them.
    """
    if not there:
        return
    name, key = there[-1], catalogue.entry_key(mine.prefix(store.place), there[-1])
    content = store.get_small([key], seconds=ASK_SECONDS)[key]
    try:
        entry = catalogue.from_bytes(content, key)
    except NodeError:
        return  # damaged, as the purge will say; what is new is sent all the same
    if same(entry, mine.path(name)):
        return
    raise refused(
        f"{name} of server {mine.server_uuid} is in the bucket, and is not the log of that name "
        "here: this server was set back in time, or RESET MASTER was run. No log of it is sent",
        "a log that is written once",
        f"on {mine.node}, when the other node follows it and is whole: `sudo ring-node rejoin "
        f"--discard {mine.node}`; then on the other one: `sudo ring-node rejoin`. The copy is a "
        "server of its own, and its logs are sent; take a backup of it",
    )


def same(entry: Entry, path: Path) -> bool:
    """Whether that file is the log of the entry, as far as its size and its first event tell."""
    if entry.bytes != path.stat().st_size:
        return False
    begun = binlog_file.begun(path) if entry.end_position else 0
    return not begun or entry.first_time <= begun <= entry.last_time


def verified(mine: Own, store: Store, wanted: Sequence[str]) -> frozenset[str]:
    """Those of the logs whose object is the one that their entry names, and holds the log that is
    here."""
    found = examined(mine, store, wanted)
    return frozenset(name for name, there in found.items() if there is There.SAFE)


def examined(mine: Own, store: Store, wanted: Sequence[str]) -> dict[str, There]:
    """What the bucket has of these logs; nothing for those that it has no entry of."""
    prefix = mine.prefix(store.place)
    if not wanted:
        return {}
    objects = store.listed(prefix + _common(wanted), seconds=ASK_SECONDS)
    keys = {catalogue.entry_key(prefix, name): name for name in wanted}
    entries = [key for key in keys if key in objects]
    got = store.get_small(entries, seconds=ASK_SECONDS)
    return {
        keys[key]: _there(mine, keys[key], key, content, objects.get(_log(prefix, keys[key])))
        for key, content in got.items()
    }


def _log(prefix: str, name: str) -> str:
    return catalogue.log_key(prefix, name)


def _there(mine: Own, name: str, key: str, content: bytes, log: Object | None) -> There:
    try:
        entry = catalogue.from_bytes(content, key)
    except NodeError:
        return There.DAMAGED
    try:
        here = same(entry, mine.path(name))
    except FileNotFoundError:  # somebody purged it
        here = False
    if not here or (entry.file, entry.server_uuid) != (name, mine.server_uuid):
        return There.ANOTHER
    whole = log is not None and (log.bytes, log.etag) == (entry.stored_bytes, entry.etag)
    return There.SAFE if whole else There.DAMAGED


def send_again(mine: Own, name: str, store: Store) -> Entry:
    """A log whose object or entry is not what was put there."""
    return send(mine, name, _previous(mine, name, store), store)


def send(mine: Own, name: str, previous: str | None, store: Store) -> Entry:
    """One closed log, and then its entry."""
    path, prefix = mine.path(name), mine.prefix(store.place)
    log = binlog_file.read(path)
    digest = _sha256(path)
    with compressed(path) as stream:
        stored = store.put(catalogue.log_key(prefix, name), stream, seconds=LOG_SECONDS)
    entry = Entry(
        node=mine.node,
        server_uuid=mine.server_uuid,
        server_id=mine.server_id,
        file=name,
        bytes=log.size,
        sha256=digest,
        stored_bytes=stored.bytes,
        stored_sha256=stored.sha256,
        etag=stored.etag,
        first_position=min(len(binlogs.MAGIC), log.end),
        end_position=log.end,
        first_time=log.first_time,
        last_time=log.last_time,
        previous=previous,
        next=log.next,
    )
    if path.stat().st_size != log.size:
        raise NodeError(
            Exit.SERVER, f"{path} grew while it was sent", "a closed log", "run this again"
        )
    store.put_bytes(
        catalogue.entry_key(prefix, name), catalogue.to_bytes(entry), seconds=ASK_SECONDS
    )
    return entry


@contextmanager
def compressed(path: Path) -> Iterator[Readable]:
    """The file by zstd, with its checksum. A read raises instead of ending where zstd failed."""
    command = [*DIES_WITH_VERB, "zstd", "--quiet", "--stdout", "--check", "-T1", LEVEL]
    with path.open("rb") as file:
        process = subprocess.Popen(
            command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    try:
        yield _Ending(process, path)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


class _Ending:
    """Reads a program's output; its end is one only if the program ended well."""

    def __init__(self, process: subprocess.Popen[bytes], path: Path) -> None:
        self._process, self._path = process, path

    def read(self, size: int, /) -> bytes:
        output, problems = self._process.stdout, self._process.stderr
        assert output is not None
        assert problems is not None
        data = output.read(size)
        if not data and self._process.wait():
            said = problems.read(600).decode(errors="replace").strip()
            raise NodeError(
                Exit.HOST,
                f"zstd of {self._path} ended with {self._process.returncode}: {said}",
                "all of the log",
                "look at the disk of this host, then run this again",
            )
        return data


def _previous(mine: Own, name: str, store: Store) -> str | None:
    """The log before that one, on the server or, where it was purged, in the bucket."""
    place = mine.names.index(name)
    if place:
        return mine.names[place - 1]
    prefix = mine.prefix(store.place)
    before = [
        file
        for key in store.listed(prefix, seconds=ASK_SECONDS)
        if key.endswith(catalogue.ENTRY)
        and 0
        < binlogs.number(file := key.removeprefix(prefix).removesuffix(catalogue.ENTRY))
        < binlogs.number(name)
    ]
    return max(before, key=binlogs.number, default=None)


def _opened(mine: Own) -> float | None:
    """When the open log was begun: when the one before it was last written to."""
    if mine.closed:
        return mine.path(mine.closed[-1]).stat().st_mtime
    return None


def _common(names: Sequence[str]) -> str:
    """What all of them begin with."""
    first, last = min(names), max(names)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(letter for letter, _ in same)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while data := stream.read(CHUNK):
            digest.update(data)
    return digest.hexdigest()


def _as_node_error(error: NodeError | OSError) -> NodeError:
    if isinstance(error, NodeError):
        return error
    return NodeError(
        Exit.HOST, f"a binary log cannot be read: {error}", "it", "look at `dmesg` on the host"
    )
