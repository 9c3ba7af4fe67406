"""What S3 refuses about objects and their parts, where moto fails."""

from __future__ import annotations

from xml.etree import ElementTree

from cloud.refusals.bucket import BucketCall
from cloud.refusals.guard import refuses

PART_NUMBERS = range(1, 10001)
"""S3 User Guide, qfacts."""
MALFORMED = (
    "The XML you provided was not well-formed or did not validate against our published schema"
)


@refuses("s3", "UploadPart", "CompleteMultipartUpload", code="NoSuchUpload")
def upload_does_not_exist(call: BucketCall) -> str | None:
    """The upload does not exist: it never did, or it has ended.

    Source: S3 API Reference, ErrorResponses (NoSuchUpload, with the text).
    """
    bucket = call.bucket
    if bucket is not None and call.request.query.get("uploadId") not in bucket.multiparts:
        return (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may"
            " have been aborted or completed."
        )
    return None


@refuses("s3", "UploadPart", code="InvalidArgument")
def part_number_is_not_one(call: BucketCall) -> str | None:
    """The part's number is not between 1 and 10000.

    Source: S3 API Reference, UploadPart (partNumber) and ErrorResponses (InvalidArgument); text
    as users of UploadPart quote it.
    """
    number = call.request.query.get("partNumber", "")
    if not number.isdecimal() or int(number) not in PART_NUMBERS:
        return f"Part number must be an integer between 1 and 10000, inclusive ({number})"
    return None


@refuses("s3", "CompleteMultipartUpload", code="MalformedXML")
def parts_are_not_listed(call: BucketCall) -> str | None:
    """The request lists no parts.

    Source: S3 API Reference, CompleteMultipartUpload and ErrorResponses (MalformedXML).
    """
    return None if _children(call.request.body, "Part") else MALFORMED


@refuses("s3", "PutBucketEncryption", "PutBucketOwnershipControls", code="MalformedXML")
def setting_has_not_one_rule(call: BucketCall) -> str | None:
    """The setting has no rule, or more than one.

    Source: S3 API Reference, ErrorResponses (MalformedXML); PutBucketOwnershipControls and
    PutBucketEncryption name one rule; for two rules the code is inferred.
    """
    # deleting a setting needs the permission of setting it, and has no body
    if call.request.method == "PUT" and _children(call.request.body, "Rule") != 1:
        return MALFORMED
    return None


@refuses("s3", "ListObjectsV2", code="InvalidArgument")
def continuation_token_is_not_one(call: BucketCall) -> str | None:
    """The continuation token is not one that a list has given.

    Source: S3 API Reference, ListObjectsV2 and ErrorResponses (InvalidArgument); text as users of
    ListObjectsV2 quote it.
    """
    token = call.request.query.get("continuation-token")
    if token and token not in call.backend._pagination_tokens:
        return "The continuation token provided is incorrect"
    return None


def _children(body: bytes, name: str) -> int:
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 (the lab's own clients)
    except ElementTree.ParseError:
        return 0
    return sum(1 for each in root if each.tag.rpartition("}")[2] == name)
