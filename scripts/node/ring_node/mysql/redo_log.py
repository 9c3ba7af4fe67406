"""The head of InnoDB's redo logs, where its checkpoints are.

The first file begins with four blocks of 512 bytes. The second and the fourth hold the last two
checkpoints in turn: from the later one on recovery replays (log0log.h of MySQL 5.6). The logs are
written round and round, but never over what lies behind the checkpoint in force.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FILE = re.compile(r"ib_logfile\d+")
FIRST = "ib_logfile0"
HEAD_BYTES = 2048  # of each file
CHECKPOINTS = (512, 1536)
NUMBER = struct.Struct(">QQ")  # of the checkpoint; its log sequence number
MARGIN = 1 << 20


@dataclass(frozen=True)
class Head:
    """The first blocks of the first file, as of a moment."""

    content: bytes

    @property
    def checkpoint(self) -> int:
        """Log sequence number from which recovery replays."""
        return max(NUMBER.unpack_from(self.content, place) for place in CHECKPOINTS)[1]

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
