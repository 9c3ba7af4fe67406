"""The copy of the peer's data into this node: mydumper over TLS, myloader over the socket."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress

from ..base import paths
from ..base.errors import NodeError, refused, too_late
from ..base.report import Report
from ..base.waiting import Deadline, poll
from ..host import files, room
from ..host.programs import failed, watched
from ..host.programs import run as run_program
from ..mysql import sql, statements, tls
from ..mysql.login import Login, client_file
from ..mysql.shows import Coordinates
from ..mysql.sql import Session
from . import content, peer_accounts
from .documents import Peer

COPY_SECONDS = 12 * 3600.0
# FLUSH TABLES WITH READ LOCK waits for the statements that run, and everybody else for it. When it
# gives up, after LOCK_SECONDS, they go on, but for those that use a table of the statement in the
# way: 5.6 opens a flushed table for nobody before that has ended. So the lock is not even tried
# beside a statement that has been running for LONG_SECONDS.
LOCK_SECONDS = 5
LOCK_TRIES = 4
LOCK_PAUSE = 5.0
LONG_SECONDS = 2
LONG_PATIENCE = 60.0
NEXT_STEP = "see that both servers run, then run this again: it copies anew"
ROOM = "room for the copy and for what is loaded from it"
OPENSSL = paths.COPY.with_name("openssl.cnf")
CLIENT = paths.COPY.with_name("peer.cnf")
# MariaDB's client library speaks what tls.client_context allows, told by OpenSSL's own file.
OPENSSL_TEXT = f"""\
openssl_conf = main
[main]
ssl_conf = protocols
[protocols]
system_default = defaults
[defaults]
MinProtocol = TLSv1
CipherString = {tls.CIPHERS}
Options = UnsafeLegacyServerConnect
"""
MASTER_COORDINATES = re.compile(
    r"^SHOW MASTER STATUS:\n\tLog: (?P<file>\S+)\n\tPos: (?P<offset>\d+)$", re.MULTILINE
)
# Both of mydumper 0.10. It would dump on without the lock, and then end with an error.
NO_LOCK = re.compile(r"Couldn't acquire global lock|There are queries in PROCESSLIST running")
FINISHED = re.compile(r"^Finished dump at: ", re.MULTILINE)
SIZE = (
    "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables"
    " WHERE table_schema NOT IN %s"
)
# The dump is text, about as large as the data; the loaded tables come on top of it.
ROOM_FACTOR = 2.5
ROOM_BYTES = 256 << 20
OBJECTS = (
    "SELECT CONCAT(LOWER(table_type), ' ', table_schema, '.', table_name) AS name"
    " FROM information_schema.tables WHERE table_schema NOT IN %s UNION ALL "
    "SELECT CONCAT(LOWER(routine_type), ' ', routine_schema, '.', routine_name)"
    " FROM information_schema.routines WHERE routine_schema NOT IN %s UNION ALL "
    "SELECT CONCAT('event ', event_schema, '.', event_name)"
    " FROM information_schema.events WHERE event_schema NOT IN %s UNION ALL "
    "SELECT CONCAT('trigger ', trigger_schema, '.', trigger_name)"
    " FROM information_schema.triggers WHERE trigger_schema NOT IN %s"
)
EVENTS = (
    "SELECT event_schema, event_name, status FROM information_schema.events"
    " WHERE event_schema NOT IN %s"
)
# A copy must not go on behind the back of a verb that was killed.
DIES_WITH_VERB = ("setpriv", "--pdeathsig", "KILL", "--")


def copy(own: Session, other: Session, peer: Peer, login: Login, report: Report) -> Coordinates:
    """Makes this empty node hold what the peer holds; answers as of where in its binary log."""
    _room(other)
    files.remove_tree(paths.COPY)
    before = _objects(other)
    try:
        with room.needed(paths.STATE, ROOM):
            coordinates = _dump(other, peer, login)
        _clear(own, other)
        with room.needed(paths.DATA, ROOM):
            _load(own)
        lacking = sorted((before & _objects(other)) - _objects(own))
        if lacking:
            raise refused(
                f"the copy lacks {', '.join(lacking[:5])}", "all that the peer holds", NEXT_STEP
            )
        _events(own, other, report)
        peer_accounts.copy(own, other, report)
    finally:
        files.remove_tree(paths.COPY)
        files.remove(CLIENT)
    report.did(
        f"copied {len(before)} tables, views and programs of {peer.name} as of {coordinates}"
    )
    return coordinates


def dumped_at(metadata: str) -> Coordinates:
    """The master coordinates in mydumper's `metadata` file of a dump that is complete."""
    found = MASTER_COORDINATES.search(metadata)
    if found is None or not FINISHED.search(metadata):
        raise refused("mydumper left no complete metadata", "coordinates of the dump", NEXT_STEP)
    return Coordinates(found["file"], int(found["offset"]))


