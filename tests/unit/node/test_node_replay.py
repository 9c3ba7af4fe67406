"""Which logs lead from a backup to a moment, and what the scratch server is given of them."""

from __future__ import annotations

import hashlib
import inspect
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from binary_logs import BinaryLog
from ring_node.backup import catalogue, replay
from ring_node.backup.catalogue import Chain, Entry
from ring_node.backup.manifest import Checked, Manifest, Object
from ring_node.backup.moment import At, Latest, Moment, Upto
from ring_node.base import paths
from ring_node.base.errors import NodeError
from ring_node.base.report import Report
from ring_node.base.waiting import Deadline
from ring_node.mysql import scratch, transactions
from ring_node.mysql.shows import Coordinates
from stores import MemoryStore, stored

pytestmark = pytest.mark.unit

X, Y, ANEW = (f"{letter * 8}-1111-1111-1111-111111111111" for letter in "abc")
NODES = {X: ("node-1", 1), Y: ("node-2", 2), ANEW: ("node-2", 2)}
T = 1_764_126_000
really_running = scratch.running


def entry(uuid: str, number: int, first: int, last: int, **other: object) -> Entry:
    node, server_id = NODES[uuid]
    fields: dict[str, object] = {
        "node": node,
        "server_uuid": uuid,
        "server_id": server_id,
        "file": f"bin.{number:06d}",
        "bytes": 1000,
        "sha256": "0" * 64,
        "stored_bytes": 100,
        "stored_sha256": "0" * 64,
        "etag": "0" * 32 + "-1",
        "first_position": 4,
        "end_position": 1000,
        "first_time": T + first,
        "last_time": T + last,
        "previous": f"bin.{number - 1:06d}" if number > 1 else None,
        "next": f"bin.{number + 1:06d}",
    }
    return Entry(**{**fields, **other})  # type: ignore[arg-type]


def backup(peer: str | None = Y) -> Manifest:
    return Manifest(
        stack="dev",
        ring="ring",
        node="node-1",
        server_uuid=X,
        server_id=1,
        peer_uuid=peer,
        mysql_version="5.6.24",
        taken_at=datetime.fromtimestamp(T, UTC),
        master=Coordinates("bin.000002", 200),
        slave=Coordinates("bin.000005", 300) if peer else None,
        innodb=None,
        bytes=1,
        files=1,
        seconds=1.0,
        checked=Checked(1, 1.0, ()),
        checksums={},
        data=Object("key", 1, "0" * 64, "etag"),
        export=None,
        inexact=(),
    )


def chains(*entries: Entry) -> dict[tuple[str, str], Chain]:
    by_server: dict[tuple[str, str], list[Entry]] = {}
    for each in entries:
        by_server.setdefault((each.node, each.server_uuid), []).append(each)
    return {server: catalogue.chain(some) for server, some in by_server.items()}


OWN = [entry(X, 2, -50, 50), entry(X, 3, 50, 100), entry(X, 4, 100, 150)]
PEER = [entry(Y, 5, -50, 50), entry(Y, 6, 50, 150)]


@pytest.mark.parametrize(
    ("entries", "moment", "why"),
    [
        ([*OWN, *PEER], At(T - 1), "is of a time after"),
        ([*OWN, *PEER], At(T + 150), "the logs in the bucket end at"),
        ([], At(T + 10), "no log in the bucket"),
        ([OWN[0], OWN[2], *PEER], At(T + 120), "between bin.000002 and bin.000004"),
        ([OWN[0], OWN[2], *PEER], Latest(), "between bin.000002 and bin.000004"),
        ([*OWN[1:], *PEER], At(T + 120), "bin.000002 is not there"),
        ([entry(X, 2, -50, 50, end_position=150)], Latest(), "ends at 150"),
        (OWN, Upto("node-2", "bin.000005", 400), "another server"),
        (OWN, Upto("node-1", "bin.000003", 400, Y), "another server"),
        (OWN, Upto("node-1", "bin.000002", 100), "is as of bin.000002:200"),
        (OWN, Upto("node-1", "bin.000004", 1001), "and bin.000004 at 1000"),
        (OWN, Upto("node-1", "bin.000005", 100), "end at bin.000004:1000"),
    ],
)
def test_a_moment_that_the_logs_do_not_lead_to_is_a_refusal(
    entries: list[Entry], moment: Moment, why: str
) -> None:
    with pytest.raises(NodeError, match=why):
        replay.plan(backup(), chains(*entries), moment)


