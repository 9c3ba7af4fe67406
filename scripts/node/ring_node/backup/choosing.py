"""Which backups the bucket holds, and which of them a moment is restored from."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..base.errors import NodeError, refused
from ..mysql.shows import Coordinates
from ..ring.arriving import release
from . import catalogue, manifest, turning
from .catalogue import Chain
from .manifest import Manifest
from .moment import At, Moment, Upto, text
from .place import Place
from .store import Entry, Store

NEXT_STEP = "see `sudo ring-node backups` for what is there"


@dataclass(frozen=True, order=True)
class Name:
    """A backup by where it is: the time first, so that the later one is the greater."""

    identity: str
    node: str

    def __str__(self) -> str:
        return f"{self.node}/{self.identity}"

    @property
    def key(self) -> str:
        return manifest.manifest_key(self.node, self.identity)

    @property
    def taken_at(self) -> datetime:
        return manifest.moment_of(self.identity)


@dataclass(frozen=True)
class Found:
    """`manifest` None: `problem` says why it cannot be restored."""

    name: Name
    manifest: Manifest | None
    problem: NodeError | None


def name(value: str) -> Name:
    """NODE/20261126T031500Z as somebody wrote it."""
    node, _, identity = value.rpartition("/")
    if not node or not manifest.is_identity(identity):
        raise refused(f"no backup is named {value!r}", "NODE/20261126T031500Z", NEXT_STEP)
    return Name(identity, node)


def names(listed: Iterable[str], node: str) -> list[Name]:
    """Of what is listed of a node's backups: those that have a manifest."""
    prefix, result = manifest.folder(node), list[Name]()
    for key in listed:
        identity, _, file = key.removeprefix(prefix).partition("/")
        if file == manifest.MANIFEST and manifest.is_identity(identity):
            result.append(Name(identity, node))
    return result


class Bucket:
    """What the bucket lists of the nodes' backups, read once."""

    def __init__(self, store: Store, nodes: Sequence[str]) -> None:
        self._store, self.nodes = store, tuple(nodes)
        self.listed: dict[str, Entry] = {}
        for node in nodes:
            self.listed |= store.listed(store.place.backups(node))
        self.names = sorted(
            (name for node in nodes for name in names(self.listed, node)), reverse=True
        )
        self.turns = turning.names(self.listed, store.place, nodes)

    def read(self, name: Name, version: str) -> Found:
        """`version`: of mysqld on this host. Raises only what the bucket does not answer."""
        return self._judged(name, self._store.get_bytes(name.key), version)

    def read_all(self, version: str) -> list[Found]:
        with_one = {name.node for name in self.names}
        contents = {
            key: content
            for node in self.nodes
            if node in with_one
            for key, content in self._store.get_named(
                self._store.place.backups(node), manifest.MANIFEST
            ).items()
        }
        return [
            self._judged(name, contents[name.key], version)
            if name.key in contents
            else self.read(name, version)
            for name in self.names
        ]

    def _judged(self, name: Name, content: bytes, version: str) -> Found:
        try:
            found = manifest.from_json(content, name.key)
            refuse_unfit(found, name, self._store.place, version, self.listed)
        except NodeError as error:
            return Found(name, None, error)
        return Found(name, found, None)


def refuse_unfit(
    found: Manifest, name: Name, place: Place, version: str, listed: Mapping[str, Entry]
) -> None:
    """What is known to be no backup for this ring and this host, before any of it is fetched."""
    if (found.stack, found.ring) != (place.stack, place.ring):
        raise refused(
            f"{name} is a backup of ring {found.ring} of stack {found.stack}",
            f"one of ring {place.ring} of stack {place.stack}",
            "restore it on a node of that ring",
        )
    if release(version)[:2] != release(found.mysql_version)[:2] or release(version) < release(
        found.mysql_version
    ):
        raise refused(
            f"{name} is of MySQL {found.mysql_version}, and this node has {version}",
            "the same release here, or a later one of 5.6",
            "let `pulumi up` bring this node to that release, then run this again",
        )
    there = listed.get(found.data.key)
    if there is None:
        raise refused(
            f"{name} has a manifest, and {found.data.key} is not in the bucket",
            f"that object, of {found.data.bytes} bytes",
            "an older version of the object may still be there (`aws s3api list-object-versions`)",
        )
    if (there.bytes, there.etag) != (found.data.bytes, found.data.etag):
        raise refused(
            f"{found.data.key} of {name} is {there.bytes} bytes with ETag {there.etag}",
            f"{found.data.bytes} bytes with ETag {found.data.etag}, as its manifest says",
            "an older version of it may be the right one (`aws s3api list-object-versions`)",
        )


def may_serve(name: Name, moment: Moment) -> bool:
    """By its name alone."""
    match moment:
        case At():
            return name.taken_at.timestamp() <= moment.seconds
        case Upto():
            return name.node == moment.node
        case _:
            return True


def reaches(found: Manifest, moment: Moment) -> bool:
    """Whether that moment is not before what the backup holds."""
    if not isinstance(moment, Upto):
        return True
    if moment.server_uuid not in (None, found.server_uuid):
        return False
    return found.master.order <= Coordinates(moment.file, moment.position).order


