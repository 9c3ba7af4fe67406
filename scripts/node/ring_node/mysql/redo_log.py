"""InnoDB's redo logs as files: their checkpoints, and what of them recovery replays.

Each file begins with four blocks of 512 bytes. In the first file the second and the fourth hold the
last two checkpoints in turn; from the later one on recovery replays. The blocks behind are numbered
by their log sequence number, and are written round and round through all files, but never over what
lies behind the checkpoint in force. Recovery ends at the first block that has not the next number
(log0log.h, log_group_calc_lsn_offset and recv_scan_log_recs of MySQL 5.6).
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

FILE = re.compile(r"ib_logfile(?P<number>\d+)")
FIRST = "ib_logfile0"
BLOCK = 512
HEAD_BYTES = 4 * BLOCK
CHECKPOINTS = (BLOCK, 3 * BLOCK)
# A checkpoint's number, its log sequence number and the lower half of its place in the files; the
# upper half is far behind.
CHECKPOINT = struct.Struct(">QQI")
UPPER_AT, UPPER = 304, struct.Struct(">I")
NUMBER, NUMBER_BITS, FLUSHED_FIRST = struct.Struct(">I"), (1 << 30) - 1, 1 << 31
READ_BYTES = 1 << 20
MARGIN = 1 << 20

Range = tuple[int, int]  # of a file: from, to


@dataclass(frozen=True)
class Head:
    """The first blocks of the first file, as of a moment."""

    content: bytes

    @property
    def checkpoint(self) -> int:
        """Log sequence number from which recovery replays."""
        return CHECKPOINT.unpack_from(self.content, self._latest)[1]

    @property
    def place(self) -> int:
        """Where that is in the files, as if they were one."""
        lower = CHECKPOINT.unpack_from(self.content, self._latest)[2]
        return (UPPER.unpack_from(self.content, self._latest + UPPER_AT)[0] << 32) + lower

    @property
    def _latest(self) -> int:
        return max(CHECKPOINTS, key=lambda at: CHECKPOINT.unpack_from(self.content, at)[0])

    def holds(self, number: int, sizes: Iterable[int]) -> bool:
        """Whether logs that were written up to that number still hold all from its checkpoint on.

        `sizes`: of the files.
        """
        room = sum(size - HEAD_BYTES for size in sizes) - MARGIN
        return number - self.checkpoint <= room


def head(data: Path) -> Head:
    with (data / FIRST).open("rb", buffering=0) as log:
        return Head(log.read(HEAD_BYTES))


def put_head(data: Path, head: Head) -> None:
    """Recovery begins at these checkpoints."""
    descriptor = os.open(data / FIRST, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, head.content, 0)
    finally:
        os.close(descriptor)


def replayed(data: Path) -> tuple[int, dict[str, list[Range]]]:
    """Up to which log sequence number recovery replays, and what of the files it reads for that."""
    found = [match for match in map(FILE.fullmatch, os.listdir(data)) if match]
    names = [match[0] for match in sorted(found, key=lambda match: int(match["number"]))]
    kept = {name: [(0, HEAD_BYTES)] for name in names}
    begin = head(data)
    number = first = begin.checkpoint // BLOCK * BLOCK
    with ExitStack() as opened:
        files = [opened.enter_context((data / name).open("rb", buffering=0)) for name in names]
        size = os.fstat(files[0].fileno()).st_size
        room = len(files) * (size - HEAD_BYTES)
        place = begin.place // BLOCK * BLOCK
        while number - first < room:
            which, at = divmod(place, size)
            blocks = _follow(files[which], at, min(size, at + READ_BYTES), number)
            kept[names[which]].append((at, at + blocks * BLOCK))
            number, place = number + blocks * BLOCK, place + blocks * BLOCK
            if place % size == 0:
                place = place % (size * len(files)) + HEAD_BYTES
            elif blocks * BLOCK < READ_BYTES:
                break
    return number, {name: list(_joined(ranges)) for name, ranges in kept.items()}


def block_number(number: int) -> int:
    """What the block with that log sequence number is numbered."""
    return (number // BLOCK & NUMBER_BITS) + 1


def _follow(file: IO[bytes], begin: int, end: int, number: int) -> int:
    """How many blocks there have the numbers that follow."""
    content = os.pread(file.fileno(), end - begin, begin)
    for at in range(0, len(content), BLOCK):
        found = NUMBER.unpack_from(content, at)[0] & ~FLUSHED_FIRST
        if found != block_number(number + at):
            return at // BLOCK
    return len(content) // BLOCK


def _joined(ranges: Iterable[Range]) -> Iterator[Range]:
    last: Range | None = None
    for begin, end in sorted(ranges):
        if last is not None and begin <= last[1]:
            last = (last[0], max(last[1], end))
            continue
        if last is not None:
            yield last
        last = (begin, end)
    if last is not None:
        yield last
