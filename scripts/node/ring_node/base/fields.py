"""The fields of a JSON document, each checked when it is asked for."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import asdict
from typing import Any

from .errors import wrong_input

NAME = re.compile(r"[A-Za-z0-9_.-]+")


class Fields:
    """One JSON object, every field of which must be asked for."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise wrong_input(f"{where} is {kind_of(value)}", "a JSON object")
        self._left: dict[str, Any] = dict(value)
        self.where = where

    def any(self, name: str) -> Any:
        if name not in self._left:
            raise wrong_input(f"{self.where} has no {name!r}", "that field")
        return self._left.pop(name)

    def optional(self, name: str, default: Any) -> Any:
        return self._left.pop(name, default)

    def text(self, name: str) -> str:
        value = self.any(name)
        if not isinstance(value, str) or not value:
            raise wrong_input(
                f"{self.where}.{name} is {kind_of(value)}", "a text that is not empty"
            )
        return value

    def address(self, name: str) -> str:
        value = self.text(name)
        try:
            return str(ipaddress.IPv4Address(value))
        except ValueError:
            raise wrong_input(f"{self.where}.{name} is {value!r}", "an IPv4 address") from None

    def matching(self, name: str, pattern: re.Pattern[str], expected: str) -> str:
        value = self.text(name)
        if not pattern.fullmatch(value):
            raise wrong_input(f"{self.where}.{name} is {value!r}", expected)
        return value

    def number(self, name: str, smallest: int, largest: int) -> int:
        value = self.any(name)
        valid = isinstance(value, int) and not isinstance(value, bool)
        if not valid or not smallest <= value <= largest:
            raise wrong_input(f"{self.where}.{name} is {value!r}", f"{smallest} to {largest}")
        return value

    def items(self, name: str) -> list[Any]:
        value = self.any(name)
        if not isinstance(value, list):
            raise wrong_input(f"{self.where}.{name} is {kind_of(value)}", "a JSON array")
        return value

    def end(self) -> None:
        if self._left:
            names = ", ".join(sorted(self._left))
            raise wrong_input(f"{self.where} has unknown fields: {names}", "only documented fields")


def parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        # The error's own text quotes nothing of the document.
        raise wrong_input(f"standard input is not JSON: {error}", "one JSON object") from None


def to_json(record: Any) -> bytes:
    return (json.dumps(asdict(record), indent=2, sort_keys=True) + "\n").encode()


def kind_of(value: Any) -> str:
    return "missing" if value in (None, "") else type(value).__name__
