"""The store: what is put counts when it was compared, and what is got when all of it came."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from ring_node.backup import store as module
from ring_node.backup.store import (
    MIB,
    SMALLEST_PART_MIB,
    Entry,
    Missing,
    Store,
    Stored,
    StoreError,
    Tally,
    Wrong,
    parse_list,
    part_mib,
    settings,
)
from ring_node.base.errors import Exit, NodeError
from stores import PLACE, MemoryStore

pytestmark = pytest.mark.unit

KEY = "mysql/node-1/logs/a/bin.000001.zst"
CONTENT = os.urandom(3 * MIB + 17)
STAND_IN = Path(__file__).with_name("s3cmd.py")


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the s3cmd on PATH has for its bucket."""
    program = tmp_path / "bin" / "s3cmd"
    program.parent.mkdir()
    folder = tmp_path / "bucket"
    folder.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} {folder} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    return folder


def fault(bucket: Path, what: str) -> None:
    (bucket / "fault").write_text(what)


class Failing:
    """A stream that gives something and then fails."""

    def __init__(self) -> None:
        self._given = False

    def read(self, size: int, /) -> bytes:
        if self._given:
            raise NodeError(Exit.HOST, "zstd failed", "the end", "look")
        self._given = True
        return CONTENT[:size]


def test_what_was_put_is_got_and_listed(bucket: Path) -> None:
    del bucket
    store = Store(PLACE)
    put = store.put(KEY, BytesIO(CONTENT))
    assert (put.bytes, put.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert store.get_bytes(KEY, put) == CONTENT
    (entry,) = store.listed("mysql/node-1/").values()
    assert entry == Entry(len(CONTENT), put.etag, entry.modified)
    assert store.listed("mysql/node-2/") == {}
    assert store.get_small([KEY]) == {KEY: CONTENT}


def test_all_objects_of_a_name_below_a_prefix_are_got_at_once_and_no_other(bucket: Path) -> None:
    store = Store(PLACE)
    assert store.get_named("mysql/node-1/backups/", "manifest.json") == {}
    wanted = {f"mysql/node-1/backups/{each}/manifest.json": each.encode() for each in "abc"}
    others = ("node-1/backups/a/data.tar.zst", "node-2/backups/a/manifest.json")
    for key, content in {**wanted, **{f"mysql/{key}": b"x" for key in others}}.items():
        store.put_bytes(key, content)
    assert store.get_named("mysql/node-1/backups/", "manifest.json") == wanted
    fault(bucket, "exit 75 once")
    assert store.get_named("mysql/node-1/backups/", "manifest.json") == wanted
    fault(bucket, "cut")
    with pytest.raises(StoreError):
        store.get_named("mysql/node-1/backups/", "manifest.json", seconds=1)


def test_a_program_can_be_given_an_object_as_its_standard_input(bucket: Path) -> None:
    del bucket
    store = Store(PLACE)
    put = store.put(KEY, BytesIO(CONTENT))
    with store.get(KEY, put) as stream:
        done = subprocess.run(["sha256sum"], stdin=stream, capture_output=True, check=True)
    assert done.stdout.decode().split()[0] == put.sha256


@pytest.mark.parametrize(
    "size", [1, 15 * MIB - 1, 15 * MIB, 15 * MIB + 1, 30 * MIB], ids=lambda size: f"{size} bytes"
)
def test_the_etag_is_the_one_of_the_parts_that_s3cmd_sends(size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    tally = Tally(SMALLEST_PART_MIB * MIB)
    for begin in range(0, size, MIB):
        tally.add(content[begin : begin + MIB])
    part = SMALLEST_PART_MIB * MIB
    digests = [
        hashlib.md5(content[begin : begin + part], usedforsecurity=False).digest()
        for begin in range(0, size, part)
    ]
    whole = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    assert tally.etag == f"{whole}-{len(digests)}"


@pytest.mark.parametrize(
    ("what", "kind", "word"),
    [
        ("other bytes", Wrong, "ETag"),
        ("lost", Wrong, "is nothing"),
        ("cut", StoreError, "failed too many times"),
        ("exit 75", StoreError, "ended with 75"),
        ("exit 77", StoreError, "as told"),
    ],
)
def test_half_a_put_or_another_one_does_not_count(
    bucket: Path, what: str, kind: type[StoreError], word: str
) -> None:
    fault(bucket, what)
    with pytest.raises(kind, match=word):
        Store(PLACE).put(KEY, BytesIO(CONTENT))


def test_a_stream_that_fails_makes_no_object(bucket: Path) -> None:
    with pytest.raises(NodeError, match="zstd failed"):
        Store(PLACE).put(KEY, Failing())
    assert list(bucket.rglob("*.zst")) == []


def test_nothing_is_no_object(bucket: Path) -> None:
    with pytest.raises(NodeError, match="nothing to put"):
        Store(PLACE).put(KEY, BytesIO(b""))
    assert list(bucket.rglob("*.zst")) == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.put_bytes(KEY, b"x", seconds=30),
        lambda store: store.listed("mysql/", seconds=30),
    ],
    ids=["put", "list"],
)
def test_what_may_pass_is_tried_again(bucket: Path, ask: Callable[[Store], object]) -> None:
    fault(bucket, "exit 15 once")
    ask(Store(PLACE))
    assert not (bucket / "fault").exists()


