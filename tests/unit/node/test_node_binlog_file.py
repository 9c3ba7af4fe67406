"""A binary log read as a file. The samples are of MySQL 5.6.24: rotated, stopped, killed, open."""

from __future__ import annotations

from pathlib import Path

import pytest
from ring_node.mysql import binlog_file
from ring_node.mysql.binlog_file import Damaged

pytestmark = pytest.mark.unit

SAMPLES = Path(__file__).parent / "golden" / "binlogs"
ROTATED, STOPPED, KILLED, LONG_AGO, OPEN = (f"bin.00000{number}" for number in (1, 2, 3, 5, 6))
SET_TIMESTAMP = 1_000_000_000  # of a session that wrote into LONG_AGO


@pytest.mark.parametrize(
    ("name", "end", "following", "closed", "empty"),
    [
        (ROTATED, 453, "bin.000002", True, False),
        (STOPPED, 326, None, True, False),
        (KILLED, 303, None, False, False),
        (LONG_AGO, 344, "bin.000006", True, False),
        (OPEN, 120, None, False, True),
    ],
)
def test_a_log_says_where_it_ends_and_what_follows(
    name: str, end: int, following: str | None, closed: bool, empty: bool
) -> None:
    log = binlog_file.read(SAMPLES / name)
    assert (log.end, log.size, log.torn) == (end, end, 0)
    assert (log.next, log.closed, log.empty) == (following, closed, empty)


def test_the_times_are_the_bounds_of_all_events_and_not_of_the_first_and_last_one() -> None:
    usual, old = binlog_file.read(SAMPLES / ROTATED), binlog_file.read(SAMPLES / LONG_AGO)
    assert 0 < usual.first_time <= usual.last_time
    assert old.first_time == SET_TIMESTAMP
    assert old.last_time >= usual.last_time


@pytest.mark.parametrize("cut", [1, 10, 30, 200])
def test_the_beginning_of_an_event_at_the_end_is_not_part_of_the_log(
    tmp_path: Path, cut: int
) -> None:
    whole = (SAMPLES / KILLED).read_bytes()
    path = tmp_path / "bin.000003"
    path.write_bytes(whole[:-cut])
    log = binlog_file.read(path)
    assert log.size == len(whole) - cut
    assert log.end <= log.size
    assert not log.closed
    path.write_bytes(whole[: log.end])
    assert binlog_file.read(path).torn == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"#!/bin/sh\n", "does not begin"),
        (b"\xfebin" + b"\0" * 40, "an event of 0 bytes"),
        ((SAMPLES / ROTATED).read_bytes() + b"\1" * 40, "behind the event that closes it"),
        (
            (SAMPLES / ROTATED).read_bytes()[:4] + (SAMPLES / ROTATED).read_bytes()[120:],
            "says that",
        ),
        ((SAMPLES / OPEN).read_bytes() + b"\0" * 4096, "an event of 0 bytes"),
    ],
)
def test_what_is_no_binary_log_is_called_damaged(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "bin.000001"
    path.write_bytes(content)
    with pytest.raises(Damaged, match=why):
        binlog_file.read(path)


@pytest.mark.parametrize("begun", [0, 3, 4, 30, 119])
def test_a_log_that_its_server_only_began_holds_nothing(tmp_path: Path, begun: int) -> None:
    path = tmp_path / "bin.000006"
    path.write_bytes((SAMPLES / OPEN).read_bytes()[:begun])
    log = binlog_file.read(path)
    assert (log.size, log.end, log.empty, log.closed) == (begun, 0, True, False)


@pytest.mark.parametrize(
    ("name", "events"), [(ROTATED, True), (STOPPED, True), (KILLED, True), (OPEN, False)]
)
def test_an_open_log_without_an_event_is_told_from_one_with(name: str, events: bool) -> None:
    assert binlog_file.has_events(SAMPLES / name) is events


@pytest.mark.parametrize("begun", [0, 4, 22, 30, 119, 121, 138])
def test_an_event_whose_header_is_not_whole_yet_does_not_count(tmp_path: Path, begun: int) -> None:
    path = tmp_path / "bin.000001"
    path.write_bytes((SAMPLES / ROTATED).read_bytes()[:begun])
    assert not binlog_file.has_events(path)
