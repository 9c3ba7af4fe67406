"""A room's modules, found by themselves: a new noun is a new file and no entry of a list."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def modules(room: str) -> list[ModuleType]:
    """Every module of a room, such as `cloud.api`, imported in the order of their names."""
    folders = importlib.import_module(room).__path__
    names = sorted(module.name for module in pkgutil.iter_modules(folders))
    return [importlib.import_module(f"{room}.{name}") for name in names]
