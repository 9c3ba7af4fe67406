"""What stands in a server's binary logs, read from their files."""

from __future__ import annotations

import mmap
import re
import struct
from pathlib import Path
from typing import NamedTuple

from .shows import Coordinates

MAGIC = b"\xfebin"
# Time, type, server id, size, end, flags: the common header of format 4.
# https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html
HEADER = struct.Struct("<IBIIIH")
QUERY, XID = 2, 16
# Each start of a server and each FLUSH LOGS begins a log, and none need hold a commit.
LAST_LOGS = 10
LOG_NAME = re.compile(r"(?P<base>.+)\.(?P<number>\d{6,})")


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
