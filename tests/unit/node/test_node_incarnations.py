"""What is removed of the data volume's incarnations, on folders."""

from pathlib import Path

import pytest
from ring_node.base import paths
from ring_node.mysql import incarnations
from ring_node.ring import copying

pytestmark = pytest.mark.unit

KEPT, FORMER, OTHER = "aaaaaaaa", "bbbbbbbb", "cccccccc"


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A volume with three incarnations, and a copy that did not take its place."""
    for name, folder in (
        ("VOLUME", ""),
        ("INCARNATIONS", "incarnations"),
        ("CURRENT", "current"),
        ("ARRIVING", "arriving"),
    ):
        monkeypatch.setattr(paths, name, tmp_path / folder)
    for name in (KEPT, FORMER, OTHER):
        (tmp_path / "incarnations" / name / "data").mkdir(parents=True)
    (tmp_path / "arriving" / OTHER / "data").mkdir(parents=True)
    return tmp_path


def left(volume: Path, folder: str = "incarnations") -> list[str]:
    return sorted(path.name for path in (volume / folder).iterdir())


def test_of_what_killed_copies_left_the_current_incarnation_alone_stays(volume: Path) -> None:
    (volume / "current").symlink_to(volume / "incarnations" / KEPT)
    copying.remove_left()
    assert left(volume) == [KEPT]
    assert (volume / "incarnations" / KEPT / "data").is_dir()
    assert left(volume, "arriving") == []


@pytest.mark.parametrize("target", [None, "incarnations/dddddddd", "elsewhere", "incarnations"])
def test_no_incarnation_goes_while_none_of_them_is_the_current_one(
    volume: Path, target: str | None
) -> None:
    (volume / "elsewhere").mkdir()
    if target is not None:
        (volume / "current").symlink_to(volume / target)
    incarnations.remove_former()
    assert left(volume) == [KEPT, FORMER, OTHER]
