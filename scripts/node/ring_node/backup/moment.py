"""Up to when something is restored: as a document says it."""

from __future__ import annotations

import calendar
import re
import time
from dataclasses import dataclass
from typing import Any

from ..base.errors import wrong_input
from ..base.fields import NAME, Fields
from ..mysql import binlogs
from .manifest import UUID

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
LARGEST = 1 << 60
KINDS = (
    'one of {"at": "2026-11-26T03:15:00Z"}, {"latest": true}, {"as_it_is": true}, '
    '{"node": NAME, "file": "bin.000012", "position": 1234}'
)


@dataclass(frozen=True)
class At:
    """What was committed up to that second, it included. `seconds`: UTC."""

    seconds: int

    def __str__(self) -> str:
        return text(self.seconds)


@dataclass(frozen=True)
class Latest:
    """All that is in the bucket."""

    def __str__(self) -> str:
        return "the latest"


@dataclass(frozen=True)
class AsItIs:
    """A backup without any log."""

    def __str__(self) -> str:
        return "as the backup is"


@dataclass(frozen=True)
class Upto:
    """A place in a node's binary log: what stands before it. `server_uuid` None: of the server that
    the backup is of, or that it followed."""

    node: str
    file: str
    position: int
    server_uuid: str | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.position} of {self.node}"


Moment = At | Latest | AsItIs | Upto


def text(seconds: int) -> str:
    return time.strftime(TIME_FORMAT, time.gmtime(seconds))


def seconds(value: str, where: str) -> int:
    try:
        if TIME.fullmatch(value):
            return calendar.timegm(time.strptime(value, TIME_FORMAT))
    except ValueError:
        pass
    raise wrong_input(f"{where} is {value!r}", "UTC in whole seconds, as 2026-11-26T03:15:00Z")


def parse(value: Any, where: str = "moment") -> Moment:
    """Raises NodeError."""
    fields = Fields(value, where)
    kinds = [kind for kind in ("at", "latest", "as_it_is", "node") if kind in value]
    if len(kinds) != 1:
        raise wrong_input(f"{where} has {', '.join(kinds) or 'no kind'}", KINDS)
    result: Moment
    if kinds == ["at"]:
        result = At(seconds(fields.text("at"), f"{where}.at"))
    elif kinds == ["node"]:
        other = fields.optional("server_uuid", None)
        if other is not None and not (isinstance(other, str) and UUID.fullmatch(other)):
            raise wrong_input(f"{where}.server_uuid is {other!r}", "a server's uuid")
        result = Upto(
            fields.matching("node", NAME, "a node's name"),
            fields.matching("file", binlogs.LOG_NAME, "a binary log's name"),
            fields.number("position", len(binlogs.MAGIC), LARGEST),
            other,
        )
    else:
        if fields.any(kinds[0]) is not True:
            raise wrong_input(f"{where}.{kinds[0]} is not true", KINDS)
        result = Latest() if kinds == ["latest"] else AsItIs()
    fields.end()
    return result


def document(value: Moment) -> dict[str, Any]:
    """What `parse` reads as the same moment."""
    match value:
        case At():
            return {"at": text(value.seconds)}
        case Latest():
            return {"latest": True}
        case AsItIs():
            return {"as_it_is": True}
        case Upto():
            found: dict[str, Any] = {
                "node": value.node,
                "file": value.file,
                "position": value.position,
            }
            if value.server_uuid is not None:
                found["server_uuid"] = value.server_uuid
            return found
