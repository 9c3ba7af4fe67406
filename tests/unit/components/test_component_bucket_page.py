"""docs/use/bucket.md tells whoever brings a bucket what the program sets for one of its own."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from components.bucket import bucket_policy, lifecycle_rules
from components.settings import ARTICLE_NODES, RingArgs

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[3] / "docs" / "use" / "bucket.md"


def documents() -> list[dict[str, Any]]:
    found = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [json.loads(text) for text in found]


def as_s3_has_it(value: Any) -> Any:
    """The same with the names that S3 has for it."""
    if isinstance(value, list):
        return [as_s3_has_it(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        "ID" if name == "id" else "".join(word.capitalize() for word in name.split("_")): (
            as_s3_has_it(each)
        )
        for name, each in value.items()
    }


def test_the_rules_and_the_policy_are_those_of_the_program() -> None:
    rules, policy = documents()
    nodes = [node.name for node in ARTICLE_NODES]
    days = (RingArgs.keep_backups_days, RingArgs.keep_logs_days, RingArgs.keep_versions_days)
    assert rules == {"Rules": as_s3_has_it(lifecycle_rules(nodes, *days))}
    roles = ["ROLE-OF-NODE-1", "ROLE-OF-NODE-2"]
    assert policy == json.loads(bucket_policy("arn:aws:s3:::MY-BUCKET", roles))
