"""What S3's objects hold: files in the state's folder, which are never changed once written.

moto keeps the bytes of objects in memory and in its pickle. Here an object is a row of pieces of
files, and the pickle names them. A file goes when the state on disk has ceased to name it.
Everything but `Files.write` is called under S3's lock.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import os
import threading
import uuid
import weakref
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import moto.s3.responses
from moto.s3.exceptions import EntityTooSmall, InvalidPart, InvalidPartOrder, MalformedXML
from moto.s3.models import FakeDeleteMarker, FakeKey, FakeMultipart, S3Backend
from moto.s3.utils import _VersionedKeyStore
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

from cloud.api.patching import replace

BLOCK = 1 << 20
"""Bytes that are held in memory at a time."""


_moto_mark = FakeDeleteMarker.__init__


class Piece(NamedTuple):
    """A part of a file: its name in the folder, the first byte, and how many there are."""

    file: str
    start: int
    size: int


class Content:
    """Bytes in files, where moto has bytes: they have a length, are sliced, and come in blocks."""

    def __init__(self, files: Files, pieces: Iterable[Piece], md5: str | None = None) -> None:
        self.files = files
        self.pieces = tuple(pieces)
        self.md5 = md5

    def __len__(self) -> int:
        return sum(piece.size for piece in self.pieces)

    def __getitem__(self, wanted: slice) -> Content:
        begin, end, _ = wanted.indices(len(self))
        found, before = [], 0
        for piece in self.pieces:
            first = max(begin - before, 0)
            size = min(end - before, piece.size) - first
            if size > 0:
                found.append(Piece(piece.file, piece.start + first, size))
            before += piece.size
        return self.files.reading(found)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            path = self.files.folder / piece.file
            with path.open("rb") as file:
                file.seek(piece.start)
                left = piece.size
                while left:
                    block = file.read(min(left, BLOCK))
                    if not block:
                        raise EOFError(f"{path}: ends {left} bytes before the object's end")
                    left -= len(block)
                    yield block


class Files:
    """The folder of the files that objects are made of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._taken: set[str] = set()
        self._read: weakref.WeakSet[Content] = weakref.WeakSet()
        self._lock = threading.Lock()

    def write(self, blocks: Iterable[bytes]) -> Content:
        """Write a file, to the disk. Nobody needs it until `take`, and `drop` removes it."""
        name, size = uuid.uuid4().hex, 0
        md5 = hashlib.md5(usedforsecurity=False)
        path = self.folder / name
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for block in blocks:
                    file.write(block)
                    md5.update(block)
                    size += len(block)
                file.flush()
                os.fdatasync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Content(self, [Piece(name, 0, size)], md5.hexdigest())

    def take(self, content: Content) -> None:
        """An object consists of this now: its files stay until a state without them is kept."""
        self._taken.update(piece.file for piece in content.pieces)

    def drop(self, content: Content) -> None:
        """Remove what was written, unless an object has taken it."""
        for piece in content.pieces:
            if piece.file not in self._taken:
                (self.folder / piece.file).unlink(missing_ok=True)

    def reading(self, pieces: Iterable[Piece]) -> Content:
        """Content to read from, also when its object is deleted meanwhile."""
        content = Content(self, pieces)
        with self._lock:
            self._read.add(content)
        return content

    def kept(self, named: set[str]) -> None:
        """The state on disk names these files, and the ones that it named before may go.

        Those that an answer is still read from go after a later change.
        """
        with self._lock:
            read = {piece.file for content in self._read for piece in content.pieces}
        gone = self._taken - named - read
        for name in gone:
            (self.folder / name).unlink(missing_ok=True)
        self._taken = (self._taken | named) - gone

    def found(self, named: set[str]) -> None:
        """The state that was read names these files: remove what a killed daemon left beside them.

        Raises FileNotFoundError if one of them is not there.
        """
        there = {path.name for path in self.folder.iterdir()}
        for name in named - there:
            raise FileNotFoundError(f"{self.folder / name} is missing, an object is in it")
        for name in there - named:
            (self.folder / name).unlink()
        self._taken = set(named)


_used: list[Files] = []


def use(folder: Path) -> Files:
    """Keep what objects hold in this folder, from now on."""
    _used[:] = [Files(folder)]
    return _used[0]


def files() -> Files:
    return _used[0]


def checksum(blocks: Iterable[bytes], algorithm: str) -> bytes:
    """As moto's compute_checksum, block by block.

    CRC32 stands in for CRC32C and CRC64NVME, as in moto where their libraries are missing.
    """
    if algorithm in ("SHA1", "SHA256"):
        digest = hashlib.new(algorithm, usedforsecurity=False)
        for block in blocks:
            digest.update(block)
        return digest.digest()
    value = 0
    for block in blocks:
        value = zlib.crc32(block, value)
    return value.to_bytes(4, "big")


