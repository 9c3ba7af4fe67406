"""The transactions of one binary log, in the order of their commits, without a server.

Events as https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html
and log_event.h of MySQL 5.6 have them; what is said of a server below was seen in 5.6.24.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..base.errors import Exit, NodeError
from .binlog_file import CRC32, CRC_BYTES, FORMAT, PREVIOUS_GTIDS, ROTATE, STOP, Damaged
from .binlogs import HEADER, MAGIC, QUERY, XID

INTVAR, RAND, USER_VAR = 5, 13, 14
APPEND_BLOCK, DELETE_FILE, BEGIN_LOAD, EXECUTE_LOAD = 9, 11, 17, 18
TABLE_MAP, ROWS_QUERY, INCIDENT, GTID, ANONYMOUS_GTID = 19, 29, 26, 33, 34
ROWS_1, ROWS_2 = frozenset({23, 24, 25}), frozenset({30, 31, 32})
WRITES = frozenset({23, 30})
UPDATES = frozenset({24, 31})  # two images of each row
NO_PART = frozenset({FORMAT, PREVIOUS_GTIDS, ROTATE, STOP})
# What stands before the statement that it belongs to, and may stand before its BEGIN.
AHEAD = frozenset({INTVAR, RAND, USER_VAR, GTID, ANONYMOUS_GTID, BEGIN_LOAD, APPEND_BLOCK})
INSIDE = frozenset({TABLE_MAP, ROWS_QUERY}) | ROWS_1 | ROWS_2
BEGIN, ENDS = b"BEGIN", frozenset({b"COMMIT", b"ROLLBACK"})
# Inside a transaction of rows too.
NO_CHANGE = (b"SAVEPOINT ", b"ROLLBACK TO ", b"RELEASE SAVEPOINT ", b"CREATE TABLE ")
# Thread, seconds, length of the schema's name, error, length of the status variables.
QUERY_HEAD = struct.Struct("<IIBHH")
THREAD = struct.Struct("<I")
SHORT = struct.Struct("<H")
ROWS_HEAD = 8  # table's number and flags; the second version has a length behind it
# The lower half of Adler-32 is the sum of the bytes, in whatever order; of other bytes, another.
SUM = 0xFFFF
OTHER_BYTES = bytes((each * each + 167 * each) & 0xFF for each in range(256))
MASK = 0xFFFFFFFFFFFF


class Lost(NodeError):
    """The server says in its log that something is missing there."""


class Transaction(NamedTuple):
    """`start`, `end`: its bytes in the log, with all that belongs to it. `origin`: id of the server
    that it was written on, whoever's log this is. `begun`, `worked`, `time`: seconds UTC by the
    clock of the origin, of the first statement, of the last one, and of what commits it, each as
    that began. A slave writes `worked` where its master has `time`: only the log of the origin
    tells it. `content` is the same in every server's log, whatever order a slave found the rows of
    a table in; but for one that holds statements (`text`), which a slave may write as rows."""

    start: int
    end: int
    origin: int
    thread: int
    begun: int
    worked: int
    time: int
    content: int
    text: bool = False

    @property
    def key(self) -> tuple[int, int, int]:
        """Equal in the log of each server that executed it; many of one second may share it."""
        return self.begun, self.thread, self.worked

    @property
    def sign(self) -> tuple[int, int, int, int]:
        return self.begun, self.thread, self.worked, self.content


def read(path: Path, end: int | None = None) -> Iterator[Transaction]:
    """Those that are whole before `end`. What a crash cut is none: nobody was told of it.

    Raises `Damaged`, and `Lost` when it comes to where the log says that it lacks something.
    """
    with path.open("rb") as stream:
        if path.stat().st_size <= len(MAGIC):
            return
        with mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as content:
            yield from parse(content, len(content) if end is None else end, str(path))


def heading(path: Path) -> bytes:
    """What a file must begin with that holds some of this log's transactions."""
    with path.open("rb") as stream:
        magic = stream.read(len(MAGIC))
        header = stream.read(HEADER.size)
        kind, length = (0, 0)
        if len(header) == HEADER.size:
            _, kind, _, length, _, _ = HEADER.unpack(header)
        if magic != MAGIC or kind != FORMAT:
            raise _damaged(str(path), "it does not begin as one")
        return magic + header + stream.read(length - HEADER.size)


