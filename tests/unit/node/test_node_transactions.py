"""The transactions of a binary log, read without a server. The samples are of MySQL 5.6.24."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from binary_logs import INCIDENT, INTVAR, STOP, UPDATE_ROWS, BinaryLog
from ring_node.mysql import binlog_file, transactions
from ring_node.mysql.binlog_file import Damaged
from ring_node.mysql.transactions import Lost, Transaction

pytestmark = pytest.mark.unit

SAMPLES = Path(__file__).parent / "golden" / "binlogs"
NOW = 1_764_126_000


def read(log: BinaryLog) -> list[Transaction]:
    return list(transactions.parse(log.content, len(log.content), "a log"))


@pytest.mark.parametrize("name", [f"bin.00000{number}" for number in (1, 2, 3, 5, 6)])
def test_a_log_of_a_server_is_all_transactions_but_for_what_begins_and_ends_it(name: str) -> None:
    found = list(transactions.read(SAMPLES / name))
    log = binlog_file.read(SAMPLES / name)
    assert bool(found) is not log.empty
    assert all(one.end == other.start for one, other in pairwise(found))
    assert all(log.first_time <= one.time <= log.last_time for one in found)
    assert found[-1:] == [] or found[-1].end <= log.end


@pytest.mark.parametrize("checksum", [True, False])
def test_a_transaction_has_the_times_and_the_thread_that_its_events_have(checksum: bool) -> None:
    log = BinaryLog(NOW, 2, checksum=checksum)
    start = len(log.content)
    log.query("BEGIN", thread=9)
    log.at += 1
    log.rows(b"one")
    log.at += 3
    log.commit()
    (found,) = read(log)
    assert (found.start, found.end, found.origin, found.thread) == (start, len(log.content), 2, 9)
    assert (found.begun, found.worked, found.time) == (NOW, NOW + 1, NOW + 4)
    assert not found.text


def statement(log: BinaryLog) -> None:
    log.query("BEGIN")
    log.event(INTVAR, b"\x02" + bytes(8))
    log.query("INSERT INTO t VALUES (NULL)")
    log.query("COMMIT")


def rolled_back(log: BinaryLog) -> None:
    log.query("BEGIN")
    log.query("SAVEPOINT `s`")
    log.rows(b"of MyISAM")
    log.query("ROLLBACK TO `s`")
    log.query("ROLLBACK")


def definition(log: BinaryLog) -> None:
    log.query("CREATE TABLE t (i INT)")


def alone_behind_its_number(log: BinaryLog) -> None:
    log.event(INTVAR, b"\x02" + bytes(8))
    log.query("INSERT INTO m VALUES (NULL)")


@pytest.mark.parametrize("make", [statement, rolled_back, definition, alone_behind_its_number])
@pytest.mark.parametrize("checksum", [True, False])
def test_whatever_belongs_together_is_one(
    make: Callable[[BinaryLog], None], checksum: bool
) -> None:
    log = BinaryLog(NOW, 1, checksum=checksum)
    places = []
    for _ in range(2):
        start = len(log.content)
        make(log)
        places.append((start, len(log.content)))
    log.rotate("bin.000002")
    found = read(log)
    assert [(one.start, one.end) for one in found] == places
    assert len({one.content for one in found}) == 1


def test_statements_are_told_from_rows() -> None:
    log = BinaryLog(NOW, 1)
    statement(log)
    log.transaction(b"rows")
    rolled_back(log)
    assert [one.text for one in read(log)] == [True, False, False]


def content_of(data: bytes, kind: int) -> int:
    log = BinaryLog(NOW, 1)
    log.query("BEGIN")
    log.rows(data, kind)
    log.commit()
    return read(log)[0].content


def test_rows_that_a_slave_found_in_another_order_are_the_same_and_others_are_not() -> None:
    assert content_of(b"one two ", UPDATE_ROWS) == content_of(b"two one ", UPDATE_ROWS)
    assert content_of(b"one two ", UPDATE_ROWS) != content_of(b"one twp ", UPDATE_ROWS)
    assert content_of(b"bb", UPDATE_ROWS) != content_of(b"ac", UPDATE_ROWS)


def test_a_transaction_that_a_crash_cut_is_none() -> None:
    log = BinaryLog(NOW, 1)
    place = log.transaction(b"whole")
    log.transaction(b"cut")
    for end in range(place[1], len(log.content)):
        found = transactions.parse(log.content[:end], end, "a log")
        assert [(one.start, one.end) for one in found] == [place]


def test_what_is_lost_in_a_log_is_met_behind_what_stands_before_it() -> None:
    log = BinaryLog(NOW, 1)
    place = log.transaction(b"whole")
    log.event(INCIDENT, b"\x01\0\0")
    found = transactions.parse(log.content, len(log.content), "a log")
    assert next(found)[:2] == place
    with pytest.raises(Lost, match=str(place[1])):
        next(found)


def test_a_log_that_is_closed_inside_a_transaction_is_damaged() -> None:
    log = BinaryLog(NOW, 1)
    log.query("BEGIN")
    log.event(STOP, b"")
    with pytest.raises(Damaged, match="inside a transaction"):
        read(log)