def _clear(own: Session, other: Session) -> None:
    """Makes room: the same databases as on the peer, and nothing in them."""
    kept = content.databases(own)
    content.clear(own)
    content.create_databases(own, {**kept, **content.databases(other)})


def _room(other: Session) -> None:
    size = int(other.value(SIZE, [content.SYSTEM_SCHEMAS]))
    needed = int(size * ROOM_FACTOR) + ROOM_BYTES
    for place in (paths.STATE, paths.DATA):
        free = room.free(place)
        if free < needed:
            raise refused(
                f"{free >> 20} MiB free in {place}, and the peer holds {size >> 20} MiB",
                f"at least {needed >> 20} MiB for the copy and what is loaded from it",
                room.NEXT_STEP,
            )


def _dump(other: Session, peer: Peer, login: Login) -> Coordinates:
    files.write(OPENSSL, OPENSSL_TEXT.encode(), mode=0o600)
    extra = (
        f"ssl-ca={paths.CA}\nssl-verify-server-cert\n"
        f'init-command="SET SESSION lock_wait_timeout={LOCK_SECONDS}"\n'
    )
    files.write(CLIENT, client_file(login, extra), mode=0o600)
    systems = "|".join(content.SYSTEM_SCHEMAS)
    command = [
        *DIES_WITH_VERB, "mydumper", f"--defaults-file={CLIENT}",
        "--host", peer.replication_address, "--port", "3306",
        "--outputdir", str(paths.COPY), "--threads", _threads(),
        "--triggers", "--events", "--routines", "--regex", rf"^(?!(?:{systems})\.)",
        "--long-query-guard", str(LONG_SECONDS),
    ]  # fmt: skip
    patience = Deadline(LONG_PATIENCE)
    for left in reversed(range(LOCK_TRIES)):
        if poll(lambda: not statements.long(other, LONG_SECONDS) or None, patience) is None:
            break
        files.remove_tree(paths.COPY)
        status, said = watched(
            command,
            hopeless=NO_LOCK,
            seconds=COPY_SECONDS,
            next_step=NEXT_STEP,
            environment={"OPENSSL_CONF": str(OPENSSL)},
        )
        if status == 0:
            return dumped_at((paths.COPY / "metadata").read_text())
        if not NO_LOCK.search(said):
            expected = f"mydumper copying {peer.name}"
            raise failed(command, status, said.strip(), expected, NEXT_STEP)
        if left:
            time.sleep(LOCK_PAUSE)
    raise _in_the_way(other, peer)


def _in_the_way(other: Session, peer: Peer) -> NodeError:
    held = statements.named(statements.long(other, 0) or statements.transactions(other))
    return too_late(
        f"{peer.name} cannot be locked for the copy: {held or 'a session holds LOCK TABLES'}",
        f"a moment without a statement that is older than {LONG_SECONDS} s, and the lock within "
        f"{LOCK_SECONDS} s",
        f"wait for its end, or KILL its process on {peer.name}; then run this again",
    )


def _load(own: Session) -> None:
    try:
        run_program(
            [*DIES_WITH_VERB, "myloader", f"--defaults-file={paths.ROOT_CLIENT}",
             "--socket", str(paths.SOCKET), "--directory", str(paths.COPY),
             "--threads", _threads(), "--queries-per-transaction", "100"],
            seconds=COPY_SECONDS,
            expected="myloader loading the copy",
            next_step=NEXT_STEP,
        )  # fmt: skip
    except NodeError:
        with suppress(NodeError):  # half a copy is no use, and may be what fills the disk
            content.clear(own)
        raise


def _threads() -> str:
    return str(max(2, min(8, os.cpu_count() or 2)))


def _objects(session: Session) -> set[str]:
    return {row["name"] for row in session.rows(OBJECTS, [content.SYSTEM_SCHEMAS] * 4)}


def _events(own: Session, other: Session, report: Report) -> None:
    """An event fires on the node that made it and is disabled on the other one."""
    with own.unlogged():
        for row in other.rows(EVENTS, [content.SYSTEM_SCHEMAS]):
            action = event_action(row["status"])
            if action is not None:
                event = f"{sql.name(row['event_schema'])}.{sql.name(row['event_name'])}"
                own.do(f"ALTER EVENT {event} {action}")
                report.did(f"event {event}: {action.lower()}")


def event_action(status: str) -> str | None:
    """What to do here with an event that has this status on the peer."""
    if status == "ENABLED":
        return "DISABLE ON SLAVE"
    if status == "SLAVESIDE_DISABLED":  # it was the one of this node's predecessor
        return "ENABLE"
    return None
