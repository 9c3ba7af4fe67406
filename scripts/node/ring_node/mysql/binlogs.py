"""What stands in a server's binary logs, read from their files."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import NamedTuple

from .shows import Coordinates

MAGIC = b"\xfebin"
# Time, type, server id, size, end, flags: the common header of format 4.
# https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html
HEADER = struct.Struct("<IBIIIH")
XID = 16
LOG_NAME = re.compile(r"(?P<base>.+)\.(?P<number>\d{6,})")


class Event(NamedTuple):
    kind: int
    server_id: int
    end: int


def last_commit(folder: Path, place: Coordinates) -> Coordinates | None:
    """Where the last transaction of InnoDB before `place` ends. None: none in the last two logs.

    The end of a transaction of InnoDB is an Xid event; InnoDB keeps the place of that end with
    what it commits. What other engines and DDL write ends with a Query event, of which InnoDB
    knows nothing.
    """
    file, end = place
    for _ in range(2):
        found = _last_xid(folder / file, end)
        if found is not None:
            return Coordinates(file, found)
        name = LOG_NAME.fullmatch(file)
        if name is None or int(name["number"]) <= 1:
            return None
        file = f"{name['base']}.{int(name['number']) - 1:06d}"
        if not (folder / file).exists():
            return None
        end = (folder / file).stat().st_size
    return None


def _last_xid(path: Path, end: int) -> int | None:
    found = None
    with path.open("rb") as log:
        if log.read(len(MAGIC)) != MAGIC:
            return None
        place = len(MAGIC)
        while place < end:
            log.seek(place)
            header = log.read(HEADER.size)
            if len(header) < HEADER.size:
                return found
            _, kind, _, size, _, _ = HEADER.unpack(header)
            if size < HEADER.size:
                return found
            place += size
            if kind == XID and place <= end:
                found = place
    return found
