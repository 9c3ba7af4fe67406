"""The purge on a host: only what the bucket is asked about goes, and by the server."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from ring_node.backup import catalogue, logs, purging, standing
from ring_node.backup.logs import Own
from ring_node.backup.standing import Purge
from ring_node.base import lock, paths
from ring_node.base.errors import Exit, NodeError
from ring_node.base.report import Report
from ring_node.host import room
from ring_node.mysql import shows, snapshot, sql
from ring_node.mysql.shows import Coordinates
from ring_node.mysql.sql import Session
from ring_node.ring import reach, records, retention
from ring_node.ring import state as states_of
from ring_node.ring.documents import Node, Peer
from ring_node.ring.retention import Disk, Facts, Log, Need, Verdict
from ring_node.verbs import archive as archive_verb
from states import ME, node
from stores import PLACE, MemoryStore

pytestmark = pytest.mark.unit

SAMPLES = Path(__file__).parent / "golden" / "binlogs"
NAMES = tuple(f"bin.00000{number}" for number in range(1, 7))
UUID = "0f0e0d0c-1111-2222-3333-444455556666"
PREFIX = PLACE.server(UUID)
ROOMY, FULL = Disk(50, 100, 80, 92), Disk(99, 100, 80, 92)
READ_UP_TO_THE_OPEN_ONE = (Need(Coordinates(NAMES[-1], 120), "node-2 has executed", yields=False),)
DEAD = (Need(None, "node-2 cannot be asked", yields=True),)


class Server:
    """Purges as MySQL does: every log before the one that is named."""

    def __init__(self) -> None:
        self.names = list(NAMES)
        self.done: list[str] = []

    def do(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        assert statement == "PURGE BINARY LOGS TO %s"
        (to,) = parameters
        self.done.append(to)
        self.names = self.names[self.names.index(to) :]
        return 0


class Rig:
    """A host whose logs are in the bucket, old, and read, as far as a test does not say else."""

    def __init__(self, mine: Own) -> None:
        self.mine, self.server, self.store = mine, Server(), MemoryStore()
        self.needs, self.disk = READ_UP_TO_THE_OPEN_ONE, ROOMY
        logs.send_all(mine, self.store, Report("archive"), lambda _: None)

    def purge(self) -> Report:
        report = Report("purge")
        purging.run(self.store, report)
        return report


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    folder = tmp_path / "log"
    shutil.copytree(SAMPLES, folder)
    for name in NAMES:
        os.utime(folder / name, (1, 1))
    rig = Rig(Own("node-1", UUID, 1, folder, NAMES))

    @contextmanager
    def own(*_: object, **__: object) -> Iterator[Server]:
        yield rig.server

    monkeypatch.setattr(paths, "PURGE_STATE", tmp_path / "purge.json")
    monkeypatch.setattr(paths, "SNAPSHOTS", tmp_path)
    monkeypatch.setattr(sql, "own", own)
    monkeypatch.setattr(logs, "own", lambda *_: rig.mine)
    monkeypatch.setattr(shows, "show_binary_logs", lambda _: dict.fromkeys(rig.server.names, 100))
    monkeypatch.setattr(purging, "_needs", lambda *_, **__: rig.needs)
    monkeypatch.setattr(purging, "disk", lambda _: rig.disk)
    return rig


def state() -> Purge:
    found = standing.purge()
    assert found is not None
    return found


def test_what_is_safe_old_and_read_goes_and_the_open_one_stays(rig: Rig) -> None:
    report = rig.purge()
    assert rig.server.done == [NAMES[-1]]
    assert "5 binary logs purged" in report.done[0]
    assert (state().logs, state().held, state().problem) == (1, NAMES[-1], None)
    again = rig.purge()
    assert not again.changed
    assert rig.server.done == [NAMES[-1]]


@pytest.mark.parametrize("key", [catalogue.log_key, catalogue.entry_key])
def test_what_the_bucket_has_wrong_of_a_log_is_sent_again_before_the_log_goes(
    rig: Rig, key: Callable[[str, str], str]
) -> None:
    before = dict(rig.store.objects)
    rig.store.objects[key(PREFIX, NAMES[2])] += b"x"
    report = rig.purge()
    assert f"{NAMES[2]} sent again" in report.done[0]
    assert rig.store.objects == before
    assert rig.server.names == list(NAMES[-1:])


def test_what_cannot_be_sent_again_stays_and_all_behind_it(rig: Rig) -> None:
    rig.store.objects[catalogue.log_key(PREFIX, NAMES[2])] += b"x"
    path = rig.mine.path(NAMES[2])
    content = bytearray(path.read_bytes())
    content[-4:] = b"gone"
    struct.pack_into("<I", content, 4 + 9, 1)  # the first event has one byte
    path.write_bytes(content)
    os.utime(path, (1, 1))
    rig.purge()
    assert rig.server.names == list(NAMES[2:])
    assert "is damaged" in str(state().why)


def test_a_log_whose_name_another_one_has_in_the_bucket_stays_and_all_behind_it(rig: Rig) -> None:
    path = rig.mine.path(NAMES[2])
    path.write_bytes(path.read_bytes() + b"x")
    os.utime(path, (1, 1))
    rig.purge()
    assert rig.server.names == list(NAMES[2:])
    assert state().held == NAMES[2]
    assert "not safe in the bucket" in str(state().why)


@pytest.mark.parametrize("disk", [ROOMY, FULL], ids=["roomy", "full"])
def test_nothing_goes_while_the_bucket_cannot_be_asked(rig: Rig, disk: Disk) -> None:
    rig.store.away, rig.disk = True, disk
    rig.purge()
    assert rig.server.done == []
    assert "S3 is away" in str(state().why)
    assert state().late


def test_nothing_goes_that_was_never_archived_however_full_the_disk_is(rig: Rig) -> None:
    rig.store.objects.clear()
    rig.disk, rig.needs = FULL, DEAD
    rig.purge()
    assert rig.server.done == []


def test_nothing_goes_while_a_copy_is_sent(rig: Rig) -> None:
    rig.disk = FULL
    with lock.try_lock(paths.SNAPSHOTS / snapshot.LOCK_FILE) as mine:
        assert mine
        rig.purge()
    assert rig.server.done == []
    assert state().why == purging.COPYING
    rig.purge()
    assert rig.server.done == [NAMES[-1]]


def test_what_a_dead_peer_has_not_read_stays_until_the_disk_is_critically_full(rig: Rig) -> None:
    rig.needs = DEAD
    rig.purge()
    assert rig.server.done == []
    assert (state().given_up, state().late) == (None, True)
    rig.disk = FULL
    rig.purge()
    assert rig.server.done == [NAMES[1]]  # of 100 bytes that are used one log has as many
    assert state().given_up == NAMES[0]


def test_a_peer_that_was_given_up_stays_so_until_it_reads_on_from_behind(rig: Rig) -> None:
    rig.needs, rig.disk = DEAD, FULL
    rig.purge()
    rig.disk = ROOMY
    rig.purge()
    assert state().given_up == NAMES[0]
    rig.needs = READ_UP_TO_THE_OPEN_ONE
    rig.purge()
    assert state().given_up is None


@pytest.mark.parametrize(
    ("needs", "given_up"),
    [
        (DEAD, NAMES[2]),
        ((Need(Coordinates(NAMES[2], 4), "", yields=False),), NAMES[2]),
        ((Need(Coordinates(NAMES[3], 4), "", yields=True),), NAMES[2]),
        ((Need(Coordinates(NAMES[3], 4), "", yields=False),), None),
    ],
)
def test_who_reads_on_from_a_log_that_went_has_not_come_back(
    needs: tuple[Need, ...], given_up: str | None
) -> None:
    before = Purge(written=1.0, percent=50.0, logs=1, bytes=1, given_up=NAMES[2])
    assert purging.still_given_up(Verdict((), (), None), needs, before) == given_up
    assert purging.still_given_up(Verdict((), (), None), needs, None) is None


def test_only_what_would_go_is_asked_for_in_the_bucket(rig: Rig) -> None:
    asked = [Log(name, 100, 1e9) for name in NAMES]
    needs = (Need(Coordinates(NAMES[2], 4), "node-2 has executed", yields=False),)
    facts = Facts(tuple(asked), frozenset(NAMES[:-1]), needs, 0.0, ROOMY)
    rig.store.gets.clear()
    verdict = retention.retention(purging.proven(facts, rig.mine, rig.store, Report("purge")))
    assert [log.name for log in verdict.goes] == list(NAMES[:2])
    assert rig.store.gets == [catalogue.entry_key(PREFIX, name) for name in NAMES[:2]]


def test_a_purge_that_fails_keeps_what_was_known_and_says_why(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.needs, rig.disk = DEAD, FULL
    rig.purge()

    def silent(*_: object) -> dict[str, int]:
        raise NodeError(Exit.UNREACHABLE, "no server", "one", "start it")

    monkeypatch.setattr(shows, "show_binary_logs", silent)
    with pytest.raises(NodeError, match="no server"):
        rig.purge()
    assert (state().problem, state().next_step) == ("no server", "start it")
    assert state().given_up == NAMES[0]
    assert state().failing_since is not None


def test_the_first_purge_of_all_may_fail_too(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> Own:
        raise NodeError(Exit.UNREACHABLE, "no server", "one", "start it")

    with monkeypatch.context() as patched:
        patched.setattr(logs, "own", silent)
        with pytest.raises(NodeError, match="no server"):
            rig.purge()
        first = state()
        with pytest.raises(NodeError, match="no server"):
            rig.purge()
    assert state().problem == "no server"
    assert state().failing_since == first.failing_since
    rig.purge()
    assert (state().problem, state().failing_since) == (None, None)


def test_a_server_without_any_room_is_not_asked_to_purge(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait for some, and nobody could write until then."""
    monkeypatch.setattr(room, "free", lambda _: logs.INDEX_ROOM - 1)
    with pytest.raises(NodeError, match="no binary log is purged"):
        rig.purge()
    assert rig.server.done == []