def choose(bucket: Bucket, moment: Moment, wanted: str | None, version: str) -> Found:
    """The newest backup that is not after the moment, or the one that is named. Refuses, by its
    name, one that is not good: whoever restores decides about an older one."""
    turn = turning.last_before(bucket.turns, moment)
    if wanted is not None:
        chosen = name(wanted)
        if chosen not in bucket.names:
            raise refused(f"no backup {chosen} is in the bucket", "one that is there", NEXT_STEP)
        if not may_serve(chosen, moment):
            raise _none(moment, f"{chosen} is after it or of another node", bucket.names)
        candidates = [chosen]
    else:
        candidates = [each for each in bucket.names if may_serve(each, moment)]
    if turn is not None:
        candidates = [each for each in candidates if each.identity > turn]
        if not candidates:
            raise _turned(moment, turn)
    for place, each in enumerate(candidates):
        found = bucket.read(each, version)
        if found.problem is not None:
            older = next(iter(candidates[place + 1 :]), None)
            raise _not_good(found.problem, older)
        assert found.manifest is not None
        if reaches(found.manifest, moment):
            return found
    raise _none(moment, "there is none", bucket.names)


def _not_good(problem: NodeError, older: Name | None) -> NodeError:
    other = f'; or name the next older backup: "backup": "{older}"' if older else ""
    return NodeError(problem.code, problem.found, problem.expected, problem.next_step + other)


def _turned(moment: Moment, turn: str) -> NodeError:
    when = manifest.moment_of(turn).strftime(manifest.TIME_FORMAT)
    return refused(
        f"the ring was put back to an earlier moment at {when}, and no backup that may serve for "
        f"{moment} was taken between the two",
        "a backup that was taken after it: what was logged before is no part of what the ring has "
        "been since",
        f'choose a moment before {when}, or a backup {{"as_it_is": true}}; and take a backup now '
        "(`sudo ring-node backup`)",
    )


def _none(moment: Moment, why: str, there: Sequence[Name]) -> NodeError:
    oldest = f"; the oldest that is there is {there[-1]}" if there else "; the bucket has none"
    return refused(
        f"no backup to begin with for {moment}: {why}{oldest}",
        "a backup that was taken before the moment",
        f"choose a later moment; {NEXT_STEP}",
    )


@dataclass(frozen=True)
class Span:
    """The logs of one server that the bucket holds, by its first and its last."""

    node: str
    server_uuid: str
    logs: int
    stored_bytes: int
    first_file: str
    last_file: str
    first_time: str | None
    last_time: str | None
    gaps: tuple[str, ...]
    problem: str | None


def servers(store: Store, node: str) -> dict[str, dict[str, Entry]]:
    """What the bucket lists of the logs of each server that a node has had, by its uuid."""
    prefix = store.place.logs(node)
    result: dict[str, dict[str, Entry]] = {}
    for key, entry in store.listed(prefix).items():
        result.setdefault(key.removeprefix(prefix).partition("/")[0], {})[key] = entry
    return result


def spans(store: Store, nodes: Sequence[str]) -> list[Span]:
    return [
        span
        for node in nodes
        for uuid, listed in servers(store, node).items()
        if (span := _span(store, node, uuid, listed)) is not None
    ]


def _span(store: Store, node: str, uuid: str, listed: Mapping[str, Entry]) -> Span | None:
    prefix = store.place.server(uuid, node)
    files = catalogue.files(listed, prefix)
    if not files:
        return None
    ends = {catalogue.entry_key(prefix, file) for file in (files[0], files[-1])}
    first = last = problem = None
    try:
        entries = [
            catalogue.from_bytes(content, key) for key, content in store.get_small(ends).items()
        ]
        first = min((each.first_time for each in entries if each.first_time), default=None)
        last = max((each.last_time for each in entries if each.last_time), default=None)
    except NodeError as error:
        problem = error.found
    return Span(
        node=node,
        server_uuid=uuid,
        logs=len(files),
        stored_bytes=sum(listed[catalogue.log_key(prefix, file)].bytes for file in files),
        first_file=files[0],
        last_file=files[-1],
        first_time=None if first is None else text(first),
        last_time=None if last is None else text(last),
        gaps=tuple(str(gap) for gap in catalogue.missing(files)),
        problem=problem,
    )


def uuids(store: Store, nodes: Sequence[str]) -> list[str]:
    """Of all servers that have logs in the bucket."""
    return [uuid for node in nodes for uuid in store.folders(store.place.logs(node))]


def chains(
    store: Store, found: Manifest, nodes: Sequence[str], given_up: Container[str] = ()
) -> dict[tuple[str, str], Chain]:
    """The logs that may hold what came after a backup, by node and server. Those of the server that
    it is of, and of the one that this followed, from where the backup is; of others, all. None of
    those that were `given_up` before it."""
    begin = {found.server_uuid: found.master.file}
    if found.peer_uuid is not None and found.slave is not None:
        begin[found.peer_uuid] = found.slave.file
    result: dict[tuple[str, str], Chain] = {}
    for node in nodes:
        for uuid, listed in servers(store, node).items():
            if uuid in given_up:
                continue
            newest = max(entry.modified for entry in listed.values())
            if uuid in begin or newest + 60 >= found.taken_at.timestamp():
                prefix = store.place.server(uuid, node)
                result[node, uuid] = catalogue.read(store, prefix, begin.get(uuid))
    return result
