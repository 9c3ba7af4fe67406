"""From a backup to a moment: archived binary logs are replayed on the data by a scratch server.

It reads them as its relay logs. The log of the server that the backup is of is a history of both
nodes; what it lacks at its end is in the logs of the others (picking.py). What belongs to the
moment is laid out first, whole transactions, byte by byte: a log up to a place as it is, anything
else as a file with the same heading. So the server executes all that it finds and nothing more.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from ..base import paths
from ..base.errors import Exit, NodeError, refused, too_late
from ..base.report import Report
from ..base.waiting import Deadline, poll
from ..host import files
from ..host.programs import DIES_WITH_VERB
from ..mysql import conflicts, scratch, transactions
from ..mysql.binlogs import MAGIC
from ..mysql.shows import Coordinates
from ..mysql.sql import ServerError, Session
from ..mysql.transactions import Transaction
from . import catalogue, images, moment, picking
from .catalogue import Chain, Entry
from .manifest import SERVER_ID_LARGEST, Manifest
from .moment import At, Moment, Upto
from .picking import Known, Log, Origin, Part, Source
from .store import Store

FOLDER = "replay"
RELAY = "relay"
RELAY_NAME = RELAY + ".{:06d}"
SMALL_PART = 1 << 20
NEAR_SECONDS = 60
# Rows that are missing, there already, or held by a foreign key: what IDEMPOTENT passes over.
MISFITS = frozenset({1032, 1062, 1451, 1452})
STRICT, IDEMPOTENT = "STRICT", "IDEMPOTENT"
WAIT = 0.2  # seconds between looks at the slave
ALL_READ = "Slave has read all relay log"  # of 5.6's SHOW SLAVE STATUS
IDLE_SECONDS = 60.0
# What the server's own files say of its slave is not in its tables, and a crash begins anew.
ARGUMENTS = (
    *images.BESIDE,
    "--slave-parallel-workers=0",
    "--slave-skip-errors=OFF",
    "--relay-log-recovery=OFF",
    "--relay-log-purge=ON",
    "--relay-log-space-limit=0",
    "--master-info-repository=FILE",
    "--relay-log-info-repository=FILE",
    "--sync-relay-log=0",
    "--sync-relay-log-info=0",
    "--sync-master-info=0",
    "--innodb-flush-log-at-trx-commit=0",
    "--slave-sql-verify-checksum=ON",
    "--log-warnings=1",
)


@dataclass(frozen=True)
class Server:
    """One server's archived logs that may be needed. `start`: the place in them that the backup is
    as of; None: it had read none of them. `born`: they begin with its first one."""

    node: str
    server_uuid: str
    server_id: int
    entries: tuple[Entry, ...]
    start: Coordinates | None
    born: bool

    @property
    def name(self) -> str:
        return f"{self.node} ({self.server_uuid})"

    @property
    def last_time(self) -> int:
        return max((each.last_time for each in self.entries), default=0)


@dataclass(frozen=True)
class Plan:
    """`bytes`: of the logs as they may lie on the disk at once. `notes`: what the one who restores
    must know."""

    manifest: Manifest
    moment: Moment
    trunk: Server
    others: tuple[Server, ...]
    bytes: int
    notes: tuple[str, ...]

    @property
    def until(self) -> int | None:
        return self.moment.seconds if isinstance(self.moment, At) else None

    def document(self) -> dict[str, Any]:
        return {
            "moment": moment.document(self.moment),
            "bytes": self.bytes,
            "logs": [
                {
                    "node": each.node,
                    "server_uuid": each.server_uuid,
                    "first_file": each.entries[0].file,
                    "last_file": each.entries[-1].file,
                }
                for each in (self.trunk, *self.others)
                if each.entries
            ],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Reached:
    """How far what one server wrote was replayed: the last transaction, when it was committed by
    that server's clock (UTC), and in which server's log at which place it ends."""

    server_id: int
    transactions: int
    time: str
    log: str
    position: int


@dataclass(frozen=True)
class Replayed:
    """`misfits`: changes of rows that did not fit and that the server passed over, as the ring does
    (slave_exec_mode = IDEMPOTENT); `misfits_from`: where the first was. `seconds`: of all of it."""

    reached: tuple[Reached, ...]
    transactions: int
    misfits: int
    misfits_from: str | None
    seconds: float
    notes: tuple[str, ...] = field(default=())

    def document(self) -> dict[str, Any]:
        return asdict(self)


def plan(
    manifest: Manifest, chains: Mapping[tuple[str, str], Chain], wanted: Moment
) -> Plan:  # fmt: skip
    """What may be needed. Refuses a moment that the logs in the bucket do not lead to; `chains`: by
    node and server uuid, from the places on that the manifest names."""
    own = (manifest.node, manifest.server_uuid)
    trunk = _trunk(manifest, chains.get(own), wanted)
    if isinstance(wanted, Upto):
        _check_place(manifest, trunk, wanted)
        return _planned(manifest, wanted, trunk, ())
    until = wanted.seconds if isinstance(wanted, At) else None
    if until is not None and until < int(manifest.taken_at.timestamp()):
        raise refused(
            f"the backup {manifest.node}/{manifest.identity} is of a time after {wanted}",
            "a backup from before the moment",
            "take an older one",
        )
    others = _others(manifest, chains, trunk, until)
    if until is not None and not any(each.last_time > until for each in (trunk, *others)):
        latest = max(each.last_time for each in (trunk, *others))
        raise refused(
            f"the logs in the bucket end at {moment.text(latest)}"
            if latest
            else "no log in the bucket goes on from that backup",
            f"one with something later than {wanted}: only then nothing of it is missing",
            "wait for the next pass of the archive (or `sudo ring-node archive --now` "
            'on each node that lives), or restore {"latest": true}',
        )
    return _planned(manifest, wanted, trunk, others, _broken(chains, others, until))


def _broken(
    chains: Mapping[tuple[str, str], Chain], others: Sequence[Server], until: int | None
) -> list[str]:
    """Of logs that would say more of what the others wrote, and cannot be used."""
    notes = []
    for each in others:
        chain = chains[each.node, each.server_uuid]
        file = chain.broken_behind(each.entries[-1].number)
        if file is not None and (until is None or each.last_time <= until):
            notes.append(
                f"{file} of {each.name} in the bucket is not what its catalogue entry says, or is "
                "gone: what it wrote from there on is there as far as its peer had it"
            )
    return notes


def _planned(
    manifest: Manifest,
    wanted: Moment,
    trunk: Server,
    others: tuple[Server, ...],
    more: Sequence[str] = (),
) -> Plan:
    """A log of the others that ended long before the trunk does is not fetched."""
    until = wanted.seconds if isinstance(wanted, At) else None
    ends = trunk.last_time if until is None else min(trunk.last_time, until)
    needed = [
        *_up_to(trunk.entries, until),
        *(
            entry
            for each in others
            for entry in _up_to(each.entries, until)
            if entry.last_time >= ends - NEAR_SECONDS
        ),
    ]
    notes = list(more)
    if until is not None and trunk.last_time <= until:
        notes.append(
            f"the logs of {trunk.name} end at {moment.text(trunk.last_time)}: what it wrote after "
            "that is there as far as its peer had it"
            if trunk.entries
            else f"no log of {trunk.name} is in the bucket that goes on from the backup"
        )
    return Plan(manifest, wanted, trunk, others, sum(each.bytes for each in needed), tuple(notes))


def _up_to(entries: Sequence[Entry], until: int | None) -> list[Entry]:
    """The logs up to the one with the first event behind the moment."""
    result: list[Entry] = []
    for entry in entries:
        result.append(entry)
        if until is not None and entry.last_time > until:
            break
    return result


def _trunk(manifest: Manifest, chain: Chain | None, wanted: Moment) -> Server:
    file = manifest.master.file
    entries = chain.without_gaps(file) if chain else ()
    result = Server(
        manifest.node,
        manifest.server_uuid,
        manifest.server_id,
        entries,
        manifest.master,
        born=False,
    )
    if entries and entries[0].end_position < manifest.master.offset:
        raise refused(
            f"{file} of {result.name} ends at {entries[0].end_position} in the bucket",
            f"{manifest.master}, where the backup is as of",
            "use another backup",
        )
    assert chain is None or all(each.server_id == manifest.server_id for each in entries)
    later = [each for each in chain.entries if each not in entries] if chain else []
    begin = Coordinates(file, 0).order[0]
    beyond = [each.file for each in later if each.number > begin]
    broken = chain.broken_behind(entries[-1].number if entries else begin - 1) if chain else None
    if broken is not None and not beyond:
        beyond.append(broken)
    if not beyond:
        return result
    covered = isinstance(wanted, At) and result.last_time > wanted.seconds
    if isinstance(wanted, Upto):
        covered = Coordinates(wanted.file, 0).order[0] <= Coordinates(
            entries[-1].file if entries else file, 0
        ).order[0]  # fmt: skip
    if covered:
        return result
    if beyond[0] == broken:
        where = f"where {broken} is not what its catalogue entry says, or gone"
    elif entries:
        where = f"between {entries[-1].file} and {beyond[0]}"
    else:
        where = f"before {beyond[0]}: {file} is not there"
    reachable = (
        f'{{"at": "{moment.text(result.last_time - 1)}"}} at the latest, or '
        f'{{"node": "{manifest.node}", "file": "{entries[-1].file}", '
        f'"position": {entries[-1].end_position}}}'
        if entries
        else "nothing but the backup as it is"
    )
    raise refused(
        f"logs of {result.name} are missing in the bucket {where}",
        f"all of them from {manifest.master} to {wanted}",
        f"use a backup from after the gap, or of the other node. From this one there can be had: "
        f"{reachable}",
    )


def _check_place(manifest: Manifest, trunk: Server, wanted: Upto) -> None:
    if wanted.node != manifest.node or wanted.server_uuid not in (None, manifest.server_uuid):
        raise refused(
            f"{wanted} is a place of another server than the backup of {trunk.name}",
            "a place in the log of the server that the backup is of",
            f"name a backup of {wanted.node}, or a moment in time",
        )
    place = Coordinates(wanted.file, wanted.position)
    if place.order < manifest.master.order:
        raise refused(
            f"the backup {manifest.node}/{manifest.identity} is as of {manifest.master}",
            f"one from before {wanted}",
            "take an older one",
        )
    ends = {entry.number: entry.end_position for entry in trunk.entries}
    if place != manifest.master and ends.get(place.order[0], -1) < place.offset:
        last = trunk.entries[-1] if trunk.entries else None
        raise refused(
            f"the logs of {trunk.name} in the bucket end at "
            + (f"{last.file}:{last.end_position}" if last else "nothing behind the backup")
            + (f", and {wanted.file} at {ends[place.order[0]]}" if place.order[0] in ends else ""),
            f"all up to {wanted}",
            "name a place that is there",
        )


def _others(
    manifest: Manifest,
    chains: Mapping[tuple[str, str], Chain],
    trunk: Server,
    until: int | None,
) -> tuple[Server, ...]:
    """The servers whose logs may have what the trunk lacks, in the order in which they were made.

    One whose successor was made while the trunk's server lived is left out: the ring went on
    without what that had not got by then, and executed now it would come after what followed.
    """
    found: list[tuple[int, Server]] = []
    taken_at = int(manifest.taken_at.timestamp())
    for (node, uuid), chain in chains.items():
        first = manifest.slave.file if uuid == manifest.peer_uuid and manifest.slave else None
        entries = _last_without_gaps(chain, first)
        if uuid == manifest.server_uuid or not entries:
            continue
        made = chain.entries[0].first_time
        if max(each.last_time for each in entries) < taken_at and uuid != manifest.peer_uuid:
            continue
        if until is not None and made > until:
            continue
        start = manifest.slave if first and entries[0].file == first else None
        born = entries[0].previous is None and first is None
        found.append((made, Server(node, uuid, entries[0].server_id, entries, start, born)))
    found.sort(key=lambda each: each[0])
    return tuple(
        each
        for place, (_, each) in enumerate(found)
        if not any(
            later.node == each.node and made <= trunk.last_time
            for made, later in found[place + 1 :]
        )
    )


def _last_without_gaps(chain: Chain, first: str | None) -> tuple[Entry, ...]:
    """From a place on where the rest is whole: what comes before a gap does not lead on."""
    entries = list(chain.entries)
    for place, entry in enumerate(entries):
        if first is not None and entry.file == first:
            entries = entries[place:]
            break
    ends = {gap.behind for gap in chain.gaps}
    for place in range(len(entries) - 1, -1, -1):
        if entries[place].file in ends and place < len(entries) - 1:
            return tuple(entries[place + 1 :])
    return tuple(entries)


class Fetched:
    """Logs of the bucket as files, each fetched when it is first wanted."""

    def __init__(self, folder: Path, store: Store, deadline: Deadline) -> None:
        self._folder, self._store, self._deadline = folder, store, deadline

    def path(self, entry: Entry) -> Path:
        return self._folder / f"{entry.server_uuid}.{entry.file}"

    def source(self, server: Server) -> Source:
        return Source(
            server.name,
            server.server_id,
            [
                Log(each.file, each.first_time, each.last_time, self._reader(each))
                for each in server.entries
            ],
            server.start,
            server.born,
        )

    def _reader(self, entry: Entry) -> Callable[[], Iterable[Transaction]]:
        def read() -> Iterator[Transaction]:
            yield from transactions.read(self.fetch(entry), entry.end_position)

        return read

    def fetch(self, entry: Entry) -> Path:
        """What the object holds, unpacked, when it is what its catalogue entry says."""
        path = self.path(entry)
        if path.exists():
            return path
        if self._deadline.over:
            raise too_late("logs are still being fetched", "all of them in time", "run this again")
        key = catalogue.log_key(self._store.place.server(entry.server_uuid, entry.node), entry.file)
        part = path.with_name(path.name + ".part")
        with self._store.get(key, entry.stored, seconds=self._deadline.left) as stream:
            digest, size = _unpack(stream, part, key)
        if (size, digest) != (entry.bytes, entry.sha256):
            raise NodeError(
                Exit.HOST,
                f"{key} holds {size} bytes with SHA-256 {digest}",
                f"{entry.bytes} bytes with SHA-256 {entry.sha256}, as its catalogue entry says",
                "an older version of the object may be the right one; a backup from after that log "
                "or of the other node does without it",
            )
        os.rename(part, path)
        return path


def _unpack(stream: Any, path: Path, key: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with tempfile.TemporaryFile() as said, path.open("wb") as file:
        process = subprocess.Popen(
            [*DIES_WITH_VERB, "zstd", "--decompress", "--quiet", "--stdout"],
            stdin=stream,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        assert process.stdout is not None
        try:
            while data := process.stdout.read(SMALL_PART):
                digest.update(data)
                size += len(data)
                file.write(data)
            if process.wait() != 0:
                said.seek(0)
                raise NodeError(
                    Exit.HOST,
                    f"zstd of {key} ended with {process.returncode}: "
                    f"{said.read(600).decode(errors='replace').strip()}",
                    "all of the log",
                    "see that the disk has room, then run this again",
                )
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    return digest.hexdigest(), size


def run(folder: Path, plan: Plan, store: Store, report: Report, deadline: Deadline) -> Replayed:
    """Brings `folder`/data, a data directory that was proven, ended clean and knows no master, to
    the moment. Refuses before the data is touched where the logs do not lead there.

    The server ends clean; it leaves no trace of a slave in the data, and its own auto.cnf.
    """
    begun = time.monotonic()
    place = folder / FOLDER
    files.remove_tree(place)
    place.mkdir(mode=0o750)
    shutil.chown(place, paths.MYSQL_USER, paths.MYSQL_USER)
    try:
        known, laid = lay_out(place, plan, store, deadline)
        notes = (*plan.notes, *_incomplete(known, plan), *_silent(known, plan))
        misfits, since = 0, None
        if laid:
            misfits, since = _execute(folder, laid, stranger(known.origins), report, deadline)
    finally:
        files.remove_tree(place)
    return Replayed(
        tuple(_reached(each) for each in known.origins.values() if each.last and each.taken),
        sum(each.taken for each in known.origins.values()),
        misfits,
        since,
        round(time.monotonic() - begun, 1),
        notes,
    )


def _reached(origin: Origin) -> Reached:
    assert origin.last is not None
    return Reached(
        origin.server_id, origin.taken, moment.text(origin.last.time), origin.last_log,
        origin.last.end,
    )  # fmt: skip


def _incomplete(known: Known, plan: Plan) -> list[str]:
    if plan.until is None:
        return []
    return [
        f"nothing that server id {each.server_id} wrote after the moment is in the bucket: "
        + (
            f"its last transaction there is of {moment.text(each.last.time)}"
            if each.last
            else "there is none"
        )
        for each in known.open
    ]


def _silent(known: Known, plan: Plan) -> list[str]:
    """A server beats every second: where nothing of it is from shortly before the moment, what it
    wrote then may stand in its log behind something that seems to be later."""
    notes = []
    for each in known.origins.values():
        last = each.last.time if each.last else int(plan.manifest.taken_at.timestamp())
        if each.behind and plan.until is not None and plan.until - last > NEAR_SECONDS:
            notes.append(
                f"server id {each.server_id} has nothing between {moment.text(last)} and "
                f"{moment.text(each.behind.time)} where its log passes the moment: it was down, "
                "or its clock was set, or a session had a TIMESTAMP of its own. If it was not "
                "down, look behind that place of its log by coordinates"
            )
    return notes


@dataclass(frozen=True)
class Laid:
    """A file that the scratch server reads, and whose log it is of."""

    path: Path
    log: str

    @property
    def number(self) -> int:
        return int(self.path.suffix[1:])


def lay_out(place: Path, plan: Plan, store: Store, deadline: Deadline) -> tuple[Known, list[Laid]]:
    """Writes what the moment needs into `place`, as relay logs with their index."""
    fetched = Fetched(place, store, deadline)
    ids = dict.fromkeys(each.server_id for each in (plan.trunk, *plan.others))
    known = Known(ids, plan.until)
    entries = {
        (server.name, entry.file): entry
        for server in (plan.trunk, *plan.others)
        for entry in server.entries
    }
    laid: list[Laid] = []

    def lay(parts: Iterable[Part]) -> None:
        for part in parts:
            target = place / RELAY_NAME.format(len(laid) + 1)
            write(part, fetched.path(entries[part.source.name, part.log.file]), target)
            laid.append(Laid(target, f"{part.log.file} of {part.source.name}"))

    end = None
    if isinstance(plan.moment, Upto):
        end = Coordinates(plan.moment.file, plan.moment.position)
    lay(picking.trunk(known, fetched.source(plan.trunk), plan.manifest.master, end))
    for server in (*plan.others, plan.trunk):
        if known.open and end is None:
            lay(picking.others(known, fetched.source(server)))
        _drop(fetched, server)
    for each in laid:
        shutil.chown(each.path, paths.MYSQL_USER, paths.MYSQL_USER)
    index = place / f"{RELAY}.index"
    index.write_text("".join(f"{each.path}\n" for each in laid))
    shutil.chown(index, paths.MYSQL_USER, paths.MYSQL_USER)
    return known, laid


def _drop(fetched: Fetched, server: Server) -> None:
    for entry in server.entries:
        fetched.path(entry).unlink(missing_ok=True)


def write(part: Part, log: Path, target: Path) -> None:
    """A file that a slave reads as a relay log, with that part of the log."""
    last = part.ranges[-1][1]
    if part.is_beginning and not part.cut:
        os.link(log, target)
        os.truncate(target, last)  # less what closes it
        return
    with log.open("rb") as source, target.open("wb") as file:
        if part.is_beginning:
            _copy(source, file, 0, last)
            return
        file.write(transactions.heading(log))
        file.flush()
        for start, end in part.ranges:
            _copy(source, file, start, end)


def _copy(source: IO[bytes], target: IO[bytes], start: int, end: int) -> None:
    while start < end:
        start += os.sendfile(target.fileno(), source.fileno(), start, end - start)


def stranger(origins: Iterable[int]) -> int:
    """A server id that no event has: a slave passes over those that have its own."""
    seen = set(origins)
    return next(each for each in range(SERVER_ID_LARGEST, 0, -1) if each not in seen)


def _execute(
    folder: Path, laid: Sequence[Laid], own_id: int, report: Report, deadline: Deadline
) -> tuple[int, str | None]:
    """How many changes did not fit, and where the first was."""
    place = laid[0].path.parent
    arguments = (
        *ARGUMENTS,
        f"--server-id={own_id}",
        f"--relay-log={place}/{RELAY}",
        f"--relay-log-index={place}/{RELAY}.index",
        f"--relay-log-info-file={place}/relay-log.info",
        f"--master-info-file={place}/master.info",
    )
    with scratch.running(folder, *arguments, patience=images.STATEMENT_SECONDS) as server:
        session = server.session
        if session.row("SHOW SLAVE STATUS"):
            raise NodeError(
                Exit.INTERNAL, f"{folder}/data knows a master", "none any more", "report this"
            )
        mode = session.value("SELECT @@global.slave_exec_mode")
        session.do(f"SET GLOBAL slave_exec_mode = {STRICT}")
        session.do(
            "CHANGE MASTER TO MASTER_HOST = 'the-archive', MASTER_USER = 'nobody',"
            f" RELAY_LOG_FILE = '{laid[0].path.name}', RELAY_LOG_POS = {len(MAGIC)}"
        )
        since, misfits = None, 0
        stopped = _run(session, laid, deadline)
        if stopped is not None and stopped.number in MISFITS and mode == IDEMPOTENT:
            since = stopped.found
            session.do(f"SET GLOBAL slave_exec_mode = {IDEMPOTENT}")
            stopped = _run(session, laid, deadline)
        if stopped is not None:
            raise stopped
        if since is not None:
            misfits = len(conflicts.found(server.error_log.read_bytes())[0])
            report.note(f"rows that did not fit were passed over, as the ring does: {since}")
        session.do("STOP SLAVE")
        session.do("RESET SLAVE ALL")
        return misfits, since


def _run(session: Session, laid: Sequence[Laid], deadline: Deadline) -> ServerError | None:
    """Until all is executed; what the SQL thread stopped at."""
    session.do("START SLAVE SQL_THREAD")
    idle: list[float] = []

    def ended() -> dict[str, Any] | None:
        row = session.quoting_row("SHOW SLAVE STATUS")
        assert row is not None
        if row["Slave_SQL_Running"] == "No" or _at(row) > laid[-1].number:
            return row
        if not str(row["Slave_SQL_Running_State"]).startswith(ALL_READ):
            idle.clear()
        idle.append(time.monotonic())
        if idle[-1] - idle[0] > IDLE_SECONDS:
            raise NodeError(
                Exit.INTERNAL,
                f"the replay has read all, and stands at {row['Relay_Log_Pos']} of "
                f"{row['Relay_Log_File']}",
                f"all executed, up to the end of {laid[-1].log}",
                "report this; restore to another moment, or by a backup of the other node",
            )
        return None

    row = poll(ended, deadline, longest_pause=WAIT)
    if row is None:
        raise too_late(
            "logs are still being replayed",
            f"all of them within {deadline.seconds:.0f} s",
            "run this again, with a moment that is nearer to a backup if there is one",
        )
    if row["Slave_SQL_Running"] != "No":
        return None
    log = next((each.log for each in laid if each.number == _at(row)), "a log")
    return ServerError(
        int(row["Last_SQL_Errno"]),
        Exit.SERVER,
        f"replaying {log} stopped at {row['Last_SQL_Errno']}: {row['Last_SQL_Error'][:1200]}",
        "every transaction up to the moment executed",
        "restore to a moment before it (its end_log_pos is a place in that log), or by a backup of "
        "the other node",
    )


def _at(row: Mapping[str, Any]) -> int:
    """In which of its relay logs the SQL thread is; the one that it began itself is the last."""
    return int(row["Relay_Log_File"].rpartition(".")[2])
