"""When a ring was put back to an earlier moment: kept in the bucket, for whoever restores later.

What its servers had logged after that moment is no part of what the ring has been since. So to a
moment after such a turn nothing leads but a backup that was taken after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from . import manifest, moment
from .moment import At, Latest, Moment
from .place import Place
from .store import Store

FOLDER = "restores/"


def prefix(place: Place, node: str) -> str:
    """Below the node's backups, and kept as long."""
    return place.backups(node) + FOLDER


def keep(store: Store, what: dict[str, Any]) -> str:
    """Before the restored data takes its place. Where nothing comes of that, a moment after it can
    be restored once there is a new backup. The name that it has."""
    at = datetime.now(UTC)
    name = manifest.identity(at)
    document = {"at": moment.text(int(at.timestamp())), **what}
    key = f"{prefix(store.place, store.place.node)}{name}.json"
    store.put_bytes(key, (json.dumps(document, indent=2) + "\n").encode())
    return name


def names(listed: Iterable[str], place: Place, nodes: Sequence[str]) -> list[str]:
    """When each was, as the names of backups have it, the oldest first."""
    result = []
    for node in nodes:
        below = prefix(place, node)
        for key in listed:
            name = key.removeprefix(below).removesuffix(".json")
            if key.startswith(below) and manifest.is_identity(name):
                result.append(name)
    return sorted(result)


def last_before(turns: Sequence[str], at: Moment) -> str | None:
    """The last turn that what is restored has to be behind."""
    match at:
        case Latest():
            behind = list(turns)
        case At():
            behind = [t for t in turns if manifest.moment_of(t).timestamp() <= at.seconds]
        case _:  # of one server, whose log no turn goes through
            behind = []
    return behind[-1] if behind else None
