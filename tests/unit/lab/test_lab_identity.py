"""A lab's folder, its id, and telling its processes from others that have their numbers."""

import os
from pathlib import Path

import pytest
from cloud.lab import Lab, lab_id, write_private

pytestmark = pytest.mark.unit


def test_the_id_is_six_digits_of_the_absolute_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert lab_id(Path("/srv/lab")) == lab_id(Path("srv/lab")) == "8f5276"
    assert lab_id(Path("/srv/lab2")) != lab_id(Path("/srv/lab"))


def test_the_environment_names_lab_and_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYSQL_RING_LAB", "/srv/lab")
    monkeypatch.setenv("MYSQL_RING_CACHE", "/srv/cache")
    lab = Lab.from_environment()
    assert (lab.folder, lab.cache) == (Path("/srv/lab"), Path("/srv/cache"))
    monkeypatch.setenv("MYSQL_RING_LAB", "")
    assert Lab.from_environment().folder == lab.checkout / ".lab"


def test_a_folder_with_other_content_is_foreign(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab", tmp_path)
    assert not lab.is_foreign()
    lab.folder.mkdir()
    assert not lab.is_foreign()
    (lab.folder / "thesis.txt").write_text("x")
    assert lab.is_foreign()


def test_a_new_lab_is_closed_to_others(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab", tmp_path)
    lab.create()
    assert lab.exists()
    assert not lab.is_foreign()
    assert lab.folder.stat().st_mode & 0o777 == 0o700


def test_a_private_file_is_closed_to_others_whatever_the_mask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "key", "secret")
    finally:
        os.umask(before)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
