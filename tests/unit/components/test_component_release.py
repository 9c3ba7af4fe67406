"""The version of the node tool: what its name depends on."""

from pathlib import Path

import pytest

from components.tools import SOURCE, archive_path, digest

pytestmark = pytest.mark.unit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "package").mkdir()
    (tmp_path / "run").write_text("one")
    (tmp_path / "package" / "part.py").write_text("two")
    return tmp_path


def test_the_same_files_have_the_same_digest(folder: Path) -> None:
    assert digest(folder) == digest(folder)
    assert len(digest(folder)) == 12


def test_another_content_has_another_digest(folder: Path) -> None:
    before = digest(folder)
    (folder / "run").write_text("One")
    assert digest(folder) != before


def test_another_name_has_another_digest(folder: Path) -> None:
    before = digest(folder)
    (folder / "run").rename(folder / "walk")
    assert digest(folder) != before


def test_the_border_between_two_files_counts(folder: Path) -> None:
    (folder / "a").write_text("xy")
    (folder / "b").write_text("z")
    before = digest(folder)
    (folder / "a").write_text("x")
    (folder / "b").write_text("yz")
    assert digest(folder) != before


def test_byte_code_does_not_count(folder: Path) -> None:
    before = digest(folder)
    (folder / "package" / "__pycache__").mkdir()
    (folder / "package" / "__pycache__" / "part.pyc").write_bytes(b"code")
    assert digest(folder) == before


def test_the_tool_is_where_the_program_looks_for_it() -> None:
    assert (SOURCE / "ring-node").is_file()
    assert not list(SOURCE.rglob("__pycache__"))


def test_what_is_in_the_folder_is_copied_and_not_the_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(SOURCE.parent.parent)
    assert archive_path(SOURCE) == "scripts/node/"
