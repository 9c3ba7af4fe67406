"""Where the tests of a tier are, and in which lab they run."""

import re
from pathlib import Path

import pytest
from cloud.cli import check
from cloud.lab import Lab

pytestmark = pytest.mark.unit
ROOT = Path(__file__).resolve().parents[3]
MARK = re.compile(r"^pytestmark = pytest\.mark\.(\w+)$", re.M)


def test_every_test_module_is_where_its_tier_looks() -> None:
    modules = list((ROOT / "tests").rglob("test_*.py"))
    assert modules
    for path in modules:
        (tier,) = MARK.findall(path.read_text())
        assert path.is_relative_to(ROOT / check.TESTS[tier]), path


@pytest.mark.parametrize("named", ["", "/srv/ring", "/srv/ring/"])
def test_no_tier_uses_the_lab_of_a_person(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("MYSQL_RING_LAB", named)
    lab = Lab.from_environment()
    folders = [Path(check.environment(lab, tier)["MYSQL_RING_LAB"]) for tier in check.IN_A_LAB]
    assert len({lab.folder, *folders}) == 1 + len(check.IN_A_LAB)
    assert {folder.parent for folder in folders} == {lab.folder.parent}


@pytest.mark.parametrize("said", ["", "7"])
def test_tiers_that_run_beside_others_wait_longer_unless_something_else_is_said(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.delenv(check.PATIENCE, raising=False)
    if said:
        monkeypatch.setenv(check.PATIENCE, said)
    lab = Lab.from_environment()
    found = {tier: check.environment(lab, tier).get(check.PATIENCE) for tier in check.IN_A_LAB}
    assert found.pop("faults") == (said or None)
    assert set(found.values()) == {said or check.PATIENT}
