"""One binary log as a file, read event by event: where it ends, when, and which log follows.

The format is 4, of MySQL 5.0 to 5.7, with the checksums of 5.6.
https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import Exit, NodeError
from .binlogs import HEADER, MAGIC

STOP, ROTATE, FORMAT, PREVIOUS_GTIDS = 3, 4, 15, 35
HEADING = frozenset({FORMAT, PREVIOUS_GTIDS})  # what each log begins with, whatever is written
IN_USE = 1  # flag of the format event: the log was not closed
CRC32, CRC_BYTES = 1, 4


class Damaged(NodeError):
    """What stands in the file is no binary log, or only the beginning of one is."""


@dataclass(frozen=True)
class Log:
    """`end` is where the last whole event ends: behind it there is nothing, or the beginning of an
    event that a server did not finish, whose transaction nobody was told of.

    `first_time` and `last_time`: seconds UTC, the earliest and the latest of all events. An event
    that came from the master keeps the time that it has there, and a log may begin with an event
    that is younger than the next one: only the bounds say which times are in a log.
    `next`: the log that its last event names. None: its server was stopped, or crashed.
    """

    size: int
    end: int
    first_time: int
    last_time: int
    next: str | None
    closed: bool  # it ends with the event that closes a log
    empty: bool  # only what every log begins with

    @property
    def torn(self) -> int:
        """Bytes of an event that was not finished."""
        return self.size - self.end


# Of a server that ended while it began the log.
NOTHING = Log(0, 0, 0, 0, None, closed=False, empty=True)


def read(path: Path) -> Log:
    """Raises `Damaged`, or OSError."""
    with path.open("rb") as stream:
        if not path.stat().st_size:
            return NOTHING
        with mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as content:
            return _read(path, content)


def begun(path: Path) -> int:
    """The time of its first event, seconds UTC; 0 if it has none."""
    with path.open("rb") as stream:
        stream.seek(len(MAGIC))
        header = stream.read(HEADER.size)
    return HEADER.unpack(header)[0] if len(header) == HEADER.size else 0


def has_events(path: Path) -> bool:
    """Whether more stands in it than what every log begins with. Of the open log too."""
    with path.open("rb") as stream:
        place = len(MAGIC)
        while True:
            stream.seek(place)
            header = stream.read(HEADER.size)
            if len(header) < HEADER.size:
                return False
            _, kind, _, length, _, _ = HEADER.unpack(header)
            if kind not in HEADING:
                return True
            if length < HEADER.size:
                raise _damaged(path, f"at {place} is an event of {length} bytes")
            place += length


def _read(path: Path, content: mmap.mmap) -> Log:
    if content[: len(MAGIC)] != MAGIC[: len(content)]:
        raise _damaged(path, "it does not begin as one")
    place, size = len(MAGIC), len(content)
    first, last = 0xFFFFFFFF, 0
    checksum = 0
    following = None
    closed, empty = False, True
    while place + HEADER.size <= size:
        time, kind, _, length, claimed, _ = HEADER.unpack_from(content, place)
        if closed:
            raise _damaged(path, f"it goes on at {place}, behind the event that closes it")
        if length < HEADER.size or place + length > size:
            if length < HEADER.size:
                raise _damaged(path, f"at {place} is an event of {length} bytes")
            break
        # The format event of a log beyond 4 GiB has room for 32 bits of its place only.
        if claimed != (place + length) & 0xFFFFFFFF:
            raise _damaged(path, f"the event at {place} says that it ends at {claimed}")
        if place == len(MAGIC):
            if kind != FORMAT:
                raise _damaged(path, f"its first event is of kind {kind}")
            checksum = content[place + length - CRC_BYTES - 1]
        if time:
            first, last = min(first, time), max(last, time)
        empty = empty and kind in HEADING
        if kind == ROTATE:
            behind = CRC_BYTES if checksum == CRC32 else 0
            name = content[place + HEADER.size + 8 : place + length - behind]
            following = name.decode(errors="replace")
        closed = kind in (STOP, ROTATE)
        place += length
    end = place if place > len(MAGIC) else 0
    return Log(size, end, min(first, last), last, following, closed, empty)


def _damaged(path: Path, why: str) -> Damaged:
    return Damaged(
        Exit.SERVER,
        f"{path} is damaged: {why}",
        "a binary log of MySQL 5.6",
        "look at `dmesg` for the disk. What it held is also on a server that has read it all: "
        "compare the two, or make this one anew as a copy of the other",
    )
