"""docs/lab/aws-provider.md says what the code does."""

from pathlib import Path

import pytest
from cloud.providers.aws import table
from cloud.providers.aws.resource import AwsResource
from cloud.providers.aws.resources import RESOURCES

pytestmark = pytest.mark.unit

DOCUMENT = Path(__file__).parents[3] / "docs" / "lab" / "aws-provider.md"


def test_the_document_has_the_rules_of_the_code() -> None:
    text = DOCUMENT.read_text()
    assert text.partition(table.BEGIN)[2].partition(table.END)[0].strip() == table.render().strip()


def test_every_type_is_found_in_its_folder() -> None:
    above = [AwsResource]
    for kind in above:
        above.extend(kind.__subclasses__())
    assert {kind.type_name for kind in above if "type_name" in vars(kind)} == set(RESOURCES)


def test_every_type_has_a_row_with_its_source() -> None:
    rows = table.rows()
    assert len(rows) == len(RESOURCES)
    assert all(source.startswith("internal/service/") for *_, source in rows)


def test_an_argument_is_in_one_column() -> None:
    for name, replaced, updated, *_ in table.rows():
        assert not set(replaced.split(", ")) & set(updated.split(", ")), name