@pytest.mark.parametrize(
    ("entries", "moment", "others", "bytes_"),
    [
        ([*OWN, *PEER], At(T), [Y], 2000),
        ([*OWN, *PEER], At(T + 120), [Y], 4000),
        ([*OWN, *PEER], Latest(), [Y], 4000),
        ([OWN[0], OWN[2], *PEER], At(T + 20), [Y], 2000),  # the gap is behind the moment
        (OWN, At(T + 120), [], 3000),
        ([OWN[0], *PEER], At(T + 120), [Y], 3000),
        ([*OWN, *PEER], Upto("node-1", "bin.000003", 400), [], 3000),
        ([*OWN, *PEER[:1], entry(ANEW, 1, 80, 150)], At(T + 120), [ANEW], 4000),
        ([*OWN, *PEER[:1], entry(ANEW, 1, 80, 150)], At(T + 60), [Y], 3000),
        ([OWN[0], *PEER, entry(ANEW, 1, 160, 190)], Latest(), [Y, ANEW], 4000),
    ],
)
def test_the_plan_names_the_logs_that_may_be_needed(
    entries: list[Entry], moment: Moment, others: list[str], bytes_: int
) -> None:
    made = replay.plan(backup(), chains(*entries), moment)
    assert [each.server_uuid for each in made.others] == others
    assert made.bytes == bytes_
    assert made.document()["notes"] == list(made.notes)


@pytest.mark.parametrize(
    ("there", "broken", "moment", "good"),
    [
        (OWN[:2], "bin.000004", Latest(), False),
        (OWN[:2], "bin.000004", At(T + 120), False),
        (OWN[:2], "bin.000004", At(T + 90), True),
        (OWN[:2], "bin.000004", Upto("node-1", "bin.000003", 400), True),
        ([], "bin.000002", Latest(), False),
        (OWN, "bin.000001", Latest(), True),
    ],
)
def test_a_log_whose_object_is_gone_or_another_is_not_taken_for_the_end(
    there: list[Entry], broken: str, moment: Moment, good: bool
) -> None:
    """What is behind it would be missing, and nobody would hear of it."""
    given = {("node-1", X): catalogue.chain(there, [broken]), **chains(*PEER)}
    if good:
        replay.plan(backup(), given, moment)
        return
    with pytest.raises(NodeError, match=f"{broken} is not what its catalogue entry says"):
        replay.plan(backup(), given, moment)


def test_a_plan_names_the_broken_log_of_the_other_node() -> None:
    given = {**chains(*OWN), ("node-2", Y): catalogue.chain(PEER[:1], ["bin.000006"])}
    (note,) = replay.plan(backup(), given, Latest()).notes
    assert note.startswith("bin.000006 of node-2")
    assert replay.plan(backup(), given, At(T + 20)).notes == ()


def test_a_plan_says_that_the_backups_own_logs_end_before_the_moment() -> None:
    assert replay.plan(backup(), chains(*OWN, *PEER), At(T + 120)).notes == ()
    (note,) = replay.plan(backup(), chains(OWN[0], *PEER), At(T + 120)).notes
    assert f"end at {datetime.fromtimestamp(T + 50, UTC):%Y-%m-%dT%H:%M:%SZ}" in note


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "MYSQL_USER", tmp_path.owner())
    monkeypatch.setattr(replay.shutil, "chown", lambda *_: None)
    return tmp_path


def put(store: MemoryStore, uuid: str, number: int, log: BinaryLog, end: int) -> Entry:
    raw = log.content
    packed = subprocess.run(["zstd", "-c"], input=raw, capture_output=True, check=True).stdout
    found = stored(packed)
    node = NODES[uuid][0]
    store.objects[catalogue.log_key(store.place.server(uuid, node), f"bin.{number:06d}")] = packed
    return entry(
        uuid, number, -50, end, bytes=len(raw), sha256=hashlib.sha256(raw).hexdigest(),
        stored_bytes=found.bytes, stored_sha256=found.sha256, etag=found.etag,
        end_position=len(raw),
    )  # fmt: skip


