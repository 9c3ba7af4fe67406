"""The ring's data put back to a moment: one node is restored, the other one copies it.

On the node that is restored all of it happens beside the running server, up to a whole data
directory of this node's own. Only then is its gate closed, and the data changes place by one rename
(mysql/incarnations.py). What was there stays until the ring is whole again. The new server has a
uuid of its own, a binary log in which no place of a former one exists, and a generation beyond all
that was seen of its predecessors: so whoever followed those follows it only after he has copied it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import Exit, NodeError, refused
from ..base.fields import Fields
from ..base.lock import try_lock
from ..base.report import Report
from ..host import files, gate, systemd, timers
from ..mysql import binlogs, events, incarnations, lifecycle, scratch, shows, sql, xa
from ..mysql.shows import Coordinates
from ..mysql.sql import Session
from ..ring import (
    admission,
    arriving,
    opening,
    proving,
    reach,
    records,
    relay,
    schema,
    seeding,
)
from ..ring.documents import Pair
from . import archiving, choosing, images, restore, turning
from .place import Place
from .restore import Made, Wanted
from .store import Store

ARCHIVE_SECONDS = 900.0  # for a pass that is at work
PEER_SECONDS = 10.0
BACKUP_SERVICE = f"{timers.PREFIX}backup.service"


@dataclass(frozen=True)
class Asked:
    """`destroys`: what is given up, typed out. `without_peer`: the name of a peer that cannot be
    asked, and is taken to serve nobody."""

    wanted: Wanted
    destroys: str
    without_peer: str | None


@dataclass(frozen=True)
class Known:
    """What was known of this node's former servers: the highest number of a binary log, and the
    generation."""

    log: int
    generation: int


def parse(document: Any) -> Asked | str:
    """The text: of the node that gives way."""
    fields = Fields(document, "the document")
    if isinstance(document, dict) and "gives_way" in document:
        given = fields.text("gives_way")
        fields.end()
        return given
    without = fields.optional("without_peer", None)
    asked = Asked(
        restore.wanted(fields),
        fields.text("destroys"),
        None if without is None else str(without),
    )
    fields.end()
    return asked


def refuse_unnamed(given: str, place: Place) -> None:
    wanted = f"{place.stack}/{place.ring}"
    if given != wanted:
        raise refused(
            f"{given!r} is to be given up, and this is a node of {wanted}",
            f"{wanted!r}, typed out: all that the ring has written since the moment is lost",
            "run it on a node of the ring that is meant",
        )


def give_way(store: Store, given: str, report: Report) -> bool:
    """This node serves nobody and follows nobody, until it has copied the one that is restored, or
    has joined its peer again as it is. Whether its server runs: broken data may be why somebody
    restores."""
    refuse_unnamed(given, store.place)
    runs = _try_to_start(report)
    _shut(store, report, runs=runs)
    return runs


def restore_ring(store: Store, asked: Asked, report: Report) -> None:
    """After an error what was there is there, and serves as it did. Killed, what was there is
    there, behind a closed gate, or the restored data is: run again, it begins anew."""
    pair, begun = records.pair(), time.monotonic()
    refuse_unnamed(asked.destroys, store.place)
    refuse_serving_peer(pair, asked)
    runs = _try_to_start(report)
    with restore.alone():
        incarnations.remove_former()  # what a killed run moved there and did not begin to use
        source = restore.look(store, restore.nodes(), asked.wanted)
        with restore.made(store, source, report) as made:
            first = adapt(made, pair, _known(pair, runs=runs), report)
            former = take_place(store, made, pair, asked, first, report, runs=runs)
    report.did(f"{source.backup}, {asked.wanted.moment}, took the place of {former}")
    with sql.own(report) as own:
        uuid = shows.identity(own).uuid
    report.facts["restored"] = {
        "backup": source.backup,
        "moment": asked.wanted.document()["moment"],
        "as_of": made.as_of,
        "server_uuid": uuid,
        "former": str(former),
        "next": [
            f"on {pair.peer.name}: sudo ring-node rejoin --discard {pair.peer.name}",
            f"on {pair.node.name}: sudo ring-node rejoin",
            f"on {pair.node.name}: sudo ring-node backup",
        ],
        "seconds": round(time.monotonic() - begun, 1),
    }


def ring_is_whole(report: Report) -> None:
    """What restored data took the place of goes. From now on only a backup that is taken after the
    restore leads to a later moment: one is taken, if backups are asked for."""
    removed = incarnations.remove_kept()
    for each in removed:
        report.did(f"removed {each}, whose place restored data had taken")
    if removed and (paths.UNITS / BACKUP_SERVICE).exists():
        systemd.systemctl("start", "--no-block", BACKUP_SERVICE)
        report.did(f"{BACKUP_SERVICE} begun: no backup from before leads to a later moment")
    elif removed:
        report.note("no backup from before leads to a later moment: `sudo ring-node backup`")


def _try_to_start(report: Report) -> bool:
    """Whether the own server runs."""
    if not lifecycle.running():
        try:
            lifecycle.start()
        except NodeError as error:
            report.note(
                f"the server cannot be asked, what it says of itself is lost: {error.found}"
            )
            return False
        report.did("server started")
    return True


def refuse_serving_peer(pair: Pair, asked: Asked) -> None:
    """Nothing changes while somebody may write to the other node, or it reads this one's log."""
    name = pair.peer.name
    confirm = asked.destroys
    try:
        with _peer(pair) as other:
            slave = shows.show_slave_status(other)
            off = shows.identity(other).read_only and (slave is None or slave.io_stopped)
    except NodeError as error:
        if error.code is not Exit.UNREACHABLE:
            raise
        if asked.without_peer == name:
            return
        raise refused(
            f"{name} cannot be asked whether it serves: {error.found}",
            f"{name} out of service",
            f'on {name}: {{"gives_way": "{confirm}"}} to `sudo ring-node restore-ring`; if {name} '
            f'is gone for good, say so: "without_peer": "{name}"',
        ) from None
    if not off:
        raise refused(
            f"{name} serves clients, or follows this node",
            f"{name} out of service, before anything here is changed",
            f'on {name}: {{"gives_way": "{confirm}"}} to `sudo ring-node restore-ring`; then run '
            "this again",
        )


