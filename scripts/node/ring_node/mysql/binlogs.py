"""A server's binary logs as files: what stands in them, and with which number they begin."""

from __future__ import annotations

import mmap
import os
import re
import struct
from pathlib import Path
from typing import NamedTuple

from ..host import files
from .shows import Coordinates

BASE, INDEX = "bin", "log-bin.index"  # as my.cnf names them
MAGIC = b"\xfebin"
# Time, type, server id, size, end, flags: the common header of format 4.
# https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html
HEADER = struct.Struct("<IBIIIH")
QUERY, XID = 2, 16
# Each start of a server and each FLUSH LOGS begins a log, and none need hold a commit.
LAST_LOGS = 10
LOG_NAME = re.compile(r"(?P<base>.+)\.(?P<number>\d{6,})")
# How many a server may begin while the one that takes its place is made.
MEANWHILE = 1000


class Commits(NamedTuple):
    """Where InnoDB's last commit in a binary log ends: at `certain`, or later, up to `latest`."""

    certain: Coordinates
    latest: Coordinates

    def allow(self, place: Coordinates | None) -> bool:
        """Whether that is where InnoDB may say that it ended."""
        return place is not None and self.certain.order <= place.order <= self.latest.order

    def __str__(self) -> str:
        same = self.certain == self.latest
        return str(self.certain) if same else f"{self.certain} to {self.latest}"


def number(name: str) -> int:
    """Of a binary log of this ring's servers; 0 for any other name."""
    found = LOG_NAME.fullmatch(name)
    return int(found["number"]) if found and found["base"] == BASE else 0


def highest(folder: Path) -> int:
    """The highest number of a log in that folder; 0 when there is none."""
    names = os.listdir(folder) if folder.is_dir() else []
    return max(map(number, names), default=0)


def beginning_behind(known: int) -> Coordinates:
    """Where a server's log begins in which no place of a log up to `known` exists."""
    return Coordinates(f"{BASE}.{known + MEANWHILE + 1 if known else 1:06d}", len(MAGIC))


def begin_at(folder: Path, first: Coordinates) -> None:
    """Makes a server that has no log yet begin there.

    It takes the number behind the highest one of a name in that folder, whether its index lists
    that or not (ran on 5.6.24, up to 2147483647; from 1000000 on a name has seven digits). So an
    empty file stands there until the server has its first log.
    """
    before = number(first.file) - 1
    if before:
        (folder / f"{BASE}.{before:06d}").touch(mode=0o640)


def remove_stand_in(folder: Path) -> None:
    """The empty file of `begin_at`, once the server has a log behind it."""
    index = (files.read_bytes(folder / INDEX) or b"").decode()
    listed = [number(Path(line).name) for line in index.splitlines()]
    if listed:
        for path in folder.iterdir():
            if 0 < number(path.name) < min(listed) and not path.stat().st_size:
                files.remove(path)


def last_commits(folder: Path, place: Coordinates) -> Commits | None:
    """The end of InnoDB's last commit before `place`. None: not told by the last logs.

    InnoDB keeps, with what it commits, where in the binary log that ended. There, an Xid event ends
    it. Definitions and the statements of other engines are Query events, and most of them move
    InnoDB nowhere. But an ALTER may commit something in InnoDB when its event is written, and the
    COMMIT of an XA transaction is a Query event as well as one of another engine.
    """
    latest = None
    file, end = place
    for _ in range(LAST_LOGS):
        xid, query = _ends(folder / file, end)
        if latest is None and (xid or query):
            latest = Coordinates(file, max(xid, query))
        if xid:
            assert latest is not None
            return Commits(Coordinates(file, xid), latest)
        name = LOG_NAME.fullmatch(file)
        if name is None:
            return None
        file = f"{name['base']}.{int(name['number']) - 1:06d}"
        if not (folder / file).exists():
            return None
        end = (folder / file).stat().st_size
    return None


def _ends(path: Path, end: int) -> tuple[int, int]:
    """Where the last Xid event and the last Query event before `end` end. 0: there is none."""
    xid = query = 0
    if end < len(MAGIC):  # what `begin_at` left
        return 0, 0
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as log:
        place = len(MAGIC)
        if log[:place] != MAGIC:
            return 0, 0
        while place + HEADER.size <= min(end, len(log)):
            _, kind, _, size, _, _ = HEADER.unpack_from(log, place)
            if size < HEADER.size or place + size > end:
                break
            place += size
            if kind == XID:
                xid = place
            elif kind == QUERY:
                query = place
    return xid, query