def test_what_was_denied_is_not_tried_again(bucket: Path) -> None:
    fault(bucket, "exit 77 once")
    with pytest.raises(StoreError) as raised:
        Store(PLACE).put_bytes(KEY, b"x", seconds=30)
    assert not raised.value.passing
    assert "role" in raised.value.next_step


def test_a_clock_that_is_off_is_not_taken_for_a_role_without_rights(bucket: Path) -> None:
    fault(bucket, "clock")
    with pytest.raises(StoreError) as raised:
        Store(PLACE).put_bytes(KEY, b"x", seconds=30)
    assert "timedatectl" in raised.value.next_step
    assert "role" not in raised.value.next_step


def test_it_gives_up_at_its_deadline(bucket: Path) -> None:
    fault(bucket, "hang")
    with pytest.raises(StoreError, match="still running") as raised:
        Store(PLACE).listed("mysql/", seconds=0.3)
    assert raised.value.passing


@pytest.mark.parametrize("fail", [False, True], ids=["reader ends", "reader fails"])
def test_a_download_that_was_cut_off_is_the_error_whatever_its_reader_does(
    bucket: Path, fail: bool
) -> None:
    store = Store(PLACE)
    store.put(KEY, BytesIO(CONTENT))
    fault(bucket, "cut")

    def read() -> None:
        with store.get(KEY) as stream:
            got = stream.read()
            assert len(got) < len(CONTENT)
            if fail:
                raise ValueError("half an archive")

    with pytest.raises(StoreError, match="EOF from S3"):
        read()


def test_other_bytes_than_those_that_were_put_are_the_error(bucket: Path) -> None:
    store = Store(PLACE)
    put = store.put(KEY, BytesIO(CONTENT))
    (held,) = bucket.rglob("*.zst")
    held.write_bytes(CONTENT[:-1] + b"\0")
    with pytest.raises(Wrong, match="SHA-256"), store.get(KEY, put) as stream:
        stream.read()


def test_an_object_that_is_not_there_is_called_missing(bucket: Path) -> None:
    del bucket
    with pytest.raises(Missing, match="no object"):
        Store(PLACE).get_bytes(KEY)


def test_a_reader_that_fails_is_the_error_and_nobody_waits_for_the_rest(bucket: Path) -> None:
    del bucket
    store = Store(PLACE)
    store.put(KEY, BytesIO(CONTENT))

    def read() -> None:
        with store.get(KEY) as stream:
            stream.read(10)
            raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        read()


def test_a_reader_that_stops_early_is_not_taken_for_one_that_has_all(bucket: Path) -> None:
    del bucket
    store = Store(PLACE)
    store.put(KEY, BytesIO(CONTENT))
    with pytest.raises(NodeError, match="not read to its end"), store.get(KEY) as stream:
        stream.read(10)


def test_a_host_without_s3cmd_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "setpriv").write_text('#!/bin/sh\nshift 3\nexec "$@"\n')
    (tmp_path / "setpriv").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    with pytest.raises(NodeError, match="no program named s3cmd"):
        Store(PLACE).listed("mysql/", seconds=30)


def test_the_list_of_s3cmd_is_read_whole_or_not_at_all() -> None:
    etag = "0123456789abcdef0123456789abcdef"
    line = f"2026-11-26 10:02        12  {etag}-1                     STANDARD     s3://b/a key/x"
    assert parse_list(line + "\n") == {
        "a key/x": Entry(12, f"{etag}-1", 1_795_687_320),
    }
    assert parse_list("") == {}
    with pytest.raises(NodeError, match="s3cmd listed"):
        parse_list(f"{line}\n                          DIR  s3://b/a/\n")


@pytest.mark.parametrize(("gib", "mib"), [(0, 15), (1, 15), (139, 15), (140, 16), (16 << 10, 1767)])
def test_parts_are_as_large_as_ten_thousand_of_them_must_be(gib: int, mib: int) -> None:
    assert part_mib(gib << 30) == mib
    assert mib == SMALLEST_PART_MIB or (gib << 10) / mib <= module.MOST_PARTS


def test_no_secret_is_in_what_s3cmd_is_told() -> None:
    text = settings(PLACE)
    assert "key" not in text
    assert "host_base = s3.eu-central-1.amazonaws.com\n" in text


def test_the_store_of_the_tests_does_what_the_real_one_does(bucket: Path) -> None:
    """Beside each other, so that what is tested with the one holds for the other."""
    for store in (Store(PLACE), MemoryStore()):
        put = store.put(KEY, BytesIO(CONTENT))
        assert put == Stored(len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), put.etag)
        assert store.get_bytes(KEY, put) == CONTENT
        assert [*store.listed("mysql/")] == [KEY]
        assert store.listed("mysql/")[KEY].etag == put.etag
        with pytest.raises(Missing):
            store.get_bytes("mysql/nothing")
    (held,) = bucket.rglob("*.zst")
    assert held.read_bytes() == CONTENT