def _peer(pair: Pair) -> Any:
    login = records.credentials().peer
    return reach.peer(pair.peer.replication_address, login, seconds=PEER_SECONDS)


def _known(pair: Pair, *, runs: bool) -> Known:
    """Of this node's servers, by this one and by its peer, as far as they can be asked."""
    own_id, generation, log = pair.node.server_id, 0, 0
    if runs:
        with sql.own() as own:
            generation = schema.generation(own, own_id) if schema.exists(own) else 0
    try:
        with _peer(pair) as other:
            log = seeding.known(other)
            if schema.exists(other):
                generation = max(generation, schema.generation(other, own_id))
    except NodeError as error:
        if error.code is not Exit.UNREACHABLE:
            raise
    return Known(max(log, binlogs.highest(paths.LOGS)), generation)


def adapt(
    made: Made,
    pair: Pair,
    known: Known,
    report: Report,
    more: Callable[[Session], None] = lambda _: None,
) -> Coordinates:
    """Makes the data this node's; the place where its binary log will begin. `more`: is done
    before the events are told which of them fire here."""
    first = binlogs.beginning_behind(known.log)
    own_id = pair.node.server_id
    arriving.say("making it this node's own")
    with scratch.running(made.folder, *images.BESIDE) as server:
        session = server.session
        session.do("RESET SLAVE ALL")
        prepared = xa.roll_back(session)
        if prepared:
            report.did(f"rolled back {prepared} XA transactions that were prepared")
        for statement in schema.FORGET:
            session.do(statement)
        proving.take_over_accounts(session, pair)
        more(session)
        own_data = made.source.manifest.node == pair.node.name
        for change in (events.take_back if own_data else events.adapt)(session, own_id):
            report.did(change)
        schema.add_rows(session, own_id, pair.peer.server_id)
        beaten = max(known.generation, schema.generation(session, own_id))
        schema.go_on_from(session, own_id, beaten)
    restore.clean(made.folder)
    binlogs.begin_at(made.folder / "log", first)
    (made.data / paths.DATA_MARKER).write_text("restored by ring-node\n")
    return first


def take_place(
    store: Store,
    made: Made,
    pair: Pair,
    asked: Asked,
    first: Coordinates,
    report: Report,
    *,
    runs: bool,
) -> Path:
    """The incarnation that it took the place of. The server runs on the restored data then."""
    former = incarnations.current()
    assert former is not None
    with _as_before(pair, former, runs=runs):
        _shut(store, report, runs=runs)
        refuse_serving_peer(pair, asked)
        turning.keep(
            store,
            {"backup": made.source.backup, **asked.wanted.document()},
            choosing.uuids(store, restore.nodes()),
        )
        try:
            lifecycle.stop()
            if binlogs.highest(paths.LOGS) >= binlogs.number(first.file):
                raise refused(
                    f"the binary log of this node has reached {first.file} meanwhile",
                    "less than that, with which the new one is to begin",
                    "run this again",
                )
            incarnations.keep(former)
            incarnations.take_place(made.folder)
            lifecycle.start()
        except NodeError as error:
            error.next_step += (
                "; until there is a new backup (`sudo ring-node backup`) only moments before "
                "this can be restored"
            )
            raise
    return former


def _shut(store: Store, report: Report, *, runs: bool) -> None:
    if not runs:
        with opening.alone("closing"):
            admission.revoke()
            gate.close()
        return
    with sql.own(report) as own:
        opening.shut(own, report)
        _stop_slave(own, report)
        _archive(own, store, report)


@contextmanager
def _as_before(pair: Pair, former: Path, *, runs: bool) -> Iterator[None]:
    """After an error inside, the old data is served as it was."""
    before, followed = admission.read(), False
    if runs:
        with sql.own() as own:
            slave = shows.show_slave_status(own)
        followed = slave is not None and slave.both_run
    try:
        yield
    except BaseException as error:
        with suppress(NodeError, OSError):
            if incarnations.current() != former:
                lifecycle.stop()
                files.link(paths.CURRENT, former)
            if before is not None:
                admission.give_back(before)
            if runs and not lifecycle.running():
                lifecycle.start()
            if followed:
                with sql.own() as own:
                    own.do("START SLAVE")
        if isinstance(error, NodeError):
            error.next_step += (
                f"; or leave it: this node is as it was, and {pair.peer.name} comes back with "
                "`sudo ring-node rejoin` there"
            )
        raise


def _stop_slave(own: Session, report: Report) -> None:
    if shows.show_slave_status(own) is not None:
        relay.stop(own)
        report.did("slave stopped")


def _archive(own: Session, store: Store, report: Report) -> None:
    """What this server has logged comes into the bucket, so that also this can be taken back."""
    try:
        own.do("FLUSH LOCAL BINARY LOGS")
        with try_lock(paths.ARCHIVE_LOCK, ARCHIVE_SECONDS) as mine:
            if mine:
                archiving.run(store, report)
    except NodeError as error:
        report.note(f"not all that this node has logged is in the bucket: {error.found}")
