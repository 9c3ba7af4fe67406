"""What a backup says of itself: written to the bucket last, so what has none is no backup.

In the bucket, with all that belongs to it beside it:

    mysql/NODE/backups/20261126T031500Z/manifest.json
    mysql/NODE/backups/20261126T031500Z/data.tar.zst
    mysql/NODE/backups/20261126T031500Z/export.tar.zst
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ..base.errors import NodeError, refused
from ..mysql.shows import Coordinates
from .place import TOP

FORMAT = 1
MANIFEST = "manifest.json"
IDENTITY_FORMAT = "%Y%m%dT%H%M%SZ"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHA256 = re.compile(r"[0-9a-f]{64}")
LOG_FILE = re.compile(r"[^/\s]+\.\d{6,}")
SERVER_ID_LARGEST = 4294967295
LARGEST = 1 << 60
NEXT_STEP = "take another backup of that node, and see who wrote this one"


@dataclass(frozen=True)
class Object:
    """One object of the bucket, as it was verified when it was put there."""

    key: str
    bytes: int
    sha256: str
    etag: str


@dataclass(frozen=True)
class Checked:
    """What CHECK TABLE and CHECKSUM TABLE went over, in how many seconds. `left_out`: tables for
    which no time was left, and those of engines that hold no data of their own."""

    tables: int
    seconds: float
    left_out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A data directory in the bucket: whose it is, as of when, and what it must be when it is
    unpacked.

    `taken_at`: UTC, by the clock of the node. `master`: the place in the server's own binary log
    that the data is as of. `slave`: what it had executed by then of the log of `peer_uuid`, which
    is None without a slave, and for one that never reached its master. `innodb`: the place that
    InnoDB itself named when it was started on the data; None when it never wrote one. `bytes`,
    `files`: of the data directory. `seconds`: from the snapshot on, until all was in the bucket.
    `checksums`: of CHECKSUM TABLE, by the quoted name of the table. `inexact`: what of this data
    `export` does not carry exactly.
    """

    stack: str
    ring: str
    node: str
    server_uuid: str
    server_id: int
    peer_uuid: str | None
    mysql_version: str
    taken_at: datetime
    master: Coordinates
    slave: Coordinates | None
    innodb: Coordinates | None
    bytes: int
    files: int
    seconds: float
    checked: Checked
    checksums: Mapping[str, int]
    data: Object
    export: Object | None
    inexact: tuple[str, ...]

    @property
    def identity(self) -> str:
        return identity(self.taken_at)


def identity(taken_at: datetime) -> str:
    """The name of a backup: when it was taken."""
    return taken_at.strftime(IDENTITY_FORMAT)


def is_identity(name: str) -> bool:
    try:
        return identity(moment_of(name)) == name
    except ValueError:
        return False


def moment_of(name: str) -> datetime:
    """When the backup of that name was taken."""
    return datetime.strptime(name, IDENTITY_FORMAT).replace(tzinfo=UTC)


def folder(node: str, name: str = "") -> str:
    """Where in the bucket the backup of that name is, or all of a node are."""
    return f"{TOP}/{node}/backups/{name + '/' if name else ''}"


def manifest_key(node: str, name: str) -> str:
    return folder(node, name) + MANIFEST


def data_key(node: str, name: str) -> str:
    return folder(node, name) + "data.tar.zst"


def export_key(node: str, name: str) -> str:
    return folder(node, name) + "export.tar.zst"


def to_json(value: Manifest) -> bytes:
    document = {"format": FORMAT, **asdict(value), "taken_at": value.taken_at.strftime(TIME_FORMAT)}
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def from_json(content: bytes, key: str) -> Manifest:
    """What lies at `key`. Refuses what is not whole or says what it cannot mean: every mistake in
    one error."""
    try:
        value = json.loads(content)
    except ValueError:
        raise _unfit(
            key, [f"{len(content)} bytes that are not JSON: it was cut or is none"]
        ) from None
    if not isinstance(value, dict):
        raise _unfit(key, ["no JSON object"])
    if value.get("format") != FORMAT:
        raise _unfit(key, [f"format {value.get('format')!r}, and this release reads {FORMAT}"])
    fields = Reader({name: each for name, each in value.items() if name != "format"}, "", [])
    made = _read(fields)
    mistakes = fields.mistakes or _contradictions(made, key)
    if mistakes:
        raise _unfit(key, mistakes)
    return made


def _unfit(key: str, mistakes: list[str]) -> NodeError:
    return refused(f"{key}: {'; '.join(mistakes)}", "a manifest as a backup writes it", NEXT_STEP)


