"""Rows of the master that the slave passed over, counted from the server's error log.

Under slave_exec_mode=IDEMPOTENT the slave goes on where a row is missing (1032), there already
(1062) or held by a foreign key (1451, 1452). MySQL 5.6 says so in one place, a warning in its error
log (with `log_warnings` at 1, its default), to which logrotate gives another name in time. It says
nothing where a row overwrote another one: two equal values of a primary key, or of another unique
one, that were inserted on both sides.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ..host import files

READ_BYTES = 32 << 20  # of the log, at most, in one look
TEXT_SHOWN = 300
SIGN = b"[Warning] Slave SQL: Could not execute "
# As 5.6.24 writes it. The text may hold line ends, and a table's name nearly everything.
WARNING = re.compile(
    rb"(?P<at>\d{4}-\d\d-\d\d [ \d]\d:\d\d:\d\d) \d+ \[Warning\] Slave SQL: Could not execute \w+"
    rb" event on table (?P<table>.+?); (?P<text>.*?), Error_code: \d+; handler error"
    rb" \w+; the event's master log \S+, end_log_pos \d+, Error_code: (?P<code>\d+)\n",
    re.DOTALL,
)
ENTRY = re.compile(rb"\n(?=\d{4}-\d\d-\d\d [ \d]\d:\d\d:\d\d )")  # where the next one begins


@dataclass(frozen=True)
class Conflict:
    at: str  # by the server's own clock and time zone, as its log has it
    table: str
    code: int
    text: str


@dataclass
class Conflicts:
    """What was found in a server's error logs, and how far the one was read that was read last."""

    log: str = ""  # its path, links resolved: another incarnation has another one
    inode: int = 0
    offset: int = 0
    passed_over: int = 0  # bytes of the log that were not looked at, for there were too many
    counts: dict[str, int] = field(default_factory=dict[str, int])  # by "1032 app.t"
    last: Conflict | None = None

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def found(text: bytes) -> tuple[list[Conflict], int]:
    """The warnings in a part of a log, and how much of it need not be read again."""
    result: list[Conflict] = []
    at = 0
    while (sign := text.find(SIGN, at)) >= 0:
        next_one = ENTRY.search(text, sign)
        begin = max(0, text.rfind(b"\n", 0, sign) + 1)
        match = WARNING.match(text, begin, next_one.start() + 1 if next_one else len(text))
        if match is None and next_one is None:  # its end is not written yet
            return result, begin
        at = sign + len(SIGN)
        if match is not None:
            result.append(
                Conflict(
                    match["at"].decode(),
                    match["table"].decode(errors="replace"),
                    int(match["code"]),
                    " ".join(match["text"].decode(errors="replace").split())[:TEXT_SHOWN],
                )
            )
            at = match.end()
    return result, max(at, text.rfind(b"\n") + 1)


def count(log: Path, memory: Path) -> Conflicts:
    """All since the oldest log begins that logrotate keeps. `memory` keeps how far they were read,
    until the host boots again. Of a log that has more than READ_BYTES its end counts."""
    known = _remembered(memory)
    path = str(log.resolve())
    if known.log != path:
        known = Conflicts(path)
    with ExitStack() as stack:
        streams = _unread(log, known, stack)
        for stream in streams:
            if _go_on(known, stream):
                memory.parent.mkdir(exist_ok=True)
                files.write(memory, json.dumps(asdict(known)).encode(), mode=0o600)
    return known


def _unread(log: Path, known: Conflicts, stack: ExitStack) -> list[BinaryIO]:
    """The logs from the one on that was read last, the oldest first.

    They are opened from the newest on: what is rotated meanwhile is met twice, and none is missed.
    """
    rotated = (each for each in log.parent.glob(f"{log.name}.*") if each.suffix[1:].isdigit())
    found: dict[int, BinaryIO] = {}
    for path in (log, *sorted(rotated, key=lambda each: int(each.suffix[1:]))):
        with suppress(FileNotFoundError):
            stream = stack.enter_context(path.open("rb"))
            found.setdefault(os.fstat(stream.fileno()).st_ino, stream)
            if os.fstat(stream.fileno()).st_ino == known.inode:
                break
    return list(reversed(found.values()))


def _go_on(known: Conflicts, stream: BinaryIO) -> bool:
    """Counts what is new in one log. Whether there was anything."""
    state = os.fstat(stream.fileno())
    if (known.inode, state.st_size >= known.offset) != (state.st_ino, True):
        known.inode, known.offset = state.st_ino, 0  # what was counted stands
    skip = max(0, state.st_size - known.offset - READ_BYTES)
    known.passed_over += skip
    known.offset += skip
    stream.seek(known.offset)
    conflicts, read = found(stream.read(READ_BYTES))
    counts = Counter(known.counts)
    counts.update(f"{each.code} {each.table}" for each in conflicts)
    known.counts = dict(counts)
    known.last = conflicts[-1] if conflicts else known.last
    known.offset += read
    return bool(conflicts or read or skip)


def _remembered(memory: Path) -> Conflicts:
    try:
        value: dict[str, Any] = json.loads(files.read_bytes(memory) or b"{}")
        last = value.pop("last", None)
        return Conflicts(**value, last=Conflict(**last) if last else None)
    except (ValueError, TypeError):
        return Conflicts()
