"""With which number a copied node's binary log begins, on folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from ring_node.base import paths
from ring_node.base.errors import NodeError
from ring_node.mysql import binlogs
from ring_node.mysql.shows import Coordinates
from ring_node.ring import copying

pytestmark = pytest.mark.unit

INDEX = "log-bin.index"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("bin.000001", 1),
        ("bin.999999", 999999),
        ("bin.1000000", 1000000),
        ("relay.000007", 0),
        ("mysql-bin.000007", 0),
        ("bin.log", 0),
        ("bin.~rec~", 0),
        (INDEX, 0),
        ("", 0),
    ],
)
def test_only_a_log_of_the_rings_own_name_has_a_number(name: str, number: int) -> None:
    assert binlogs.number(name) == number


@pytest.mark.parametrize(
    ("known", "first"),
    [(0, "bin.000001"), (1, "bin.001002"), (41, "bin.001042"), (999000, "bin.1000001")],
)
def test_a_log_begins_behind_all_that_is_known_and_at_one_when_nothing_is(
    known: int, first: str
) -> None:
    assert binlogs.beginning_behind(known) == Coordinates(first, 4)


@pytest.mark.parametrize(
    ("names", "number"),
    [([], 0), ([INDEX, "relay.000088"], 0), (["bin.999999", "bin.1000000", "bin.000003"], 1000000)],
)
def test_the_highest_log_of_a_folder_is_told_by_its_number(
    tmp_path: Path, names: list[str], number: int
) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert binlogs.highest(tmp_path) == number
    assert binlogs.highest(tmp_path / "gone") == 0


@pytest.mark.parametrize("first", ["bin.001042", "bin.1000000"])
def test_the_file_before_the_first_log_stays_until_there_is_that_log(
    tmp_path: Path, first: str
) -> None:
    binlogs.begin_at(tmp_path, Coordinates(first, 4))
    (before,) = tmp_path.iterdir()
    assert before.stat().st_size == 0
    # The rule of mysqld: the next number is behind the highest one that is there.
    assert binlogs.highest(tmp_path) + 1 == binlogs.number(first)
    binlogs.remove_stand_in(tmp_path)
    (tmp_path / INDEX).touch()
    binlogs.remove_stand_in(tmp_path)
    assert before.exists(), "the server has no log yet"
    (tmp_path / first).write_bytes(binlogs.MAGIC)
    (tmp_path / INDEX).write_text(f"{tmp_path}/{first}\n")
    binlogs.remove_stand_in(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([first, INDEX])


def test_nothing_stands_before_the_very_first_log(tmp_path: Path) -> None:
    binlogs.begin_at(tmp_path, Coordinates("bin.000001", 4))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [("bin.000007", b"x"), ("bin.000009", b""), ("bin.000010", b""), ("relay.000001", b"")],
    ids=["older, with something in it", "listed", "begun right now", "a relay log"],
)
def test_no_log_of_the_servers_own_goes_with_the_file_before_the_first(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / "bin.000008").touch()
    (tmp_path / name).write_bytes(content)
    (tmp_path / INDEX).write_text(f"{tmp_path}/bin.000009\n")
    binlogs.remove_stand_in(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([name, INDEX])


def test_the_file_before_the_first_log_holds_no_commit(tmp_path: Path) -> None:
    binlogs.begin_at(tmp_path, Coordinates("bin.001042", 4))
    (tmp_path / "bin.001042").write_bytes(binlogs.MAGIC)
    assert binlogs.last_commits(tmp_path, Coordinates("bin.001042", 4)) is None


@pytest.mark.parametrize(("reached", "refuses"), [(1041, False), (1042, True), (1043, True)])
def test_a_log_that_was_reached_while_the_copy_came_is_no_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: int, refuses: bool
) -> None:
    monkeypatch.setattr(paths, "LOGS", tmp_path)
    (tmp_path / f"bin.{reached:06d}").touch()
    first = Coordinates("bin.001042", 4)
    if not refuses:
        copying._refuse_reached(first)
        return
    with pytest.raises(NodeError, match=f"has reached number {reached}"):
        copying._refuse_reached(first)
