"""docs/lab/aws-refusals.md says what the code says."""

from pathlib import Path

import pytest
from cloud.refusals import guard, table

pytestmark = pytest.mark.refusals

DOCUMENT = Path(__file__).parents[3] / "docs" / "lab" / "aws-refusals.md"


def between(begin: str, end: str) -> str:
    return DOCUMENT.read_text().partition(begin)[2].partition(end)[0].strip()


def test_every_rule_says_when_and_who_says_so() -> None:
    assert guard.RULES
    for rule in guard.RULES:
        assert rule.when.endswith("."), rule.name
        assert rule.source.endswith("."), rule.name


def test_every_rule_has_a_name_of_its_own() -> None:
    names = [rule.name for rule in guard.RULES]
    assert len(set(names)) == len(names)


def test_every_module_with_a_rule_is_found() -> None:
    room = Path(guard.__file__).parent
    written = {path.stem for path in room.glob("*.py") if "\n@refuses(" in path.read_text()}
    assert written == {rule.name.split(".")[2] for rule in guard.RULES}


def test_rules_are_asked_by_module_and_as_they_stand_in_it() -> None:
    places = [(rule.check.__module__, rule.check.__code__.co_firstlineno) for rule in guard.RULES]
    assert places == sorted(places)


def test_the_document_has_the_rules_of_the_code() -> None:
    assert between(table.BEGIN, table.END) == table.rules().strip()


def test_the_document_has_the_codes_for_callers() -> None:
    assert between(table.BEGIN_ACCESS, table.END_ACCESS) == table.callers().strip()
