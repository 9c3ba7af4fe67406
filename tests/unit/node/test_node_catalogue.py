"""The catalogue of the binary logs that are safe in the bucket."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ring_node.backup import catalogue
from ring_node.backup.catalogue import Entry
from ring_node.base.errors import NodeError
from stores import PLACE, MemoryStore, stored

pytestmark = pytest.mark.unit

UUID = "0f0e0d0c-1111-2222-3333-444455556666"
PREFIX = PLACE.server(UUID)


def name(number: int) -> str:
    return f"bin.{number:06d}"


def content(number: int) -> bytes:
    return f"compressed log {number}".encode()


def entry(number: int, **changes: Any) -> Entry:
    """Of a log that was rotated, behind the one with the number before."""
    held = stored(content(number))
    usual = Entry(
        node="node-1",
        server_uuid=UUID,
        server_id=1,
        file=name(number),
        bytes=4711,
        sha256="ab" * 32,
        stored_bytes=held.bytes,
        stored_sha256=held.sha256,
        etag=held.etag,
        first_position=4,
        end_position=4711,
        first_time=1_764_126_000,
        last_time=1_764_126_300,
        previous=name(number - 1) if number > 1 else None,
        next=name(number + 1),
    )
    return replace(usual, **changes)


def put(store: MemoryStore, *entries: Entry) -> None:
    for each in entries:
        store.objects[catalogue.log_key(PREFIX, each.file)] = content(each.number)
        store.objects[catalogue.entry_key(PREFIX, each.file)] = catalogue.to_bytes(each)


def test_an_entry_is_read_as_it_was_written() -> None:
    for each in (entry(12), entry(1), entry(3, next=None, previous=None)):
        assert catalogue.from_bytes(catalogue.to_bytes(each), "a key") == each


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 2},
        {"server_uuid": "me"},
        {"server_id": 0},
        {"file": "relay"},
        {"bytes": -1},
        {"stored_bytes": 0},
        {"sha256": "ab"},
        {"etag": "ab" * 16},
        {"previous": ""},
        {"next": "bin"},
        {"more": 1},
    ],
)
def test_an_entry_that_is_not_understood_is_refused_by_its_name(damage: dict[str, Any]) -> None:
    document = {**json.loads(catalogue.to_bytes(entry(2))), **damage}
    with pytest.raises(NodeError, match=r"mysql/node-1/x\.json is not understood"):
        catalogue.from_bytes(json.dumps(document).encode(), "mysql/node-1/x.json")


@pytest.mark.parametrize("cut", [0, 1, 50, 200])
def test_the_beginning_of_an_entry_is_refused(cut: int) -> None:
    with pytest.raises(NodeError, match="is not understood"):
        catalogue.from_bytes(catalogue.to_bytes(entry(2))[:cut], "a key")


@pytest.mark.parametrize(
    ("entries", "gaps"),
    [
        ([], []),
        ([entry(5)], []),
        ([entry(1), entry(2), entry(3)], []),
        ([entry(3), entry(1), entry(2)], []),
        ([entry(1), entry(3)], [(1, 3)]),
        ([entry(1), entry(2), entry(4), entry(7)], [(2, 4), (4, 7)]),
        # a server that crashed or was stopped names nobody; the one behind names it
        ([entry(1, next=None), entry(2)], []),
        ([entry(1, next=None), entry(3)], [(1, 3)]),
        # numbers may leap where a server took the place of another one
        ([entry(1, next=None), entry(1003, previous=name(1))], []),
        # who names another one than stands there
        ([entry(1, next=name(9)), entry(2)], [(1, 2)]),
        ([entry(1), entry(2, previous=None)], [(1, 2)]),
        # by number, not by letters
        ([entry(999_999), entry(1_000_000)], []),
    ],
)
def test_a_log_that_is_missing_between_two_is_a_gap(
    entries: list[Entry], gaps: list[tuple[int, int]]
) -> None:
    found = catalogue.chain(entries)
    assert [(gap.behind, gap.before) for gap in found.gaps] == [
        (name(one), name(other)) for one, other in gaps
    ]


@pytest.mark.parametrize(("first", "files"), [(1, [1, 2]), (2, [2]), (4, [4, 5]), (3, []), (6, [])])
def test_the_logs_from_one_on_end_before_the_first_gap(first: int, files: list[int]) -> None:
    found = catalogue.chain([entry(1), entry(2), entry(4), entry(5)])
    assert [each.number for each in found.without_gaps(name(first))] == files


def test_the_catalogue_is_what_the_bucket_has_both_of() -> None:
    store = MemoryStore()
    put(store, entry(1), entry(2), entry(3), entry(4), entry(5))
    del store.objects[catalogue.entry_key(PREFIX, name(2))]  # a pass that was killed before it
    del store.objects[catalogue.log_key(PREFIX, name(4))]  # a log that somebody deleted
    store.objects[f"{PREFIX}notes.txt"] = b"of somebody else"
    store.objects[f"{PREFIX}notes.json"] = b"of somebody else"
    found = catalogue.read(store, PREFIX)
    assert [each.number for each in found.entries] == [1, 3, 5]
    assert len(found.gaps) == 2
    assert found.broken == (name(4),)


def test_a_log_that_is_not_the_one_of_its_entry_is_not_safe() -> None:
    store = MemoryStore()
    put(store, entry(1), entry(2))
    store.objects[catalogue.log_key(PREFIX, name(1))] = b"compressed log x"
    found = catalogue.read(store, PREFIX)
    assert ([each.number for each in found.entries], found.broken) == ([2], (name(1),))


def test_an_entry_of_another_server_or_file_does_not_count() -> None:
    store = MemoryStore()
    put(store, entry(1), replace(entry(2), server_uuid=UUID.replace("0f", "1f", 1)))
    put(store, entry(3))
    third = catalogue.entry_key(PREFIX, name(3))
    store.objects[third] = catalogue.to_bytes(replace(entry(3), file=name(9)))
    assert [each.number for each in catalogue.read(store, PREFIX).entries] == [1]


def test_only_the_entries_that_are_asked_for_are_fetched() -> None:
    store = MemoryStore()
    put(store, *(entry(number) for number in range(1, 8)))
    found = catalogue.read(store, PREFIX, name(6))
    assert [each.number for each in found.entries] == [6, 7]
    assert len(store.gets) == 2