def written(log: BinaryLog, origin: int, second: int, data: bytes) -> tuple[int, int]:
    log.at, log.origin = T + second, origin
    return log.transaction(data)


def test_the_server_is_given_whole_transactions_up_to_the_moment_of_both_nodes(place: Path) -> None:
    store, own, peer = MemoryStore(), BinaryLog(T, 1), BinaryLog(T, 2, checksum=False)
    start = written(own, 1, 0, b"in the backup")[1]
    written(peer, 2, 1, b"of the peer")
    written(own, 2, 1, b"of the peer")
    last = written(own, 1, 2, b"own")[1]
    missing = written(peer, 2, 3, b"which the slave had not")
    written(own, 1, 4, b"later")
    written(peer, 2, 4, b"later there")
    entries = [put(store, X, 2, own, 4), put(store, Y, 5, peer, 4)]
    manifest = replace(
        backup(),
        master=Coordinates("bin.000002", start),
        slave=Coordinates("bin.000005", 120),
    )
    plan = replay.plan(manifest, chains(*entries), At(T + 3))
    known, laid = replay.lay_out(place, plan, store, Deadline(60))
    first, second = (each.path.read_bytes() for each in laid)
    heading = len(BinaryLog(T, 1).content)
    assert first == own.content[:heading] + own.content[start:last]
    assert second == peer.content[:heading] + peer.content[slice(*missing)]
    assert [list(transactions.read(each.path))[-1].time for each in laid] == [T + 2, T + 3]
    assert (place / "relay.index").read_text() == "".join(f"{each.path}\n" for each in laid)
    assert not known.open
    assert {each.name for each in place.iterdir()} == {
        "relay.index", *(each.path.name for each in laid)
    }  # fmt: skip


@pytest.mark.parametrize(("seconds", "notes"), [((1, 100), 0), ((1, 7200, 2, 3, 100), 1)])
def test_a_clock_that_was_ahead_for_a_while_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, seconds: tuple[int, ...], notes: int
) -> None:
    """The cut is before the first transaction that is later: what is behind it is left out."""
    store, own = MemoryStore(), BinaryLog(T, 1)
    for second in (*seconds, 8000):
        written(own, 1, second, b"%d" % second)
    manifest = replace(backup(None), master=Coordinates("bin.000002", 4))
    plan = replay.plan(manifest, chains(put(store, X, 2, own, 8000)), At(T + 110))
    monkeypatch.setattr(replay, "_execute", lambda *_: (0, None))
    found = replay.run(place, plan, store, Report("a test"), Deadline(60)).notes
    assert len(found) == notes
    assert all("its clock was set" in each for each in found)


@pytest.mark.parametrize("changed", ["sha256", "bytes"])
def test_a_log_that_is_not_what_its_entry_says_is_a_refusal(place: Path, changed: str) -> None:
    store, own = MemoryStore(), BinaryLog(T, 1)
    written(own, 1, 1, b"own")
    good = put(store, X, 2, own, 4)
    bad = {"sha256": "f" * 64, "bytes": good.bytes + 1}[changed]
    manifest = replace(backup(None), master=Coordinates("bin.000002", 4))
    plan = replay.plan(manifest, chains(replace(good, **{changed: bad})), Latest())
    with pytest.raises(NodeError, match=r"bin\.000002\.zst holds"):
        replay.lay_out(place, plan, store, Deadline(60))


def test_the_server_that_replays_takes_statements_on_accounts(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its tables of grants 5.6 ends the slave at the first CREATE USER, GRANT or DROP USER
    with error 1290."""
    store, own = MemoryStore(), BinaryLog(T, 1)
    written(own, 1, 1, b"own")
    manifest = replace(backup(None), master=Coordinates("bin.000002", 4))
    plan = replay.plan(manifest, chains(put(store, X, 2, own, 4)), Latest())
    asked: dict[str, object] = {}

    class Started(Exception):
        pass

    def running(_: Path, *__: str, **how: object) -> None:
        asked.update(how)
        raise Started

    monkeypatch.setattr(scratch, "running", running)
    with pytest.raises(Started):
        replay.run(place, plan, store, Report("a test"), Deadline(60))
    assert asked.get("grants", inspect.signature(really_running).parameters["grants"].default)
