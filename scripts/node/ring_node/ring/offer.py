"""What a stream of a server's data holds, as its first document says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..base.errors import NodeError
from ..base.fields import Fields
from ..mysql.binlogs import Commits
from ..mysql.shows import Coordinates
from ..mysql.snapshot import Snapshot
from .stream import Broken

LARGEST = 1 << 60


@dataclass(frozen=True)
class Offer:
    """A snapshot of the server `server_uuid`; its fields are those of mysql/snapshot.py."""

    version: str
    server_uuid: str
    server_id: int
    master: Coordinates
    innodb: Commits | None
    slave: Coordinates | None
    bytes: int
    files: int
    locked_seconds: float
    objects_before: Mapping[str, str]
    objects_after: Mapping[str, str]

    @property
    def changed_meanwhile(self) -> bool:
        """Whether a definition or an account changed while the snapshot was taken."""
        return self.objects_before != self.objects_after


def document(taken: Snapshot, server_id: int) -> dict[str, Any]:
    same = taken.objects_before == taken.objects_after
    return {
        "version": taken.version,
        "server_uuid": taken.server_uuid,
        "server_id": server_id,
        "master": list(taken.master),
        "innodb": [list(each) for each in taken.innodb] if taken.innodb else None,
        "slave": list(taken.slave) if taken.slave else None,
        "bytes": taken.bytes,
        "files": taken.files,
        "locked_ms": round(taken.locked_seconds * 1000),
        "objects_before": taken.objects_before,
        "objects_after": None if same else taken.objects_after,
    }


def read(value: Mapping[str, Any], who: str) -> Offer:
    try:
        return _read(Fields(dict(value), "the header"))
    except NodeError as error:
        raise Broken(
            f"{who} sent a header that is not understood: {error.found}", error.expected
        ) from None


def _read(fields: Fields) -> Offer:
    before = fields.any("objects_before")
    result = Offer(
        version=fields.text("version"),
        server_uuid=fields.text("server_uuid"),
        server_id=fields.number("server_id", 1, LARGEST),
        master=Coordinates(*fields.items("master")),
        innodb=_commits(fields.any("innodb")),
        slave=_place(fields.any("slave")),
        bytes=fields.number("bytes", 0, LARGEST),
        files=fields.number("files", 0, LARGEST),
        locked_seconds=fields.number("locked_ms", 0, LARGEST) / 1000,
        objects_before=before,
        objects_after=fields.any("objects_after") or before,
    )
    fields.end()
    return result


def _place(value: Any) -> Coordinates | None:
    return None if value is None else Coordinates(*value)


def _commits(value: Any) -> Commits | None:
    return None if value is None else Commits(*(Coordinates(*each) for each in value))
