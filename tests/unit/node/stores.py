"""A bucket in memory, for the tests of what is done with one."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO, Any

from ring_node.backup.place import Place
from ring_node.backup.store import (
    MIB,
    SMALLEST_PART_MIB,
    Entry,
    Missing,
    Readable,
    Store,
    Stored,
    StoreError,
    Tally,
    Wrong,
)
from ring_node.base.errors import Exit

PLACE = Place(
    bucket="a-bucket",
    region="eu-central-1",
    stack="dev",
    ring="ring",
    node="node-1",
    archive_interval=300,
    backup_schedule="*-*-* 03:15:00",
    drill_schedule="",
    maintenance_schedule="Sun *-*-* 04:00:00",
    keep_binlog_hours=24,
    disk_warn=80,
    disk_critical=92,
)
NOW = 1_764_126_000


class MemoryStore(Store):
    """Takes and gives what the real one does, and raises the same errors.

    `away`: S3 does not answer. `puts` and `gets`: keys in the order of the requests. What stands in
    `objects` may be changed by a test: it is what the bucket holds."""

    def __init__(self, place: Place = PLACE) -> None:
        super().__init__(place)
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.gets: list[str] = []
        self.away = False
        self.now = NOW

    def put(self, key: str, read: Readable, **_: Any) -> Stored:
        self._must_be_there()
        content = b"".join(iter(lambda: read.read(MIB), b""))
        assert content, f"an object has a byte at least: {key}"
        self.puts.append(key)
        self.objects[key] = content
        return stored(content)

    def put_bytes(self, key: str, content: bytes, **_: Any) -> Stored:
        return self.put(key, BytesIO(content))

    @contextmanager
    def get(self, key: str, stored: Stored | None = None, **_: Any) -> Iterator[IO[bytes]]:
        """A file, so that a program can be given it as its standard input."""
        self._must_be_there()
        self.gets.append(key)
        if key not in self.objects:
            raise Missing(False, Exit.HOST, f"no object {key}", "it", "look at the bucket")
        content = self.objects[key]
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.seek(0)
            yield file
        if stored is not None and hashlib.sha256(content).hexdigest() != stored.sha256:
            raise Wrong(True, Exit.HOST, f"{key} is other bytes", "those put", "look at the bucket")

    def get_bytes(self, key: str, stored: Stored | None = None, **_: Any) -> bytes:
        with self.get(key, stored) as stream:
            return stream.read()

    def get_small(self, keys: Iterable[str], **_: Any) -> dict[str, bytes]:
        return {key: self.get_bytes(key) for key in keys}

    def get_named(self, prefix: str, name: str, **_: Any) -> dict[str, bytes]:
        keys = [key for key in self.listed(prefix) if key.endswith(f"/{name}")]
        return {key: self.get_bytes(key) for key in keys}

    def listed(self, prefix: str, **_: Any) -> dict[str, Entry]:
        self._must_be_there()
        return {
            key: Entry(len(content), stored(content).etag, self.now)
            for key, content in sorted(self.objects.items())
            if key.startswith(prefix)
        }

    def folders(self, prefix: str, **_: Any) -> list[str]:
        self._must_be_there()
        below = (key.removeprefix(prefix) for key in self.objects if key.startswith(prefix))
        return sorted({name.partition("/")[0] for name in below if "/" in name})

    def _must_be_there(self) -> None:
        if self.away:
            raise StoreError(True, Exit.UNREACHABLE, "S3 is away", "an answer", "wait")


def stored(content: bytes) -> Stored:
    """What a put of it returns."""
    tally = Tally(SMALLEST_PART_MIB * MIB)
    tally.add(content)
    return tally.stored()
