"""Which binary logs of a server are safe in the bucket: one entry for each, an object of its own
that is written once, when the log itself was compared with what was sent.

Beside `bin.000012.zst` lies `bin.000012.json`. A log without its entry does not count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from ..base.errors import Exit, NodeError
from ..base.fields import NAME, Fields
from ..mysql import binlogs
from .store import Store, Stored

FORMAT = 1
LOG, ENTRY = ".zst", ".json"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHA256 = re.compile(r"[0-9a-f]{64}")
ETAG = re.compile(r"[0-9a-f]{32}-\d+")
LARGEST = 1 << 60
LATEST = 1 << 32  # of the time in an event


@dataclass(frozen=True, kw_only=True)
class Entry:
    """`bytes` and `sha256` are of the log, `stored_bytes`, `stored_sha256` and `etag` of the object
    that holds it compressed. Positions are offsets in the log: of its first event, and where its
    last whole event ends. Times are seconds UTC: the earliest and the latest of all its events, 0
    where it has none. `previous` and `next`: the logs before and behind it; None: there was none,
    or the server did not say."""

    node: str
    server_uuid: str
    server_id: int
    file: str
    bytes: int
    sha256: str
    stored_bytes: int
    stored_sha256: str
    etag: str
    first_position: int
    end_position: int
    first_time: int
    last_time: int
    previous: str | None
    next: str | None

    @property
    def number(self) -> int:
        return binlogs.number(self.file)

    @property
    def stored(self) -> Stored:
        return Stored(self.stored_bytes, self.stored_sha256, self.etag)


@dataclass(frozen=True)
class Gap:
    """Between two logs that follow each other in the catalogue there is one that is not there."""

    behind: str
    before: str

    def __str__(self) -> str:
        return f"between {self.behind} and {self.before}"


@dataclass(frozen=True)
class Chain:
    """The logs of one server that are safe, in their order, and where some are missing. One whose
    `previous` is not there before the first is no gap: it was kept for its time. `broken`: those
    that have an entry, and an object that is gone or is not what the entry says."""

    entries: tuple[Entry, ...]
    gaps: tuple[Gap, ...]
    broken: tuple[str, ...] = ()

    def broken_behind(self, last: int) -> str | None:
        """The first one behind the log of that number."""
        return next((file for file in self.broken if binlogs.number(file) > last), None)

    def without_gaps(self, first: str) -> tuple[Entry, ...]:
        """The logs from that one on, as far as they follow each other; none if it is not there."""
        ends = {gap.behind for gap in self.gaps}
        result: list[Entry] = []
        for entry in self.entries:
            if not result and entry.file != first:
                continue
            result.append(entry)
            if entry.file in ends:
                break
        return tuple(result)


def log_key(prefix: str, file: str) -> str:
    """`prefix`: of one server's logs, as `Place.server` has it."""
    return f"{prefix}{file}{LOG}"


def entry_key(prefix: str, file: str) -> str:
    return f"{prefix}{file}{ENTRY}"


def to_bytes(entry: Entry) -> bytes:
    document = {"format": FORMAT, **asdict(entry)}
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def from_bytes(content: bytes, key: str) -> Entry:
    """Raises NodeError: a damaged entry, or one of another format."""
    try:
        return _parse(Fields(json.loads(content), "the entry"))
    except (ValueError, NodeError) as error:
        why = error.found if isinstance(error, NodeError) else f"it is not JSON: {error}"
        raise NodeError(
            Exit.HOST,
            f"{key} is not understood: {why}",
            f"a catalogue entry of format {FORMAT}",
            "look at the object; an older version of it may be the right one",
        ) from None


def chain(entries: Iterable[Entry], broken: Iterable[str] = ()) -> Chain:
    """Of one server's entries in any order."""
    ordered = sorted(entries, key=lambda entry: entry.number)
    gaps = [
        Gap(one.file, other.file)
        for one, other in pairwise(ordered)
        if other.previous != one.file or one.next not in (None, other.file)
    ]
    return Chain(tuple(ordered), tuple(gaps), tuple(sorted(broken, key=binlogs.number)))


def files(listed: Iterable[str], prefix: str) -> list[str]:
    """Names of the logs that the bucket has both of, the log and its entry, in their order."""
    there = set(listed)
    found = (_file(key, prefix) for key in there if key.endswith(ENTRY))
    return sorted(
        (file for file in found if binlogs.number(file) and log_key(prefix, file) in there),
        key=binlogs.number,
    )


def missing(ordered: Iterable[str]) -> list[Gap]:
    """Between logs by their numbers alone."""
    return [
        Gap(one, other)
        for one, other in pairwise(ordered)
        if binlogs.number(other) != binlogs.number(one) + 1
    ]


def read(store: Store, prefix: str, first: str | None = None) -> Chain:
    """The catalogue of one server, from the log `first` on: of what the bucket has both of, the log
    as its entry says."""
    listed = store.listed(prefix)
    least = binlogs.number(first) if first else 0
    keys = [
        key
        for key in listed
        if key.endswith(ENTRY) and binlogs.number(_file(key, prefix)) >= max(least, 1)
    ]
    result, broken = list[Entry](), list[str]()
    for key, content in store.get_small(keys).items():
        entry, log = from_bytes(content, key), listed.get(log_key(prefix, _file(key, prefix)))
        same = log is not None and (log.bytes, log.etag) == (entry.stored_bytes, entry.etag)
        if same and prefix.endswith(f"/{entry.server_uuid}/") and entry.file == _file(key, prefix):
            result.append(entry)
        else:
            broken.append(_file(key, prefix))
    return chain(result, broken)


def _file(key: str, prefix: str) -> str:
    return key.removeprefix(prefix).removesuffix(ENTRY)


def _parse(fields: Fields) -> Entry:
    fields.number("format", FORMAT, FORMAT)
    result = Entry(
        node=fields.matching("node", NAME, "a node's name"),
        server_uuid=fields.matching("server_uuid", UUID, "a server's uuid"),
        server_id=fields.number("server_id", 1, LATEST - 1),
        file=fields.matching("file", binlogs.LOG_NAME, "a binary log's name"),
        bytes=fields.number("bytes", 0, LARGEST),
        sha256=fields.matching("sha256", SHA256, "a SHA-256"),
        stored_bytes=fields.number("stored_bytes", 1, LARGEST),
        stored_sha256=fields.matching("stored_sha256", SHA256, "a SHA-256"),
        etag=fields.matching("etag", ETAG, "the ETag of an upload in parts"),
        first_position=fields.number("first_position", 0, LARGEST),
        end_position=fields.number("end_position", 0, LARGEST),
        first_time=fields.number("first_time", 0, LATEST),
        last_time=fields.number("last_time", 0, LATEST),
        previous=_name(fields, "previous"),
        next=_name(fields, "next"),
    )
    fields.end()
    return result


def _name(fields: Fields, name: str) -> str | None:
    value: Any = fields.any(name)
    if value is not None and not (isinstance(value, str) and binlogs.number(value)):
        raise NodeError(Exit.HOST, f"{name} is {value!r}", "a binary log's name, or null", "")
    return value
