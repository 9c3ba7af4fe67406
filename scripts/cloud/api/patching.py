"""Putting the lab's functions in the place of moto's."""

from __future__ import annotations

from typing import Any


def replace(owner: Any, **replacements: Any) -> None:
    """Set attributes of a class or module of moto; each must exist, so that a moto that has moved
    on is noticed when the daemon starts."""
    for name, replacement in replacements.items():
        if not hasattr(owner, name):
            raise AttributeError(
                f"{owner.__name__} of moto has no {name}; expected moto 5.2.5 (requirements/)"
            )
        setattr(owner, name, replacement)


def add(owner: Any, **additions: Any) -> None:
    """Set attributes that moto does not have."""
    for name, addition in additions.items():
        if hasattr(owner, name):
            raise AttributeError(
                f"{owner.__name__} of moto has {name} now; expected moto 5.2.5 (requirements/)"
            )
        setattr(owner, name, addition)
