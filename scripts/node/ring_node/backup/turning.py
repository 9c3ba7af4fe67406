"""When a ring was put back to an earlier moment: kept in the bucket, for whoever restores later.

What its servers had logged after that moment is no part of what the ring has been since. So to a
moment after such a turn nothing leads but a backup that was taken after it, and to that nothing is
added of what a server from before logs on until it is made anew, or is back from the dead.

A ring that begins with nothing, or with what another bucket has, has such a turn at its beginning
where its bucket holds what came before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from ..base.errors import Exit, NodeError
from . import manifest, moment
from .manifest import Manifest
from .moment import At, Latest, Moment
from .place import Place
from .store import Store

FOLDER = "restores/"
SERVERS = "given_up"


def prefix(place: Place, node: str) -> str:
    """Below the node's backups, and kept as long."""
    return place.backups(node) + FOLDER


def keep(
    store: Store, what: dict[str, Any], servers: Iterable[str], at: datetime | None = None
) -> str:
    """Before the restored data takes its place. Where nothing comes of that, a moment after it can
    be restored once there is a new backup. The name that it has. `servers`: uuids of those that
    are given up; `at`: when, if not now."""
    at = at or datetime.now(UTC)
    name = manifest.identity(at)
    document = {"at": moment.text(int(at.timestamp())), **what, SERVERS: sorted(servers)}
    key = f"{prefix(store.place, store.place.node)}{name}.json"
    store.put_bytes(key, (json.dumps(document, indent=2) + "\n").encode())
    return name


def names(listed: Iterable[str], place: Place, nodes: Sequence[str]) -> list[str]:
    """When each was, as the names of backups have it, the oldest first."""
    return sorted(name for name, _ in _kept(listed, place, nodes))


def _kept(listed: Iterable[str], place: Place, nodes: Sequence[str]) -> list[tuple[str, str]]:
    """Name and key of each."""
    result = []
    for node in nodes:
        below = prefix(place, node)
        for key in listed:
            name = key.removeprefix(below).removesuffix(".json")
            if key.startswith(below) and manifest.is_identity(name):
                result.append((name, key))
    return result


def given_up(
    store: Store, listed: Iterable[str], nodes: Sequence[str], found: Manifest
) -> frozenset[str]:
    """Uuids of servers whose logs are no part of what the ring was when that backup was taken, and
    since. Where nothing came of a turn, the backup is of one of them or of its peer."""
    result: set[str] = set()
    contents = dict[str, bytes]()
    for node in nodes:  # of both the names may be the same
        kept = _kept(listed, store.place, [node])
        contents |= store.get_small(key for name, key in kept if name <= found.identity)
    for key, content in contents.items():
        try:
            result.update(json.loads(content).get(SERVERS, ()))
        except (ValueError, TypeError, AttributeError):
            raise NodeError(
                Exit.HOST,
                f"{key} is not understood: {content[:200]!r}",
                "which servers were given up when the ring was put back",
                "look at the object; an older version of it may be the right one",
            ) from None
    return frozenset(result - {found.server_uuid, found.peer_uuid})


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
