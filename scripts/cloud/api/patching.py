"""Putting the lab's functions in the place of moto's."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

_INHERITED = object()
_installed: set[Callable[[], None]] = set()
_undo: list[Callable[[], None]] = []


def replace(owner: Any, **replacements: Any) -> None:
    """Set attributes of a class or module of moto; each must exist, so that a moto that has moved
    on is noticed when the daemon starts."""
    for name, replacement in replacements.items():
        if not hasattr(owner, name):
            raise AttributeError(
                f"{owner.__name__} of moto has no {name}; expected moto 5.2.5 (requirements/)"
            )
        _set(owner, name, replacement)


def add(owner: Any, **additions: Any) -> None:
    """Set attributes that moto does not have."""
    for name, addition in additions.items():
        if hasattr(owner, name):
            raise AttributeError(
                f"{owner.__name__} of moto has {name} now; expected moto 5.2.5 (requirements/)"
            )
        _set(owner, name, addition)


def set_environment(name: str, value: str) -> None:
    """Set a variable that moto reads while it runs."""
    before = {name: os.environ[name]} if name in os.environ else {}

    def undo() -> None:
        os.environ.pop(name)
        os.environ.update(before)

    os.environ[name] = value
    _undo.append(undo)


def once(install: Callable[[], None]) -> Callable[[], None]:
    """An installation that changes nothing when it is done already."""

    @functools.wraps(install)
    def installing() -> None:
        if install not in _installed:
            install()
            _installed.add(install)

    return installing


def restore() -> None:
    """Give moto back as it was, for tests that need it so in the same process."""
    while _undo:
        _undo.pop()()
    _installed.clear()


def _set(owner: Any, name: str, value: Any) -> None:
    before = owner.__dict__.get(name, _INHERITED)
    setattr(owner, name, value)
    if before is _INHERITED:
        _undo.append(lambda: delattr(owner, name))
    else:
        _undo.append(lambda: setattr(owner, name, before))
