"""What changes between a resource's state and its new arguments, and whether it is replaced."""

import json
from collections.abc import Iterable
from typing import Any

from cloud.providers.schema import JSON, LIST, MAP, OBJECT, SET, Argument, Table, step
from cloud.providers.values import Asset, Unknown, has_unknown, reveal

ADD, DELETE, UPDATE = "add", "delete", "update"

Changes = dict[str, tuple[str, bool]]
"""Property path to what happens there and whether that replaces the resource."""


def difference(table: Table, state: dict[str, Any], inputs: dict[str, Any]) -> Changes:
    """The changes; empty when the state is what the arguments ask for."""
    return _compare(table.arguments, reveal(state), reveal(inputs), "", False)


def _compare(
    arguments: Iterable[Argument],
    olds: dict[str, Any],
    news: dict[str, Any],
    path: str,
    replaced: bool,
) -> Changes:
    changes: Changes = {}
    for argument in arguments:
        old, new = olds.get(argument.name), news.get(argument.name)
        replace = replaced or argument.replace
        if argument.name not in news:
            if argument.computed:
                continue
            new = argument.default
        changes.update(_one(argument, old, new, step(path, argument.name), replace))
    return changes


def _one(argument: Argument, old: Any, new: Any, path: str, replace: bool) -> Changes:
    if isinstance(new, Unknown):
        return {path: (ADD if _empty(old) else UPDATE, replace or _replaces_inside(argument))}
    if argument.kind == MAP:
        return _maps(old or {}, new or {}, path, replace)
    if argument.kind == OBJECT and not _empty(old) and not _empty(new):
        return _compare(argument.fields, old, new, path, replace)
    if argument.kind == LIST and argument.fields and not _empty(old) and not _empty(new):
        return _lists(argument, old, new, path, replace)
    if _same(argument, old, new):
        return {}
    if _empty(old):
        return {path: (ADD, replace)}
    if _empty(new):
        return {path: (DELETE, replace)}
    return {path: (UPDATE, replace)}


def _replaces_inside(argument: Argument) -> bool:
    """Of an unknown block the bridge makes one whose required fields are unknown (schema.go,
    makeTerraformUnknownElement)."""
    return any(
        field.required and (field.replace or _replaces_inside(field)) for field in argument.fields
    )


def _maps(old: dict[str, Any], new: dict[str, Any], path: str, replace: bool) -> Changes:
    changes: Changes = {}
    for key in sorted({*old, *new}):
        if key not in old:
            changes[step(path, key)] = (ADD, replace)
        elif key not in new:
            changes[step(path, key)] = (DELETE, replace)
        elif old[key] != new[key]:
            changes[step(path, key)] = (UPDATE, replace)
    return changes


def _lists(argument: Argument, old: list, new: list, path: str, replace: bool) -> Changes:
    changes: Changes = {}
    for index in range(max(len(old), len(new))):
        place = f"{path}[{index}]"
        if index >= len(old):
            changes[place] = (ADD, replace)
        elif index >= len(new):
            changes[place] = (DELETE, replace)
        elif isinstance(new[index], Unknown):
            changes[place] = (UPDATE, replace)
        else:
            changes.update(_compare(argument.fields, old[index], new[index], place, replace))
    return changes


def _same(argument: Argument, old: Any, new: Any) -> bool:
    if _empty(old) and _empty(new):
        return True
    if has_unknown(new):
        return False
    if argument.kind == JSON and isinstance(old, str) and isinstance(new, str):
        return _document(old) == _document(new)
    if argument.kind == SET:
        return sorted(map(_key, old or [])) == sorted(map(_key, new or []))
    if isinstance(old, Asset) and isinstance(new, Asset) and old.get("hash") and new.get("hash"):
        return old.get("hash") == new.get("hash") and old.get("path") == new.get("path")
    return old == new


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _document(text: str) -> Any:
    """A policy as IAM compares it: one-element lists equal their element, order is free."""
    try:
        return _canonical(json.loads(text))
    except ValueError:
        return text


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        items = sorted((_canonical(item) for item in value), key=_key)
        return items[0] if len(items) == 1 else items
    return value


def _empty(value: Any) -> bool:
    """Absent, as Terraform's SDK sees it: null and the kind's zero value are one."""
    return value is None or value is False or value in ("", 0, [], {})
