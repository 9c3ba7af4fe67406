"""The evaluator: conditions, wildcards, variables."""

import logging
from collections.abc import Mapping

import pytest
from cloud.refusals import conditions, policy
from cloud.refusals.evaluation import Decision, evaluate
from cloud.refusals.s3_request import Request

pytestmark = pytest.mark.refusals


def holds(operator: str, wanted: str | tuple[str, ...], **found: str | tuple[str, ...]) -> bool:
    values = (wanted,) if isinstance(wanted, str) else wanted
    context = {key: (value,) if isinstance(value, str) else value for key, value in found.items()}
    return conditions.holds({operator: {"Key": values}}, context)


@pytest.mark.parametrize(
    ("operator", "wanted", "found", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", ("a", "b"), "b", True),
        ("StringNotEquals", ("a", "b"), "b", False),
        ("StringNotEquals", ("a", "b"), "c", True),
        ("StringEqualsIgnoreCase", "a", "A", True),
        ("StringNotEqualsIgnoreCase", "a", "A", False),
        ("StringLike", "node-1/*", "node-1/bin", True),
        ("StringLike", "node-?/*", "node-12/bin", False),
        ("StringNotLike", "node-1/*", "node-1/bin", False),
        ("StringLike", "a[b", "a[b", True),
        ("Bool", "true", "True", True),
        ("Bool", "false", "true", False),
        ("NumericLessThan", "10", "9", True),
        ("NumericLessThan", "10", "10", False),
        ("NumericGreaterThanEquals", "10", "10", True),
        ("NumericNotEquals", "10", "10", False),
        ("NumericEquals", "10", "ten", False),
        ("DateGreaterThan", "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", True),
        ("DateLessThan", "2026-01-01", "2026-06-01T00:00:00Z", False),
        ("IpAddress", "192.168.100.0/24", "192.168.100.9", True),
        ("NotIpAddress", "192.168.100.0/24", "192.168.100.9", False),
        ("ArnLike", "arn:aws:iam::*:role/node-*", "arn:aws:iam::123456789012:role/node-1", True),
        ("ArnLike", "arn:aws:iam::*", "arn:aws:iam::123456789012:role/node-1", False),
        ("ArnNotEquals", "arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b", True),
        ("ForAnyValue:StringEquals", ("a", "b"), ("b", "c"), True),
        ("ForAllValues:StringEquals", ("a", "b"), ("b", "c"), False),
        ("Null", "false", "x", True),
        ("Null", "true", "x", False),
    ],
)
def test_an_operator_compares(
    operator: str, wanted: str | tuple[str, ...], found: str | tuple[str, ...], expected: bool
) -> None:
    assert holds(operator, wanted, key=found) is expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("StringEquals", False),
        ("StringLike", False),
        ("Bool", False),
        ("StringNotEquals", True),
        ("StringEqualsIfExists", True),
        ("BoolIfExists", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAllValues:StringEquals", True),
    ],
)
def test_a_key_that_is_missing(operator: str, expected: bool) -> None:
    assert holds(operator, "a") is expected


def test_every_operator_and_every_key_must_hold() -> None:
    wanted = {"StringEquals": {"a": ("1",), "b": ("2",)}, "Bool": {"c": ("true",)}}
    met = {"a": ("1",), "b": ("2",), "c": ("true",)}
    assert conditions.holds(wanted, met)
    for key in met:
        assert not conditions.holds(wanted, {**met, key: ("other",)})


def decide(
    statement: Mapping[str, object], action: str = "s3:GetObject", **context: str
) -> Decision:
    base = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **statement}
    document = {"Version": "2012-10-17", "Statement": base}
    found = {key.replace("_", ":"): (value,) for key, value in context.items()}
    return evaluate(policy.statements(document), action, "arn:aws:s3:::b/k", found)


@pytest.mark.parametrize(
    ("statement", "decision"),
    [
        ({}, Decision.ALLOWED),
        ({"Action": "s3:get*"}, Decision.ALLOWED),
        ({"Action": "*"}, Decision.ALLOWED),
        ({"Action": ["s3:PutObject"]}, Decision.SILENT),
        ({"Action": "s3:GetObject?"}, Decision.SILENT),
        ({"Action": None, "NotAction": "s3:Put*"}, Decision.ALLOWED),
        ({"Action": None, "NotAction": ["s3:Get*"]}, Decision.SILENT),
        ({"Resource": "arn:aws:s3:::b/*"}, Decision.ALLOWED),
        ({"Resource": "arn:aws:s3:::b"}, Decision.SILENT),
        ({"Resource": "arn:aws:s3:::B/k"}, Decision.SILENT),
        ({"Resource": None, "NotResource": "arn:aws:s3:::other/*"}, Decision.ALLOWED),
        ({"Resource": None, "NotResource": "arn:aws:s3:::b/*"}, Decision.SILENT),
        ({"Effect": "Deny"}, Decision.DENIED),
        ({"Effect": "Deny", "Resource": "arn:aws:s3:::other"}, Decision.SILENT),
    ],
)
def test_a_statement_decides(statement: dict[str, object], decision: Decision) -> None:
    assert decide(statement) is decision


