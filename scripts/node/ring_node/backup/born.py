"""A new ring begins with what a bucket has: the first node restores it, the second one copies that.

Both servers are new then: they run, hold nothing of users, and have their accounts. What comes out
of the bucket is made this node's own beside them, as at any restore (backup/whole.py), and besides
gets the accounts and databases that the new ring's settings asked for, so that it is as the step
`accounts` leaves a server. Then it takes the empty server's place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from ..base import paths
from ..base.errors import NodeError, refused
from ..base.fields import NAME, Fields
from ..base.report import Report
from ..base.waiting import Deadline, poll
from ..host import files, packages
from ..mysql import accounts, binlogs, events, incarnations, lifecycle, shows, sql
from ..mysql.grants import Account, Rights
from ..mysql.sql import Session
from ..ring import admission, content, documents, reach, records, schema, seeding, state
from ..ring.documents import Pair
from ..ring.join import Refusal, State
from . import choosing, moment, restore, store, turning, whole
from .moment import At, Latest
from .place import BUCKET, LONGEST_INTERVAL, REGION, TOP, Place
from .restore import Made, Wanted
from .store import Denied, Store, StoreError
from .whole import Known

PACKAGES = ("s3cmd", "zstd")
PEER_SECONDS = 60.0
RIGHTS_SECONDS = 90.0  # a role's new policy is in force some seconds after it was made
UNREADABLE = (
    "see that restoreFrom has the bucket's name and region, and that its policy lets roles of this "
    "account read it; then run `pulumi up` again"
)
LATEST = "latest"
STACK = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True)
class Source:
    """Whose backups are meant, in which bucket, and up to when: `latest`, or a time in UTC."""

    bucket: str
    region: str
    stack: str
    ring: str
    moment: str

    def __str__(self) -> str:
        return f"{self.bucket} as of {self.moment}"


@dataclass(frozen=True)
class Asked:
    pair: Pair
    source: Source
    own_bucket: str  # the new ring's own
    wanted: Wanted


@dataclass(frozen=True)
class Own:
    """What this node's new server has by its settings."""

    databases: Mapping[str, tuple[str, str]]
    accounts: Mapping[Account, Rights]


class Birth(Enum):
    """What becomes of the wish."""

    RESTORE = "both nodes are new and hold nothing"
    JOINED = "this node is part of a ring already"
    DONE = "this node holds what was restored"
    HOLDS = "this node holds data already"
    COPIES = "this node copies its peer"
    PEER_HOLDS = "the peer holds data, which this node copies"
    PEER_JOINED = "the peer is part of a ring already"


def parse(document: Any) -> Asked:
    fields = Fields(document, "document")
    pair = documents.pair({name: fields.any(name) for name in ("node", "peer")})
    given = Fields(fields.any("restore"), "restore")
    own = fields.matching("own_bucket", BUCKET, "the name of a bucket")
    fields.end()
    source = Source(
        bucket=given.matching("bucket", BUCKET, "the name of a bucket"),
        region=given.matching("region", REGION, "a region of AWS"),
        stack=given.matching("stack", STACK, "a stack's name"),
        ring=given.matching("ring", NAME, "a ring's name"),
        moment=given.text("moment"),
    )
    given.end()
    if source.moment == LATEST:
        return Asked(pair, source, own, Wanted(Latest(), None))
    at = At(moment.seconds(source.moment, "restore.moment"))
    return Asked(pair, source, own, Wanted(at, None))


def decide(
    me: State, peer: State, source: Source, restored: Source | None, *, admitted: bool
) -> Birth | Refusal:
    """`restored`: of what the data of this node's server was restored by an earlier run."""
    if admitted:
        return Birth.JOINED
    if me.content and restored is None:
        return Birth.HOLDS
    if me.content and restored != source:
        return Refusal(
            "restored from elsewhere",
            f"{me.name} holds what was restored from {restored}, and no client was let in yet",
            f"that, or {source} on two new nodes",
            "set restoreFrom as it was and run `pulumi up`; docs/use/restore-from.md says how to "
            "come to another moment then",
        )
    if me.content:
        return Birth.DONE
    if me.copying:
        return Birth.COPIES
    if peer.content or peer.copying:
        return Birth.PEER_HOLDS
    if peer.own_source is not None and peer.own_source.state == "wired":
        return Birth.PEER_JOINED
    return Birth.RESTORE


def run(asked: Asked, report: Report) -> None:
    """After an error the empty server runs on. Killed, it is there or the restored data is: run
    again, it begins anew or goes on."""
    records.remember_peer(asked.pair, report)
    if not lifecycle.running():  # a run that was killed while the data took its place stopped it
        lifecycle.start()
        report.did("server started")
    incarnations.remove_former()
    binlogs.remove_stand_in(paths.LOGS)
    if admission.admitted():  # nobody has to be asked
        return _leave(Birth.JOINED, asked, report)
    login, pair = records.credentials().peer, asked.pair
    with (
        sql.own(report) as own,
        reach.peer(pair.peer.replication_address, login, report, seconds=PEER_SECONDS) as other,
    ):
        me, peer = state.both(own, other, pair)
        decision = decide(me, peer, asked.source, restored_from(), admitted=admission.admitted())
        if isinstance(decision, Refusal):
            state.raise_refusal(decision)
        if decision is not Birth.RESTORE:
            return _leave(decision, asked, report)
        has = Own(content.databases(own), accounts.found(own))
        known = Known(
            max(seeding.known(other), binlogs.highest(paths.LOGS)),
            max(schema.generation(each, pair.node.server_id) for each in (own, other)),
        )
    packages.install(PACKAGES, report)
    with _store(asked) as bucket:
        _restore(bucket, asked, has, known, report)
    report.facts["outcome"] = Birth.RESTORE.name.lower()
    return None


