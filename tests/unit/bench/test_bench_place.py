"""Which labs the bench takes for its own: it destroys them."""

from pathlib import Path

import pytest
from cloud.bench.place import MARKER, Place
from cloud.cli.errors import LabError
from cloud.lab import Lab

pytestmark = pytest.mark.unit


def test_a_lab_beside_that_the_bench_did_not_make_is_refused(tmp_path: Path) -> None:
    theirs = Lab(tmp_path / "lab-bare", tmp_path / "cache")
    theirs.create()
    with pytest.raises(LabError, match="lab-bare, which the bench did not make"):
        Place(Lab(tmp_path / "lab", tmp_path / "cache")).beside("bare")


def test_a_lab_beside_that_an_interrupted_bench_left_is_taken(tmp_path: Path) -> None:
    left = Lab(tmp_path / "lab-second", tmp_path / "cache")
    left.create()
    (left.folder / MARKER).touch()
    place = Place(Lab(tmp_path / "lab", tmp_path / "cache")).beside("second")
    assert place.lab == left