def test_a_variable_stands_for_the_requests_value() -> None:
    statement = {"Resource": "arn:aws:s3:::b/${aws:username}"}
    assert decide(statement, aws_username="k") is Decision.ALLOWED
    assert decide(statement, aws_username="other") is Decision.SILENT
    assert decide(statement) is Decision.SILENT


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_an_unknown_operator_is_logged_and_denies(
    caplog: pytest.LogCaptureFixture, effect: str
) -> None:
    statement = {"Effect": effect, "Condition": {"StringMatches": {"s3:prefix": "x"}}}
    with caplog.at_level(logging.ERROR, "cloud.refusals"):
        assert decide(statement) is Decision.DENIED
    assert "StringMatches" in caplog.text
    assert decide(statement, action="s3:PutObject") is Decision.SILENT


@pytest.mark.parametrize(
    ("request_", "permissions"),
    [
        (Request("GET"), [("s3:ListAllMyBuckets", "*")]),
        (Request("HEAD", "b"), [("s3:ListBucket", "arn:aws:s3:::b")]),
        (Request("PUT", "b"), [("s3:CreateBucket", "arn:aws:s3:::b")]),
        (
            Request("DELETE", "b", query={"publicAccessBlock": ""}),
            [("s3:PutBucketPublicAccessBlock", "arn:aws:s3:::b")],
        ),
        (
            Request("DELETE", "b", query={"policy": ""}),
            [("s3:DeleteBucketPolicy", "arn:aws:s3:::b")],
        ),
        (Request("DELETE", "b", query={"acl": ""}), [("s3:DeleteBucket", "arn:aws:s3:::b")]),
        (Request("DELETE", "b", "k", {"acl": ""}), [("s3:DeleteObject", "arn:aws:s3:::b/k")]),
        (
            Request("DELETE", "b", "k", {"tagging": "", "versionId": "1"}),
            [("s3:DeleteObjectVersionTagging", "arn:aws:s3:::b/k")],
        ),
        (Request("GET", "b", query={"location": ""}), [("s3:GetBucketLocation", "arn:aws:s3:::b")]),
        (
            Request("PUT", "b", query={"versioning": ""}),
            [("s3:PutBucketVersioning", "arn:aws:s3:::b")],
        ),
        (
            Request("GET", "b", query={"encryption": ""}),
            [("s3:GetEncryptionConfiguration", "arn:aws:s3:::b")],
        ),
        (
            Request("GET", "b", "k", {"versionId": "1"}),
            [("s3:GetObjectVersion", "arn:aws:s3:::b/k")],
        ),
        (
            Request("GET", "b", "k", {"versionId": "1", "acl": ""}),
            [("s3:GetObjectVersionAcl", "arn:aws:s3:::b/k")],
        ),
        (
            Request("DELETE", "b", "k", {"uploadId": "1"}),
            [("s3:AbortMultipartUpload", "arn:aws:s3:::b/k")],
        ),
        (
            Request("PUT", "b", "k", headers={"x-amz-copy-source": "/c/d%20e?versionId=3"}),
            [
                ("s3:PutObject", "arn:aws:s3:::b/k"),
                ("s3:GetObjectVersion", "arn:aws:s3:::c/d e"),
            ],
        ),
        (
            Request("PUT", "b", "k", headers={"x-amz-acl": "private", "x-amz-tagging": "a=b"}),
            [
                ("s3:PutObject", "arn:aws:s3:::b/k"),
                ("s3:PutObjectAcl", "arn:aws:s3:::b/k"),
                ("s3:PutObjectTagging", "arn:aws:s3:::b/k"),
            ],
        ),
        (
            Request(
                "POST",
                "b",
                query={"delete": ""},
                body=b"<Delete><Object><Key>k</Key></Object>"
                b"<Object><Key>l</Key><VersionId>2</VersionId></Object></Delete>",
            ),
            [
                ("s3:DeleteObject", "arn:aws:s3:::b/k"),
                ("s3:DeleteObjectVersion", "arn:aws:s3:::b/l"),
            ],
        ),
    ],
)
def test_a_request_needs_permissions(request_: Request, permissions: list[tuple[str, str]]) -> None:
    assert request_.permissions() == permissions