class Reader:
    """The fields of one JSON object; what is wrong with them is collected."""

    def __init__(self, value: Any, where: str, mistakes: list[str]) -> None:
        self._where, self.mistakes = where, mistakes
        self._left: dict[str, Any] = dict(value) if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self.wrong("", value, "an object")

    def wrong(self, name: str, found: Any, expected: str) -> None:
        self.mistakes.append(f"{self._named(name)} is {json.dumps(found)[:80]}, not {expected}")

    def _named(self, name: str) -> str:
        return ".".join(part for part in (self._where, name) if part)

    def take(self, name: str, good: Callable[[Any], bool], expected: str) -> Any:
        if name not in self._left:
            self.wrong(name, None, expected)
            return None
        value = self._left.pop(name)
        if not good(value):
            self.wrong(name, value, expected)
            return None
        return value

    def text(self, name: str, pattern: re.Pattern[str] | None = None) -> Any:
        def good(value: Any) -> bool:
            return isinstance(value, str) and bool(pattern.fullmatch(value) if pattern else value)

        return self.take(name, good, pattern.pattern if pattern else "a text")

    def number(self, name: str, smallest: int = 0, largest: int = LARGEST) -> Any:
        return self.take(
            name, lambda value: _whole(value, smallest, largest), f"{smallest} to {largest}"
        )

    def place(self, name: str, *, may_be_absent: bool = False) -> Coordinates | None:
        def good(value: Any) -> bool:
            if value is None:
                return may_be_absent
            return (
                isinstance(value, list)
                and len(value) == 2
                and isinstance(value[0], str)
                and bool(LOG_FILE.fullmatch(value[0]))
                and _whole(value[1], 4, LARGEST)
            )

        value = self.take(name, good, "file and offset" + (" or null" if may_be_absent else ""))
        return Coordinates(*value) if value else None

    def texts(self, name: str) -> tuple[str, ...]:
        def good(value: Any) -> bool:
            return isinstance(value, list) and all(isinstance(each, str) for each in value)

        return tuple(self.take(name, good, "a list of texts") or ())

    def below(self, name: str) -> Reader:
        return Reader(self._left.pop(name, None), self._named(name), self.mistakes)

    def absent(self, name: str) -> bool:
        """Whether it is there and null; takes it then."""
        if name in self._left and self._left[name] is None:
            del self._left[name]
            return True
        return False

    def end(self) -> None:
        for name in sorted(self._left):
            self.mistakes.append(f"{self._named(name)} is no field of a manifest")


def _whole(value: Any, smallest: int, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and smallest <= value <= largest


def _read(fields: Reader) -> Manifest:
    """It counts only when the reader found no mistake."""
    made = Manifest(
        stack=fields.text("stack"),
        ring=fields.text("ring"),
        node=fields.text("node"),
        server_uuid=fields.text("server_uuid", UUID),
        server_id=fields.number("server_id", 1, SERVER_ID_LARGEST),
        peer_uuid=None if fields.absent("peer_uuid") else fields.text("peer_uuid", UUID),
        mysql_version=fields.text("mysql_version"),
        taken_at=_time(fields),
        master=fields.place("master") or Coordinates("", 0),
        slave=fields.place("slave", may_be_absent=True),
        innodb=fields.place("innodb", may_be_absent=True),
        bytes=fields.number("bytes"),
        files=fields.number("files"),
        seconds=fields.take("seconds", _seconds, "seconds"),
        checked=_checked(fields.below("checked")),
        checksums=fields.take("checksums", _sums, "numbers of CHECKSUM TABLE by table"),
        data=_object(fields.below("data")),
        export=None if fields.absent("export") else _object(fields.below("export")),
        inexact=fields.texts("inexact"),
    )
    fields.end()
    return made


def _sums(value: Any) -> bool:
    return isinstance(value, dict) and all(_whole(each, 0, 0xFFFFFFFF) for each in value.values())


def _time(fields: Reader) -> datetime:
    def good(value: Any) -> bool:
        return _moment(value) is not None

    value = fields.take("taken_at", good, "UTC as 2026-11-26T03:15:00Z")
    return _moment(value) or datetime.min.replace(tzinfo=UTC)


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.strptime(value, TIME_FORMAT).replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return None


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _checked(fields: Reader) -> Checked:
    made = Checked(
        fields.number("tables"),
        fields.take("seconds", _seconds, "seconds"),
        fields.texts("left_out"),
    )
    fields.end()
    return made


def _object(fields: Reader) -> Object:
    made = Object(
        fields.text("key"), fields.number("bytes", 1), fields.text("sha256", SHA256),
        fields.text("etag"),
    )  # fmt: skip
    fields.end()
    return made


def _contradictions(value: Manifest, key: str) -> list[str]:
    """What each field may be, and all of them together may not."""
    found = []
    if key != manifest_key(value.node, value.identity):
        found.append(f"it says that it is {manifest_key(value.node, value.identity)}")
    if value.data.key != data_key(value.node, value.identity):
        found.append(f"its data is {value.data.key}")
    if value.export and value.export.key != export_key(value.node, value.identity):
        found.append(f"its export is {value.export.key}")
    if value.inexact and value.export is None:
        found.append("it names what an export lacks, and has none")
    return found