@pytest.mark.parametrize("fails", [False, True], ids=["a good pass", "a pass that fails"])
def test_a_critically_full_disk_is_purged_with_each_pass_of_the_archive_also_one_that_fails(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    def full(*_: object, **__: object) -> None:
        raise NodeError(Exit.HOST, "no new binary log is begun", "room", "make room")

    monkeypatch.setattr(paths, "ARCHIVE_LOCK", tmp_path / "lock")
    monkeypatch.setattr(archive_verb.place, "read", lambda: PLACE)
    monkeypatch.setattr(archive_verb, "Store", lambda _: rig.store)
    monkeypatch.setattr(archive_verb.archiving, "run", full if fails else lambda *_, **__: None)
    rig.disk = FULL
    with pytest.raises(NodeError, match="no new") if fails else contextlib.nullcontext():
        archive_verb.run(now=False)
    assert rig.server.done == [NAMES[-1]]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ring's records; who was asked, in their order. The peer does not answer."""
    asked: list[str] = []

    @contextmanager
    def peer(address: str, *_: object, **__: object) -> Iterator[Session]:
        asked.append(address)
        raise NodeError(Exit.UNREACHABLE, "refused", "", "")
        yield

    monkeypatch.setattr(records, "node", lambda: Node("node-1", 1, "192.168.100.10", "10.10.1.10"))
    monkeypatch.setattr(records, "peer", lambda: Peer("node-2", 2, "10.10.1.11", "vol-1"))
    monkeypatch.setattr(records, "credentials", lambda: records.Credentials(*(["x"] * 3)))  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(states_of, "read", lambda *_: node(ME))
    monkeypatch.setattr(reach, "peer", peer)
    return asked


def test_a_peer_that_does_not_answer_is_asked_again_before_a_full_disk_gives_it_up(
    ring: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "PATIENCE", 0.2)
    session = cast(Session, object())
    (need,) = purging._needs(session, urgent=False)
    assert (need.place, need.yields, len(ring)) == (None, True, 1)
    assert "refused" in need.why
    purging._needs(session, urgent=True)
    assert len(ring) > 2


def test_a_node_without_a_record_of_its_peer_purges_nothing(
    ring: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "peer", lambda: None)
    (need,) = purging._needs(cast(Session, object()), urgent=False)
    assert need.place is None
    assert ring == []


def test_the_disk_is_counted_as_df_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "VOLUME", tmp_path)
    found = purging.disk(replace(PLACE, disk_warn=70, disk_critical=90))
    usage = shutil.disk_usage(tmp_path)
    assert found.size <= usage.total
    assert abs(found.used - usage.used) < usage.total / 100
    assert (found.warn, found.critical) == (70, 90)
