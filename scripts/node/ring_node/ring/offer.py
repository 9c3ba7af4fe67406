"""What a stream of a server's data holds, as its first document says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..base.errors import NodeError
from ..base.fields import Fields
from ..mysql.binlogs import Commits
from ..mysql.shows import Coordinates
from ..mysql.snapshot import Contents
from .stream import Broken

LARGEST = 1 << 60


@dataclass(frozen=True, kw_only=True)
class Offer(Contents):
    """What the stream holds, and of which server of the ring."""

    server_id: int


def document(taken: Contents, server_id: int) -> dict[str, Any]:
    return {
        "version": taken.version,
        "server_uuid": taken.server_uuid,
        "server_id": server_id,
        "master": list(taken.master),
        "innodb": [list(each) for each in taken.innodb] if taken.innodb else None,
        "slave": list(taken.slave) if taken.slave else None,
        "bytes": taken.bytes,
        "files": taken.files,
        "holes": taken.holes,
        "locked_ms": round(taken.locked_seconds * 1000),
        "objects_before": taken.objects_before,
        "objects_after": taken.objects_after if taken.changed_meanwhile else None,
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
        holes=fields.number("holes", 0, LARGEST),
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
