"""A moment in the life of a ring's data, as a person writes it and as it is said back."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.errors import Unfit

LOG_FILE = re.compile(r"[^/\s]+\.\d{6,}")
FIRST_POSITION = 4  # of the first event in a binary log
CLOCKS = timedelta(minutes=1)
"""How far the clock of this machine may be behind those of the nodes."""
ISO = "a time of ISO 8601 with its zone, as 2026-11-26T03:15:00Z or '2026-11-26 04:15:00+01:00'"


@dataclass(frozen=True)
class Moment:
    """One of four: a time in UTC to the second; a place in the binary log of a node (its name, file
    and position); a backup without any log; or, with none of these, all that there is."""

    at: datetime | None = None
    place: tuple[str, str, int] | None = None
    as_it_is: bool = False

    def document(self) -> dict[str, Any]:
        """What a verb on a node is told."""
        if self.at is not None:
            return {"at": shown(self.at)}
        if self.place is not None:
            node, file, position = self.place
            return {"node": node, "file": file, "position": position}
        return {"as_it_is": True} if self.as_it_is else {"latest": True}

    def __str__(self) -> str:
        if self.at is not None:
            return shown(self.at)
        if self.place is not None:
            node, file, position = self.place
            return f"{file}:{position} of {node}"
        return "the backup as it is" if self.as_it_is else "all that is in the bucket"


def shown(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_of(text: str, now: datetime) -> datetime:
    """The second in UTC that a text names; raises Unfit.

    A fraction of a second is left out: the times in a binary log are whole seconds, so what is
    there up to 03:15:00.9 is what is there up to 03:15:00.
    """
    try:
        found = datetime.fromisoformat(text.strip().upper())
    except ValueError:
        raise Unfit(f"{text!r} is not {ISO}") from None
    if found.tzinfo is None:
        local = found.astimezone()
        raise Unfit(
            f"{text!r} has no zone: write {found.isoformat(timespec='seconds')}Z for UTC, or "
            f"{local.isoformat(timespec='seconds')} for the time of this machine"
        )
    try:
        found = found.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise Unfit(f"{text!r} is not {ISO}") from None
    if found > now + CLOCKS:
        raise Unfit(f"{text!r} is {shown(found)}, and now it is {shown(now)}")
    return found


def place_of(node: str, file: str, position: str) -> tuple[str, str, int]:
    """A place in a binary log; raises Unfit with all that is wrong with it."""
    wrong = []
    if not LOG_FILE.fullmatch(file):
        wrong.append(f"{file!r} is not the name of a binary log, as bin.000012")
    if not position.isascii() or not position.isdecimal() or int(position) < FIRST_POSITION:
        wrong.append(f"{position!r} is not a position in a binary log, {FIRST_POSITION} or more")
    if wrong:
        raise Unfit("; ".join(wrong))
    return node, file, int(position)
