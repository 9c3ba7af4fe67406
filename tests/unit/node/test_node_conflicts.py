"""Counting what the slave passed over, from lines that a server of 5.6.24 wrote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ring_node.host import files
from ring_node.mysql import conflicts
from ring_node.mysql.conflicts import Conflict, Conflicts, count, found

pytestmark = pytest.mark.unit

AT = "2026-11-26 00:02:33 532 [Warning] Slave SQL: Could not execute"
OF = "the event's master log bin.000001, end_log_pos 13944"
NOTE = (
    "2026-11-26 00:02:13 532 [Note] Slave SQL thread initialized, starting replication in log"
    " 'bin.000001' at position 120, relay log '/var/log/mysql/relay.000001' position: 4\n"
)
MISSING = (
    f"{AT} Update_rows event on table app.a; Can't find record in 'a', Error_code: 1032;"
    f" handler error HA_ERR_KEY_NOT_FOUND; {OF}, Error_code: 1032\n"
)
WITHOUT_KEY = (
    f"{AT} Delete_rows event on table app.nopk; Can't find record in 'nopk', Error_code: 1032;"
    f" handler error HA_ERR_END_OF_FILE; {OF}, Error_code: 1032\n"
)
CHILD = (
    f"{AT} Write_rows event on table app.c; Cannot add or update a child row: a foreign key"
    " constraint fails (`app`.`c`, CONSTRAINT `c_ibfk_1` FOREIGN KEY (`p`) REFERENCES `p`"
    f" (`id`)), Error_code: 1452; handler error HA_ERR_NO_REFERENCED_ROW; {OF}, Error_code: 1452\n"
)
PARENT = (
    f"{AT} Delete_rows event on table app.p; Cannot delete or update a parent row: a foreign key"
    " constraint fails (`app`.`c`, CONSTRAINT `c_ibfk_1` FOREIGN KEY (`p`) REFERENCES `p`"
    f" (`id`)), Error_code: 1451; handler error HA_ERR_ROW_IS_REFERENCED; {OF}, Error_code: 1451\n"
)
TWICE = (
    f"{AT} Update_rows event on table app.a; Duplicate entry '500' for key 'u', Error_code: 1062;"
    f" handler error HA_ERR_FOUND_DUPP_KEY; {OF}, Error_code: 1062\n"
)
LINES_IN_IT = (
    f"{AT} Update_rows event on table app.t; Duplicate entry 'é\nzwei, Error_code: 9' for key 's',"
    f" Error_code: 1062; handler error HA_ERR_FOUND_DUPP_KEY; {OF}, Error_code: 1062\n"
)
# As STRICT stops on one: that is in SHOW SLAVE STATUS, and no row was passed over.
STOPPED = MISSING.replace("[Warning]", "[ERROR]")


@pytest.mark.parametrize(
    ("line", "table", "code", "text"),
    [
        (MISSING, "app.a", 1032, "Can't find record in 'a'"),
        (WITHOUT_KEY, "app.nopk", 1032, "Can't find record in 'nopk'"),
        (CHILD, "app.c", 1452, "Cannot add or update a child row: a foreign key constraint fails"),
        (PARENT, "app.p", 1451, "Cannot delete or update a parent row: a foreign key constraint"),
        (TWICE, "app.a", 1062, "Duplicate entry '500' for key 'u'"),
        (LINES_IN_IT, "app.t", 1062, "Duplicate entry 'é zwei, Error_code: 9' for key 's'"),
    ],
    ids=["1032", "1032 without a key", "1452", "1451", "1062", "1062 with a line end in it"],
)
def test_each_warning_of_a_row_that_was_passed_over_is_read(
    line: str, table: str, code: int, text: str
) -> None:
    conflict = Conflict("2026-11-26 00:02:33", table, code, text)
    log = (NOTE + line + NOTE).encode()
    (read,), done = found(log)
    assert (read.at, read.table, read.code) == (conflict.at, table, code)
    assert read.text.startswith(text)
    assert done == len(log)


def test_what_stopped_the_slave_or_is_no_row_is_not_counted() -> None:
    log = (NOTE + STOPPED + NOTE).encode()
    assert found(log) == ([], len(log))


def test_a_warning_that_is_not_of_a_row_hides_none_behind_it() -> None:
    strange = f"{AT} something that this tool has never seen\n"
    (read,), _ = found((strange + TWICE).encode())
    assert read.code == 1062


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def write(path: Path, content: bytes, **_: Any) -> bool:
        path.write_bytes(content)
        return True

    monkeypatch.setattr(files, "write", write)
    return tmp_path / "error.log"


def look(log: Path) -> Conflicts:
    return count(log, log.with_name("conflicts.json"))


def add(log: Path, *lines: str) -> None:
    with log.open("a") as stream:
        stream.write("".join(lines))


def test_each_look_reads_what_is_new_and_counts_all(log: Path) -> None:
    assert look(log).total == 0, "there is no log yet"
    add(log, NOTE, MISSING, MISSING, CHILD)
    assert look(log).counts == {"1032 app.a": 2, "1452 app.c": 1}
    assert look(log).total == 3, "nothing new"
    add(log, NOTE, TWICE)
    seen = look(log)
    assert seen.total == 4
    assert seen.last is not None
    assert seen.last.code == 1062
    assert seen.offset == log.stat().st_size


def test_a_warning_that_is_half_written_is_counted_once_it_is_whole(log: Path) -> None:
    for cut in (30, len(LINES_IN_IT) // 2, len(LINES_IN_IT) - 1):
        log.unlink(missing_ok=True)
        log.with_name("conflicts.json").unlink(missing_ok=True)
        add(log, NOTE, LINES_IN_IT[:cut])
        assert look(log).total == 0
        add(log, LINES_IN_IT[cut:])
        assert look(log).total == 1


def test_a_log_that_was_rotated_is_read_from_its_beginning_and_the_count_stands(log: Path) -> None:
    add(log, MISSING, MISSING)
    assert look(log).total == 2
    log.rename(log.with_name("error.log.1"))
    add(log, TWICE)
    assert look(log).total == 3


def test_what_came_between_the_last_look_and_the_rotations_is_counted(log: Path) -> None:
    add(log, MISSING)
    assert look(log).total == 1
    add(log, CHILD)
    log.rename(log.with_name("error.log.1"))
    assert look(log).total == 2, "the server has made no new one yet, and writes there still"
    add(log.with_name("error.log.1"), PARENT)
    log.with_name("error.log.1").rename(log.with_name("error.log.2"))
    add(log.with_name("error.log.1"), TWICE)
    add(log, NOTE, MISSING)
    seen = look(log)
    assert seen.counts == {"1032 app.a": 2, "1452 app.c": 1, "1451 app.p": 1, "1062 app.a": 1}
    assert look(log) == seen


def test_a_host_that_booted_counts_the_logs_that_are_kept(log: Path) -> None:
    add(log.with_name("error.log.10"), CHILD)
    add(log.with_name("error.log.2"), PARENT)
    add(log.with_name("error.log.old"), TWICE)
    add(log, MISSING)
    seen = look(log)
    assert seen.counts == {"1452 app.c": 1, "1451 app.p": 1, "1032 app.a": 1}
    assert seen.last is not None
    assert seen.last.code == 1032


def test_another_incarnation_begins_with_none(log: Path) -> None:
    first, second = log.parent / "first", log.parent / "second"
    for folder in (first, second):
        folder.mkdir()
    add(first / "error.log", MISSING)
    log.symlink_to(first / "error.log")
    assert look(log).total == 1
    os.unlink(log)
    log.symlink_to(second / "error.log")
    add(second / "error.log", NOTE)
    assert look(log).total == 0


def test_of_a_log_that_is_too_large_the_end_is_read_and_the_rest_is_named(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conflicts, "READ_BYTES", 2000)
    add(log, MISSING, NOTE * 50, TWICE)
    seen = look(log)
    assert seen.counts == {"1062 app.a": 1}
    assert seen.passed_over == log.stat().st_size - 2000
    add(log, NOTE, TWICE)
    assert look(log).counts == {"1062 app.a": 2}


def test_a_damaged_memory_is_forgotten(log: Path) -> None:
    add(log, MISSING)
    look(log)
    for damaged in ("{", '{"foreign": 1}', '{"last": 7}', "[]"):
        log.with_name("conflicts.json").write_text(damaged)
        assert look(log).total == 1
