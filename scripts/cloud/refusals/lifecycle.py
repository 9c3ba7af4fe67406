"""What S3 refuses about the lifecycle of a bucket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree

from cloud.refusals.bucket import BucketCall
from cloud.refusals.guard import refuses
from cloud.refusals.objects import MALFORMED

CALL = "PutBucketLifecycleConfiguration"
MOST_RULES, LONGEST_ID = 1000, 255
"""S3 User Guide, intro-lifecycle-rules."""
ACTIONS = (
    "AbortIncompleteMultipartUpload",
    "Expiration",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionTransition",
    "Transition",
)
DAYS = {
    ("AbortIncompleteMultipartUpload", "DaysAfterInitiation"): (
        "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action"
    ),
    ("Expiration", "Days"): "'Days' for Expiration action",
    ("NoncurrentVersionExpiration", "NoncurrentDays"): (
        "'NoncurrentDays' for NoncurrentVersionExpiration action"
    ),
}


class _Rule:
    """One rule of a configuration."""

    def __init__(self, element: ElementTree.Element) -> None:
        self.element = element

    def part(self, *path: str) -> ElementTree.Element | None:
        found: ElementTree.Element | None = self.element
        for name in path:
            found = next((each for each in found if _name(each) == name), None)
            if found is None:
                return None
        return found

    def text(self, *path: str) -> str | None:
        found = self.part(*path)
        return None if found is None else found.text or ""


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _rules(call: BucketCall) -> list[_Rule]:
    """None of a request that deletes the configuration, or is none."""
    if call.request.method != "PUT":
        return []
    try:
        root = ElementTree.fromstring(call.request.body)  # noqa: S314 (the lab's own clients)
    except ElementTree.ParseError:
        return []
    return [_Rule(each) for each in root if _name(each) == "Rule"]


@refuses("s3", CALL, code="MalformedXML")
def lifecycle_is_not_one(call: BucketCall) -> str | None:
    """There is no rule, or more than 1000; or one has no status that there is, no filter and no
    prefix, both of them, or an expiration by days and of delete markers at once.

    Source: S3 API Reference, PutBucketLifecycleConfiguration, LifecycleRule, LifecycleExpiration
    and ErrorResponses (MalformedXML).
    """
    if call.request.method != "PUT":
        return None
    rules = _rules(call)
    if not 1 <= len(rules) <= MOST_RULES or any(not _is_whole(rule) for rule in rules):
        return MALFORMED
    return None


def _is_whole(rule: _Rule) -> bool:
    kinds = [
        rule.part("Expiration", each) for each in ("Days", "Date", "ExpiredObjectDeleteMarker")
    ]
    return (
        rule.text("Status") in ("Enabled", "Disabled")
        and (rule.part("Filter") is None) != (rule.part("Prefix") is None)
        and sum(each is not None for each in kinds) <= 1
        and (rule.part("Expiration") is None or any(each is not None for each in kinds))
    )


@refuses("s3", CALL, code="InvalidArgument")
def lifecycle_rule_has_anothers_id(call: BucketCall) -> str | None:
    """Two rules have one id, or an id has more than 255 characters.

    Source: S3 API Reference, LifecycleRule (ID); text as observed in pingcap/tiflash#9888; for
    the length code and text are inferred.
    """
    names = [rule.text("ID") for rule in _rules(call)]
    if any(count > 1 for name, count in Counter(names).items() if name):
        return "Rule ID must be unique. Found same ID for more than one rule"
    if any(len(name) > LONGEST_ID for name in names if name):
        return f"ID length should not exceed allowed limit of {LONGEST_ID}"
    return None


@refuses("s3", CALL, code="InvalidArgument")
def lifecycle_days_are_none(call: BucketCall) -> str | None:
    """The days of an action are no whole number from 1 on.

    Source: S3 API Reference, LifecycleExpiration ("must be a non-zero positive integer"); code and
    texts as observed in scality/Arsenal#2648.
    """
    for rule, (path, what) in _with_days(_rules(call)):
        days = rule.text(*path)
        if days is not None and (not days.isdecimal() or int(days) < 1):
            return f"{what} must be a positive integer"
    return None


def _with_days(rules: list[_Rule]) -> Iterator[tuple[_Rule, tuple[tuple[str, str], str]]]:
    for rule in rules:
        for each in DAYS.items():
            yield rule, each


@refuses("s3", CALL, code="InvalidRequest")
def lifecycle_rule_does_nothing(call: BucketCall) -> str | None:
    """A rule has no action.

    Source: S3 API Reference, PutBucketLifecycleConfiguration; text as Ansible's s3_lifecycle looks
    for it.
    """
    for rule in _rules(call):
        if not any(rule.part(action) is not None for action in ACTIONS):
            return "At least one action needs to be specified in a rule"
    return None


@refuses("s3", CALL, code="InvalidRequest")
def lifecycle_of_tagged_objects_takes_no_uploads(call: BucketCall) -> str | None:
    """A rule whose filter has tags gives open uploads up, or removes delete markers: neither has
    tags.

    Source: S3 User Guide, intro-lifecycle-rules; code and text as observed in
    terraform-aws-modules/terraform-aws-s3-bucket#109, for delete markers they are inferred.
    """
    for rule in _rules(call):
        tagged = rule.part("Filter", "Tag") is not None or any(
            rule.part("Filter", "And", each) is not None for each in ("Tag", "Tags")
        )
        if tagged and rule.part("AbortIncompleteMultipartUpload") is not None:
            return "AbortIncompleteMultipartUpload cannot be specified with Tags."
        if tagged and rule.part("Expiration", "ExpiredObjectDeleteMarker") is not None:
            return "ExpiredObjectDeleteMarker cannot be specified with Tags."
    return None