def parse(log: mmap.mmap | bytes, limit: int, name: str) -> Iterator[Transaction]:
    header, query = HEADER.unpack_from, QUERY_HEAD.unpack_from
    crc32, adler32 = zlib.crc32, zlib.adler32
    view = memoryview(log)
    size, place, behind = HEADER.size, len(MAGIC), 0
    limit = min(limit, len(log))
    start, opened, statements = 0, False, False  # of the transaction in hand
    thread = begun = worked = content = 0
    try:
        while place + size <= limit:
            time, kind, origin, length, _, _ = header(log, place)
            following = place + length
            if length < size:
                raise _damaged(name, f"at {place} is an event of {length} bytes")
            if following > limit:
                return
            body = place + size
            if kind == QUERY:
                number, _, schema, _, status = query(log, body)
                text = log[body + QUERY_HEAD.size + status + schema + 1 : following - behind]
                if not start:
                    start = place
                if text == BEGIN and not opened:
                    opened, thread, begun, worked = True, number, time, time
                elif not opened:
                    content = (content + crc32(text)) & MASK
                    yield Transaction(start, following, origin, number, time, time, time, content)
                    start = content = 0
                elif text in ENDS:
                    yield Transaction(
                        start, following, origin, thread, begun, worked, time, content, statements
                    )
                    start, opened, content, statements = 0, False, 0, False
                else:
                    worked = time
                    content = (content + crc32(text)) & MASK
                    statements = statements or not text.startswith(NO_CHANGE)
            elif kind == XID:
                if not opened:
                    raise _damaged(name, f"at {place} ends a transaction that did not begin")
                yield Transaction(
                    start, following, origin, thread, begun, worked, time, content, statements
                )
                start, opened, content, statements = 0, False, 0, False
            elif kind in INSIDE:
                if not opened:
                    raise _damaged(name, f"at {place} are rows of no transaction")
                worked = time
                if kind == TABLE_MAP:
                    tail = view[body + ROWS_HEAD : following - behind]
                    content = (content + crc32(tail)) & MASK
                    tail.release()
                elif kind != ROWS_QUERY:
                    at = body + ROWS_HEAD
                    if kind in ROWS_2:
                        at += SHORT.unpack_from(log, at)[0]
                    width, at = _packed(log, at)
                    at += (width + 7) // 8 * (2 if kind in UPDATES else 1)
                    tail = view[at : following - behind]
                    # A slave may find rows to change in another order, without a key to go by.
                    if kind in WRITES:
                        content = (content + crc32(tail)) & MASK
                    else:
                        total = adler32(tail) & SUM
                        other = adler32(bytes(tail).translate(OTHER_BYTES)) & SUM
                        content = (content + (len(tail) << 32) + (other << 16) + total) & MASK
                    tail.release()
            elif kind in AHEAD:
                start = start or place
                if kind in (INTVAR, RAND, USER_VAR):
                    content = (content + crc32(log[body : following - behind])) & MASK
            elif kind == EXECUTE_LOAD:
                start, worked, statements = start or place, time, True
                if not opened:
                    number = THREAD.unpack_from(log, body)[0]
                    yield Transaction(
                        start, following, origin, number, time, time, time, content, statements
                    )
                    start, content, statements = 0, 0, False
            elif kind == DELETE_FILE:
                if start and not opened:  # of a LOAD DATA that failed
                    start = content = 0
            elif kind in NO_PART:
                if kind == FORMAT:
                    behind = CRC_BYTES if log[following - CRC_BYTES - 1] == CRC32 else 0
                elif opened:
                    raise _damaged(name, f"it is closed at {place}, inside a transaction")
            elif kind == INCIDENT:
                raise _lost(name, place)
            else:
                raise _damaged(name, f"at {place} is an event of kind {kind}")
            place = following
    finally:
        view.release()


def _packed(log: mmap.mmap | bytes, at: int) -> tuple[int, int]:
    """A number as the protocol packs it, and where it ends. A table has up to 4096 columns."""
    first = log[at]
    if first < 251:
        return first, at + 1
    return SHORT.unpack_from(log, at + 1)[0], at + 3


def _damaged(name: str, why: str) -> Damaged:
    return Damaged(
        Exit.SERVER,
        f"{name} is damaged: {why}",
        "a binary log of MySQL 5.6",
        "what follows it cannot be had from this log",
    )


def _lost(name: str, place: int) -> Lost:
    return Lost(
        Exit.SERVER,
        f"{name} says at {place} that its server lost changes there (an incident event)",
        "a log with all that was done",
        "only what stands before it can be had from this log",
    )