def _leave(decision: Birth, asked: Asked, report: Report) -> None:
    report.facts["outcome"] = decision.name.lower()
    if decision is Birth.DONE:
        with _store(asked) as bucket:
            _turn(bucket, asked)
    else:
        report.note(f"nothing was restored from {asked.source}: {decision.value}")


def restored_from() -> Source | None:
    """What the marker of the data directory says, if `run` has put it there."""
    found = files.read_bytes(paths.DATA / paths.DATA_MARKER)
    with suppress(ValueError, TypeError):
        return Source(**json.loads(found or b""))
    return None


@contextmanager
def _store(asked: Asked) -> Iterator[Store]:
    """The bucket of that ring, whose schedules and limits are not this one's."""
    source = asked.source
    place = Place(
        bucket=source.bucket,
        region=source.region,
        stack=source.stack,
        ring=source.ring,
        node=asked.pair.node.name,
        archive_interval=LONGEST_INTERVAL,
        backup_schedule="",
        drill_schedule="",
        maintenance_schedule="",
        keep_binlog_hours=0,
        disk_warn=98,
        disk_critical=99,
    )
    files.write(paths.S3CFG_BIRTH, store.settings(place).encode(), mode=0o600)
    try:
        yield Store(place, paths.S3CFG_BIRTH)
    finally:
        files.remove(paths.S3CFG_BIRTH)


def nodes(bucket: Store) -> list[str]:
    """Whose backups and logs the bucket has. The right to read it may be seconds old."""

    def look() -> list[str] | None:
        try:
            return bucket.folders(f"{TOP}/")
        except Denied as error:
            denied.append(error)
            return None

    denied = list[StoreError]()
    try:
        found = poll(look, Deadline(RIGHTS_SECONDS))
        if found is None:
            raise denied[-1]
    except StoreError as error:
        step = error.next_step if error.passing else UNREADABLE
        raise NodeError(error.code, error.found, error.expected, step) from None
    if not found:
        raise refused(
            f"bucket {bucket.place.bucket} has nothing below {TOP}/",
            f"backups of ring {bucket.place.ring} of stack {bucket.place.stack}",
            "correct restoreFrom.bucket, then run `pulumi up` again",
        )
    return found


def _restore(bucket: Store, asked: Asked, has: Own, known: Known, report: Report) -> None:
    with restore.alone():
        source = restore.look(bucket, nodes(bucket), asked.wanted)
        with restore.made(bucket, source, report) as made:
            whole.adapt(
                made,
                asked.pair,
                known,
                report,
                lambda session: _as_settings_say(session, made, asked.pair, has, report),
            )
            marker = json.dumps(asdict(asked.source)).encode()
            (made.data / paths.DATA_MARKER).write_bytes(marker + b"\n")
            _take_place(made)
        _turn(bucket, asked)
    report.did(f"restored {source.backup} of {asked.source}")
    with sql.own(report) as own:
        report.facts["restored"] = {
            "bucket": asked.source.bucket,
            "backup": source.backup,
            "moment": asked.source.moment,
            "as_of": made.as_of,
            "server_uuid": shows.identity(own).uuid,
            "seconds": made.seconds,
        }


def _turn(bucket: Store, asked: Asked) -> None:
    """In the ring's own bucket the logs from before lead no further. Said when the restored data
    has its place: if it never has, they still do. Said twice it says the same."""
    if asked.source.bucket == asked.own_bucket:
        with sql.own() as own:
            mine = shows.identity(own).uuid
        former = [each for each in choosing.uuids(bucket, nodes(bucket)) if each != mine]
        turning.keep(bucket, asdict(asked.source), former)


def _as_settings_say(session: Session, made: Made, pair: Pair, has: Own, report: Report) -> None:
    """What the new ring's settings ask for, and server ids that may be others than they were."""
    of, own_id, peer_id = made.source.manifest, pair.node.server_id, pair.peer.server_id
    schema.forget_others(session, own_id, peer_id)
    events.take_back(session, of.server_id)
    if of.node == pair.node.name:
        events.renumber(session, of.server_id, own_id, peer_id)
    else:
        events.renumber(session, of.server_id, peer_id, own_id)
    created = content.create_databases(session, dict(has.databases))
    if created:
        report.did(f"databases of the settings: {', '.join(created)}")
    accounts.make(session, has.accounts, report)


def _take_place(made: Made) -> None:
    """After an error the empty server runs again."""
    former = incarnations.current()
    try:
        lifecycle.stop()
        incarnations.take_place(made.folder)
        lifecycle.start()
    except BaseException:
        with suppress(NodeError, OSError):
            if former is not None and incarnations.current() != former:
                lifecycle.stop()
                files.link(paths.CURRENT, former)
            if not lifecycle.running():
                lifecycle.start()
        raise
    incarnations.remove_former()
    binlogs.remove_stand_in(paths.LOGS)
