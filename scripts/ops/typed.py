"""What a person typed: judged as a whole before anything is touched."""

import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, TypeVar

from ops import moments
from ops.errors import Mistakes, Unfit
from ops.moments import Moment

T = TypeVar("T")
BACKUP = re.compile(r"(?P<node>[a-z][a-z0-9-]*)/(?P<name>\d{8}T\d{6}Z)")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
IDENTIFIER_LONGEST = 64  # characters: the manual of 5.6, Identifier Length Limits
BARE = r"[^.`\s]+"
QUOTED = r"`(?:[^`]|``)+`"
TABLE = re.compile(rf"({QUOTED}|{BARE})\.({QUOTED}|{BARE})")


class Typed:
    """Collects what is wrong."""

    def __init__(self, command: str) -> None:
        self._command = command
        self.mistakes: list[str] = []
        self._nodes: list[str] = []

    def take(self, make: Callable[..., T], *given: Any) -> T | None:
        """What `make` makes of it; None where it is not fit."""
        try:
            return make(*given)
        except Unfit as error:
            self.mistakes.append(str(error))
            return None

    def node(self, name: str | None) -> None:
        """It is compared with the stack's, as soon as those are known."""
        if name is not None:
            self._nodes.append(name)

    def moment(
        self,
        at: str | None,
        latest: bool,
        coordinates: tuple[str, str, str] | None,
        as_it_is: bool,
        now: datetime,
    ) -> Moment | None:
        given = {
            "--at": at is not None,
            "--latest": latest,
            "--coordinates": coordinates is not None,
            "--as-it-is": as_it_is,
        }
        if sum(given.values()) != 1:
            there = " and ".join(name for name, is_there in given.items() if is_there)
            self.mistakes.append(f"{there or 'no moment'}: one of {', '.join(given)} is needed")
        made = Moment(as_it_is=as_it_is)
        if at is not None:
            made = Moment(at=self.take(moments.time_of, at, now))
        if coordinates is not None:
            self.node(coordinates[0])
            made = Moment(place=self.take(moments.place_of, *coordinates))
        return made

    def backup(self, text: str | None) -> str | None:
        if text is None:
            return None
        found = BACKUP.fullmatch(text)
        if found is None:
            wanted = "a backup as `ring backup list` names it, as node-1/20261126T031500Z"
            self.mistakes.append(f"--backup {text!r} is not {wanted}")
        else:
            self.node(found["node"])
        return text

    def judge(self, nodes: Collection[str]) -> None:
        """Raises Mistakes with all there are."""
        unknown = dict.fromkeys(name for name in self._nodes if name not in nodes)
        self.mistakes += [f"no node {name!r}: there are {', '.join(nodes)}" for name in unknown]
        if self.mistakes:
            raise self.error()

    def error(self) -> Mistakes:
        return Mistakes(self.mistakes, self._command)


def scratch_name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise Unfit(f"{text!r} is not a name of small letters, digits and hyphens, at most 32")
    return text


def scratch_name_for(moment: Moment) -> str:
    """The name of a scratch server whose person gave it none."""
    if moment.at is not None:
        return f"at-{moments.shown(moment.at):.20}".replace(":", "").lower()
    if moment.place is not None:
        node, file, position = moment.place
        return re.sub(r"[^a-z0-9]+", "-", f"{node}-{file}-{position}".lower())[:32]
    return "as-it-is" if moment.as_it_is else "latest"


def table(text: str | None, what: str) -> dict[str, str]:
    """Schema and name of a table; either may be in backticks, as MySQL writes them."""
    if text is None:
        raise Unfit(f"no {what}: SCHEMA.TABLE is needed")
    found = TABLE.fullmatch(text)
    if found is None:
        raise Unfit(f"{what} {text!r} is not SCHEMA.TABLE; a name with dots goes in backticks")
    schema, name = (_plain(each) for each in found.groups())
    for each in (schema, name):
        if len(each) > IDENTIFIER_LONGEST:
            raise Unfit(f"{what} {text!r} has a name of more than {IDENTIFIER_LONGEST} characters")
    return {"schema": schema, "table": name}


def _plain(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def quoted(named: dict[str, str]) -> str:
    return ".".join(f"`{each.replace('`', '``')}`" for each in named.values())
