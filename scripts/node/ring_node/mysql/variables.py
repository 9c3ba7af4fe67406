"""A changed my.cnf as SET GLOBAL on the server that runs, where that comes to the same.

What a file's values are is mysqld's own word: it reads sizes with their suffixes and rounds what it
would round. What is not certain to come to the same is left to a restart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ..base.errors import Exit, NodeError
from . import sql
from .sql import Session

# What comes before a name of that section: mysqld passes over the second one.
SECTIONS = {"[mysqld]": "", "[ring-node]": "ring-node."}
LINE = re.compile(r"([A-Za-z][\w-]*)\s*=\s*([^#]*)")
# Options whose variable has another name.
# https://dev.mysql.com/doc/refman/5.6/en/server-system-variables.html
OTHER_NAMES = {"transaction_isolation": "tx_isolation", "default_time_zone": "time_zone"}
# Set by whoever opens the gate; and a SET of the one changes the other, which a file may state.
LEFT_TO_A_RESTART = frozenset(
    {"event_scheduler", "read_only", "character_set_server", "collation_server"}
)
NONE = "(No default value)"
TRUTH = {"TRUE": 1, "FALSE": 0}


@dataclass(frozen=True)
class Change:
    """A variable, and its value in the file before and in the new one, as mysqld prints them."""

    variable: str
    old: str
    new: str


@dataclass(frozen=True)
class File:
    """A my.cnf, and what mysqld makes of it (`options.judge`)."""

    text: str
    values: Mapping[str, str]


class NotSet(NodeError):
    """A variable cannot be set on a server that runs, or not for certain."""

    def __init__(self, found: str) -> None:
        super().__init__(Exit.SERVER, found, "a variable that SET GLOBAL changes", "restart it")


def stated(text: str) -> dict[str, str] | None:
    """The options that a my.cnf states, by their names with underscores.

    None where a line is of another kind: another section, an option without a value, a quoted #.
    """
    found: dict[str, str] = {}
    section = ""
    for line in map(str.strip, text.splitlines()):
        if not line or line[0] in "#;":
            continue
        if line in SECTIONS:
            section = SECTIONS[line]
            continue
        match = LINE.fullmatch(line)
        if match is None:
            return None
        found[section + match[1].replace("-", "_")] = match[2].strip()
    return found


def changes(new: File, old: File, *others: File) -> list[Change] | None:
    """What SET GLOBAL has to change on a server that runs with the old file, or with one of others.

    None where only a restart brings the new one in.
    """
    after = stated(new.text)
    names: set[str] = set()
    for file in (old, *others):
        before = stated(file.text)
        if before is None or after is None:
            return None
        both = before.keys() | after.keys()
        names |= {name for name in both if before.get(name) != after.get(name)}
    found = []
    for name in sorted(names):
        option = name.replace("_", "-")
        if name in LEFT_TO_A_RESTART or option not in old.values or option not in new.values:
            return None
        values = {file.values.get(option) for file in (new, old, *others)}
        if len(values) > 1:
            variable = OTHER_NAMES.get(name, name)
            found.append(Change(variable, old.values[option], new.values[option]))
    return found


def assigned(value: str, running: Any) -> str | None:
    """What SET GLOBAL is to assign; `running` is a value of that variable, which tells its type.

    None where no value of that type is meant.
    """
    if value == NONE:
        return "DEFAULT"
    if isinstance(running, str) or running is None:
        return sql.literal(value)
    number = str(TRUTH.get(value, value))
    try:
        Decimal(number)
    except InvalidOperation:
        return None
    return number


def agrees(value: str, running: Any) -> bool:
    """Whether a variable has the value that mysqld prints for the file."""
    if value == NONE:
        return True  # set to its default
    if isinstance(running, str) or running is None:
        found, wanted = (running or "").casefold(), value.casefold()
        return found == wanted or set(found.split(",")) == set(wanted.split(","))
    try:
        return Decimal(str(TRUTH.get(value, value))) == Decimal(str(running))
    except InvalidOperation:
        return False


def set_all(session: Session, wanted: Mapping[str, str]) -> None:
    """Sets variables, and reads them back: all of them, or none and `NotSet`."""
    before: dict[str, Any] = {}
    try:
        for variable, value in wanted.items():
            running = _read(session, variable)
            text = assigned(value, running)
            if text is None:
                raise NotSet(f"{variable} = {value}")
            before[variable] = running
            session.do(f"SET GLOBAL {sql.name(variable)} = {text}")
            if not agrees(value, found := _read(session, variable)):
                raise NotSet(f"{variable} is {found} after SET GLOBAL {variable} = {value}")
    except NodeError as error:
        for variable, running in before.items():
            with suppress(NodeError):
                session.do(f"SET GLOBAL {sql.name(variable)} = %s", [running])
        if not session.open:
            raise
        raise NotSet(error.found) from None


def _read(session: Session, variable: str) -> Any:
    return session.value(f"SELECT @@GLOBAL.{sql.name(variable)}")
