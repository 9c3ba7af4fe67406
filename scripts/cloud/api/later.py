"""Changes that take effect a while after the call that asked for them, as some of AWS's do.

They are kept in the state that they change: a daemon that is started anew carries them out.

Tests can order how long they take: LAB/cloud/delays.json has seconds by the name of the call,
{"AssignPrivateIpAddresses": 30}. It is read whenever a change is looked at, so that an order that
is taken back lets the change go. An order is good for ten minutes: a test that dies leaves no slow
API behind.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger("cloud.api")

FILE = "delays.json"
GOOD_FOR_SECONDS = 600
_ATTRIBUTE = "changes_to_come"


@dataclass(frozen=True)
class Change:
    """`carry_out(backend, *arguments)`, so many seconds after it was asked for."""

    asked: float
    action: str
    seconds: float
    carry_out: Callable[..., None]
    arguments: tuple[Any, ...]

    def due(self, orders: Mapping[str, float]) -> float:
        return self.asked + orders.get(self.action, self.seconds)


def later(
    backend: Any, action: str, seconds: float, carry_out: Callable[..., None], *arguments: Any
) -> None:
    """Have a backend changed after so many seconds.

    `carry_out` is a function of a module and the arguments are plain values: they go to disk. What
    the change is about may be gone by then.
    """
    change = Change(time.time(), action, seconds, carry_out, arguments)
    setattr(backend, _ATTRIBUTE, [*_to_come(backend), change])


def awaited(backends: Iterable[Any]) -> bool:
    """Whether any change is to come."""
    return any(_to_come(backend) for backend in backends)


def carry_out_due(backends: Iterable[Any], orders: Path) -> tuple[bool, float | None]:
    """Carry out the changes whose time has come, the earliest first, while they are `locked`.

    The answer is whether there was one, and the seconds until the next one is due.
    """
    waiting = [backend for backend in backends if _to_come(backend)]
    if not waiting:
        return False, None
    ordered = read_orders(orders)
    now = time.time()
    carried_out, waits = False, []
    for backend in waiting:
        for change in sorted(_to_come(backend), key=lambda change: change.due(ordered)):
            if change.due(ordered) > now:
                waits.append(change.due(ordered) - now)
                continue
            setattr(backend, _ATTRIBUTE, [other for other in _to_come(backend) if other != change])
            carried_out = True
            try:
                change.carry_out(backend, *change.arguments)
                log.info("%s %s: done", change.action, " ".join(map(str, change.arguments)))
            except Exception:
                log.exception("%s %s: it is not done", change.action, change.arguments)
    return carried_out, min(waits, default=None)


def _to_come(backend: Any) -> list[Change]:
    return getattr(backend, _ATTRIBUTE, [])


def read_orders(file: Path) -> dict[str, float]:
    """Seconds by name; none where there is no such file, or it is old or cannot be read."""
    try:
        if time.time() > file.stat().st_mtime + GOOD_FOR_SECONDS:
            return {}
        return {action: float(seconds) for action, seconds in json.loads(file.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (AttributeError, TypeError, ValueError) as error:
        log.error("%s: %s; it is not heeded", file, error)
        return {}
