"""A drill: the newest backup is restored beside the ring and is what its manifest says. How each
ended is kept in the bucket, where either node finds it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ..base.errors import Exit, NodeError
from ..base.report import Report
from ..base.waiting import Deadline
from ..mysql import checking, scratch, sql
from ..mysql.scratch import Scratch
from ..ring import records
from . import images, manifest, moment, restore, turns
from .manifest import Manifest
from .moment import AsItIs
from .place import Place
from .restore import Wanted
from .store import Store

FOLDER = "drills/"
COMPARE_SECONDS = 12 * 3600.0
TURN_SECONDS = 6 * 3600.0  # for a backup, the maintenance of tables, or the other node's drill


@dataclass(frozen=True, kw_only=True)
class Drill:
    """`at`: UTC. `backup`: NODE/NAME; None where it did not come to that."""

    node: str
    at: str
    backup: str | None
    good: bool
    tables_compared: int
    seconds: float
    problem: str | None = None
    next_step: str | None = None


def prefix(place: Place, node: str) -> str:
    """Below the node's backups, and kept as long."""
    return place.backups(node) + FOLDER


def run(store: Store, report: Report) -> Drill:
    """Raises what is wrong, once that is kept."""
    begun = datetime.now(UTC).replace(microsecond=0)
    watch, backup = time.monotonic(), None
    images.quietly()

    def drill(compared: int, error: NodeError | None) -> Drill:
        return Drill(
            node=store.place.node,
            at=begun.strftime(manifest.TIME_FORMAT),
            backup=backup,
            good=error is None,
            tables_compared=compared,
            seconds=round(time.monotonic() - watch, 1),
            problem=error and error.found,
            next_step=error and error.next_step,
        )

    with turns.upkeep(records.pair(), TURN_SECONDS, without_peer=True), restore.alone():
        try:
            source = restore.look(store, restore.nodes(), Wanted(AsItIs(), None))
            backup = source.backup
            compared = _compare(store, source, report)
        except NodeError as error:
            _keep(store, begun, drill(0, error))
            raise
    result = drill(compared, None)
    _keep(store, begun, result)
    report.did(f"{backup} was restored on scratch: {compared} tables are as its manifest says")
    return result


def _compare(store: Store, source: restore.Source, report: Report) -> int:
    with (
        restore.made(store, source, report) as made,
        scratch.running(
            made.folder, *images.BESIDE, patience=images.STATEMENT_SECONDS, grants=False
        ) as server,
    ):
        return compare(server, source.manifest)


def compare(server: Scratch, of: Manifest) -> int:
    """How many tables are what they were. Raises if one is not."""
    outcome = checking.check(
        server.session,
        lambda: sql.at_socket(scratch.WHO, server.socket),
        checking.tables(server.session),
        Deadline(COMPARE_SECONDS),
        checksums=True,
    )
    wrong = [f"{table}: {problem}" for table, problem in outcome.wrong.items()]
    wrong += [
        f"{table} has checksum {outcome.checksums.get(table, 'none')}, not {wanted}"
        for table, wanted in of.checksums.items()
        if outcome.checksums.get(table) != wanted and table not in outcome.left_out
    ]
    if wrong:
        more = f", and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise NodeError(
            Exit.SERVER,
            f"{of.node}/{of.identity} is not what it was: {' | '.join(wrong[:5])}{more}",
            "each table as its manifest says",
            "do not trust that backup: take another one (`sudo ring-node backup`), drill it, and "
            "look at the disk of this host (`dmesg`)",
        )
    compared = len(set(of.checksums) & set(outcome.checksums))
    if of.checksums and not compared:
        raise NodeError(
            Exit.DEADLINE,
            f"none of the {len(of.checksums)} tables of {of.node}/{of.identity} was compared: "
            f"{checking.unchecked(outcome)}",
            "their checksums as its manifest has them",
            "drill it when this host has less to do",
        )
    return compared


def _keep(store: Store, begun: datetime, drill: Drill) -> None:
    key = f"{prefix(store.place, store.place.node)}{manifest.identity(begun)}.json"
    store.put_bytes(key, (json.dumps(asdict(drill), indent=2) + "\n").encode())


def kept(store: Store, nodes: Sequence[str]) -> list[dict[str, Any]]:
    """All that the bucket has, the newest first."""
    result: list[dict[str, Any]] = []
    for node in nodes:
        keys = [key for key in store.listed(prefix(store.place, node)) if key.endswith(".json")]
        for key, content in store.get_small(keys).items():
            try:
                result.append(asdict(Drill(**json.loads(content))))
            except (ValueError, TypeError):
                result.append(_unread(node, key))
    return sorted(result, key=lambda each: each["at"], reverse=True)


def _unread(node: str, key: str) -> dict[str, Any]:
    name = key.rpartition("/")[2].removesuffix(".json")
    at = (
        moment.text(int(manifest.moment_of(name).timestamp())) if manifest.is_identity(name) else ""
    )
    unread = Drill(
        node=node,
        at=at,
        backup=None,
        good=False,
        tables_compared=0,
        seconds=0.0,
        problem=f"{key} is not understood",
        next_step="run a drill: `sudo ring-node drill`",
    )
    return asdict(unread)