def compute_checksum(body: Any, algorithm: str) -> bytes:
    return base64.b64encode(checksum([body] if isinstance(body, bytes) else body, algorithm))


def _set_value(self: Any, value: Any) -> None:
    self.__dict__.pop("_value_buffer", None)
    if not isinstance(value, Content):
        data = value.encode() if isinstance(value, str) else value
        value = files().write([data]) if data else Content(files(), [], _NOTHING)
    files().take(value)
    self._pieces = value.pieces
    self._etag = self._etag or value.md5
    self.contentsize = len(value)


_NOTHING = hashlib.md5(usedforsecurity=False).hexdigest()


def _etag(self: Any) -> str:
    if self._etag is None:
        md5 = hashlib.md5(usedforsecurity=False)
        for block in self.value:
            md5.update(block)
        self._etag = md5.hexdigest()
    return f'"{self._etag}"'


def _get_state(self: Any) -> dict[str, Any]:
    return {name: value for name, value in self.__dict__.items() if name != "lock"}


def _set_state(self: Any, state: dict[str, Any]) -> None:
    if "_pieces" not in state:
        raise ValueError("an object is kept in the manner of an earlier version")
    self.__dict__.update(state)
    self.lock = threading.Lock()


def _mark(self: Any, key: Any) -> None:
    """The marker knows the version that it hides, but what that holds goes with the version."""
    hidden = copy.copy(key)
    if isinstance(hidden, FakeKey):
        hidden._pieces = ()  # type: ignore[attr-defined]
    _moto_mark(self, hidden)


def _reduce(self: Any) -> tuple[Any, ...]:
    """Every version of every key, as `__setitem__` takes them; its `items` tells the last ones."""
    versions = ((key, version) for key, listed in self.lists() for version in listed)
    return type(self), (), None, None, versions


def _dispose(_self: Any, garbage: bool = False) -> None:
    """Nothing to close: the files go when the state has ceased to name them."""
    del garbage


def _complete(self: Any, body: Iterator[tuple[int, str]]) -> tuple[Content, str, Any]:
    """As moto's: the object, its tag, its checksum. The object is the row of its parts' pieces."""
    listed: dict[int, Any] = {}
    for number, tag in body:
        if listed and number <= max(listed):
            raise InvalidPartOrder()
        part = self.parts.get(number)
        if part is None or part.etag.strip('"') != tag.strip('"'):
            raise InvalidPart()
        if listed and listed[max(listed)].contentsize < S3_UPLOAD_PART_MIN_SIZE:
            raise EntityTooSmall()
        listed[number] = part
    if not listed:
        raise MalformedXML
    content = Content(files(), [piece for part in listed.values() for piece in part._pieces])
    tags = b"".join(bytes.fromhex(part.etag.strip('"')) for part in listed.values())
    etag = f"{hashlib.md5(tags, usedforsecurity=False).hexdigest()}-{len(listed)}"
    self.parts, self.partlist = listed, list(listed)
    return content, etag, _checksum_of(self, content)


def _checksum_of(upload: Any, content: Content) -> tuple[str, str, int] | None:
    """Type, value and number of parts of the checksum that the upload was to have."""
    algorithm = upload.metadata.get("x-amz-checksum-algorithm")
    if algorithm is None:
        return None
    whole = "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
    kind = upload.metadata.get("x-amz-checksum-type") or whole
    if kind == "COMPOSITE":
        parts = upload.parts.values()
        blocks: Iterable[bytes] = [checksum(part.value, algorithm) for part in parts]
        return kind, base64.b64encode(checksum(blocks, algorithm)).decode(), len(parts)
    return kind, base64.b64encode(checksum(content, algorithm)).decode(), 1


def _select(*_: Any, **__: Any) -> None:
    """AWS has closed S3 Select to new customers (S3 API Reference, SelectObjectContent)."""
    raise NotImplementedError("SelectObjectContent")


def install() -> None:
    replace(
        FakeKey,
        value=property(lambda self: files().reading(self._pieces), _set_value),
        etag=property(_etag),
        dispose=_dispose,
        __getstate__=_get_state,
        __setstate__=_set_state,
    )
    replace(FakeDeleteMarker, __init__=_mark)
    replace(_VersionedKeyStore, __reduce__=_reduce)
    replace(FakeMultipart, complete=_complete)
    replace(S3Backend, select_object_content=_select)
    replace(moto.s3.responses, compute_checksum=compute_checksum)
