"""docs/aws-refusals.md says what the rules say."""

from pathlib import Path

import pytest
from cloud.refusals import guard, table

pytestmark = pytest.mark.refusals

DOCUMENT = Path(__file__).parents[3] / "docs" / "aws-refusals.md"


def test_every_rule_says_when_and_who_says_so() -> None:
    assert guard.RULES
    for rule in guard.RULES:
        assert rule.when.endswith("."), rule.check.__name__
        assert rule.source.endswith("."), rule.check.__name__


def test_every_rule_has_a_name_of_its_own() -> None:
    names = [f"{rule.check.__module__}.{rule.check.__name__}" for rule in guard.RULES]
    assert len(set(names)) == len(names)


def test_the_document_has_the_rules_of_the_code() -> None:
    text = DOCUMENT.read_text()
    assert text.partition(table.BEGIN)[2].partition(table.END)[0].strip() == table.render().strip()
