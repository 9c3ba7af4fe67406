"""The lifecycle of a bucket: what is no rule."""

from typing import Any

import pytest
from aws_world import REGION, refused

pytestmark = pytest.mark.refusals

SOUND = {
    "ID": "logs",
    "Status": "Enabled",
    "Filter": {"Prefix": "mysql/node-1/logs/"},
    "Expiration": {"Days": 30},
}
REMAINS = {
    "ID": "remains",
    "Status": "Enabled",
    "Filter": {"Prefix": "mysql/"},
    "Expiration": {"ExpiredObjectDeleteMarker": True},
    "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
}
TAG = {"Key": "a", "Value": "b"}


@pytest.fixture
def name(s3: Any) -> str:
    s3.create_bucket(Bucket="ring-logs", CreateBucketConfiguration={"LocationConstraint": REGION})
    return "ring-logs"


def put(s3: Any, name: str, *rules: dict[str, Any]) -> None:
    s3.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": list(rules)}
    )


def without(rule: dict[str, Any], *names: str, **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in rule.items() if key not in names} | changes


def test_rules_that_overlap_are_set_read_and_deleted(s3: Any, name: str) -> None:
    put(s3, name, SOUND, REMAINS)
    assert s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"] == [SOUND, REMAINS]
    s3.delete_bucket_lifecycle(Bucket=name)
    with refused("NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=name)


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [without(SOUND, ID=str(number)) for number in range(1001)],
        [without(SOUND, Status="On")],
        [without(SOUND, "Filter")],
        [without(SOUND, Prefix="mysql/")],
        [without(SOUND, Expiration={"Days": 1, "ExpiredObjectDeleteMarker": True})],
        [without(SOUND, Expiration={})],
    ],
    ids=["none", "1001", "status", "no filter", "filter and prefix", "both kinds", "no kind"],
)
def test_what_is_no_configuration_is_refused(s3: Any, name: str, rules: list[Any]) -> None:
    put(s3, name, SOUND)
    with refused("MalformedXML"):
        put(s3, name, *rules)
    assert s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"] == [SOUND]


def test_an_id_is_one_rules_and_not_too_long(s3: Any, name: str) -> None:
    with refused("InvalidArgument", "Rule ID must be unique"):
        put(s3, name, SOUND, without(REMAINS, ID="logs"))
    with refused("InvalidArgument", "255"):
        put(s3, name, without(SOUND, ID="x" * 256))
    put(s3, name, without(SOUND, ID="x" * 255), REMAINS)


@pytest.mark.parametrize("days", [0, -1])
@pytest.mark.parametrize(
    ("action", "member"),
    [
        ("Expiration", "Days"),
        ("NoncurrentVersionExpiration", "NoncurrentDays"),
        ("AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
    ],
)
def test_days_are_counted_from_one(s3: Any, name: str, action: str, member: str, days: int) -> None:
    with refused("InvalidArgument", member, action, "positive integer"):
        put(s3, name, without(SOUND, "Expiration", **{action: {member: days}}))
    put(s3, name, without(SOUND, "Expiration", **{action: {member: 1}}))


def test_a_rule_without_an_action_is_refused(s3: Any, name: str) -> None:
    with refused("InvalidRequest", "At least one action"):
        put(s3, name, without(SOUND, "Expiration"))


@pytest.mark.parametrize("filtered", [{"Tag": TAG}, {"And": {"Prefix": "a/", "Tags": [TAG]}}])
@pytest.mark.parametrize("left_out", ["Expiration", "AbortIncompleteMultipartUpload"])
def test_what_has_no_tags_is_not_found_by_them(
    s3: Any, name: str, filtered: dict[str, Any], left_out: str
) -> None:
    with refused("InvalidRequest", "cannot be specified with Tags"):
        put(s3, name, without(REMAINS, left_out, Filter=filtered))
    put(s3, name, without(SOUND, Filter=filtered))
