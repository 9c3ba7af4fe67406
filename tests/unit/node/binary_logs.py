"""Binary logs that tests make up, event by event, as MySQL 5.6 writes them."""

from __future__ import annotations

import struct
import zlib

from ring_node.mysql.binlogs import HEADER, MAGIC

QUERY, STOP, ROTATE, INTVAR, FORMAT, XID = 2, 3, 4, 5, 15, 16
TABLE_MAP, INCIDENT, WRITE_ROWS, UPDATE_ROWS = 19, 26, 30, 31


class BinaryLog:
    """`at`: seconds UTC of the next event; `origin`: server id in it."""

    def __init__(self, at: int, origin: int, *, checksum: bool = True) -> None:
        self.at, self.origin, self._checksum = at, origin, checksum
        self.content = MAGIC
        body = struct.pack("<H50sIB", 4, b"5.6.24-log", at, 19) + bytes(35)
        self.event(FORMAT, body + bytes([int(checksum)]), always=True)

    def event(self, kind: int, body: bytes, *, always: bool = False) -> None:
        summed = self._checksum or always
        length = HEADER.size + len(body) + 4 * summed
        end = len(self.content) + length
        event = HEADER.pack(self.at, kind, self.origin, length, end, 0) + body
        self.content += event + (struct.pack("<I", zlib.crc32(event)) if summed else b"")

    def query(self, text: str, thread: int = 7) -> None:
        status = b"\x00\x00\x00\x00\x00"
        head = struct.pack("<IIBHH", thread, 0, 3, 0, len(status))
        self.event(QUERY, head + status + b"app\0" + text.encode())

    def rows(self, data: bytes, kind: int = WRITE_ROWS) -> None:
        table = struct.pack("<IHH", 70, 0, 0)
        self.event(TABLE_MAP, table + b"\x03app\0\x01t\0\x01\x03\0\x01")
        bitmaps = b"\x01\xff\xff" if kind == UPDATE_ROWS else b"\x01\xff"
        self.event(kind, table + struct.pack("<H", 2) + bitmaps + data)

    def commit(self) -> None:
        self.event(XID, bytes(8))

    def transaction(self, data: bytes, thread: int = 7) -> tuple[int, int]:
        """Where it begins and ends."""
        start = len(self.content)
        self.query("BEGIN", thread)
        self.rows(data)
        self.commit()
        return start, len(self.content)

    def rotate(self, following: str) -> None:
        self.event(ROTATE, struct.pack("<Q", 4) + following.encode())
