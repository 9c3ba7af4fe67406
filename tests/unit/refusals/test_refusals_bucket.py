"""Buckets: names, deletion, policies."""

import json
from typing import Any

import pytest
from aws_world import REGION, refused
from moto.s3.models import s3_backends

pytestmark = pytest.mark.refusals

ELSEWHERE = "111122223333"


def bucket(s3: Any, name: str = "ring-logs") -> str:
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def statement(**changes: Any) -> dict[str, Any]:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::ring-logs", "arn:aws:s3:::ring-logs/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        **changes,
    }


def document(*statements: Any, **changes: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **changes})


@pytest.mark.parametrize(
    "name",
    [
        "Ring-logs",
        "ring_logs",
        "ri",
        "r" * 64,
        "-ring",
        "ring-",
        "ring..logs",
        "192.168.100.10",
        "xn--ring",
        "sthree-ring",
        "ring-s3alias",
        "ring--ol-s3",
    ],
)
def test_a_name_that_is_not_legal_is_refused(s3: Any, name: str) -> None:
    # What begins with xn-- is decoded on its way, as a host name.
    with refused("InvalidBucketName", "" if name.startswith("xn--") else name):
        bucket(s3, name)
    for legal in ("rin", "r" * 63, "ring.logs-1"):
        bucket(s3, legal)


def test_a_name_of_this_account_is_refused_once_more(s3: Any) -> None:
    bucket(s3)
    with refused("BucketAlreadyOwnedByYou", "ring-logs"):
        bucket(s3)
    bucket(s3, "ring-dumps")


def test_a_name_of_another_account_is_refused(s3: Any) -> None:
    s3_backends[ELSEWHERE]["aws"].create_bucket("ring-logs", REGION)
    with refused("BucketAlreadyExists", "ring-logs"):
        bucket(s3)
    bucket(s3, "ring-dumps")


def test_a_bucket_with_objects_stays(s3: Any) -> None:
    name = bucket(s3)
    s3.put_object(Bucket=name, Key="binlog/bin.000001", Body=b"x")
    with refused("BucketNotEmpty", name):
        s3.delete_bucket(Bucket=name)
    s3.delete_object(Bucket=name, Key="binlog/bin.000001")
    s3.delete_bucket(Bucket=name)


def test_a_bucket_with_old_versions_stays(s3: Any) -> None:
    name = bucket(s3)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    s3.delete_object(Bucket=name, Key="k")
    assert "Contents" not in s3.list_objects_v2(Bucket=name)
    with refused("BucketNotEmpty", name, "You must delete all versions"):
        s3.delete_bucket(Bucket=name)
    versions = s3.list_object_versions(Bucket=name)
    for each in versions["Versions"]:
        s3.delete_object(Bucket=name, Key=each["Key"], VersionId=each["VersionId"])
    with refused("BucketNotEmpty", name):
        s3.delete_bucket(Bucket=name)
    for each in versions["DeleteMarkers"]:
        s3.delete_object(Bucket=name, Key=each["Key"], VersionId=each["VersionId"])
    s3.delete_bucket(Bucket=name)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("not json", "valid JSON"),
        ("[]", "valid JSON"),
        ('{"Version": ', "invalid Json"),
        (json.dumps({"Version": "2012-10-17"}), "Missing required field Statement"),
        (document(), "Statement is empty"),
        (document(statement(), Version="2012-10-18"), "valid version string"),
        (document("s3:*"), "Invalid policy syntax"),
        (document(statement(Effect="Maybe")), "Invalid effect: Maybe"),
        (document(statement(Principal=None)), "Missing required field Principal"),
        (document(statement(Principal={"AWS": "somebody"})), "Invalid principal"),
        (
            document(statement(Principal={"AWS": "arn:aws:iam::123456789012:role/nobody"})),
            "role/nobody",
        ),
        (document(statement(Action=[])), "Missing required field Action"),
        (document(statement(Action="ec2:RunInstances")), "invalid action (ec2:RunInstances)"),
        (document(statement(Resource=None)), "Missing required field Resource"),
        (document(statement(Resource="arn:aws:s3:::other/*")), "arn:aws:s3:::other/*"),
        (document(statement(Condition={"Boolean": {"a": "b"}})), "Condition type : Boolean"),
    ],
)
def test_what_is_no_bucket_policy_is_refused(s3: Any, policy: str, words: str) -> None:
    name = bucket(s3)
    with refused("MalformedPolicy", words):
        s3.put_bucket_policy(Bucket=name, Policy=policy)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=name, Policy=document(statement()))
    s3.put_object(Bucket=name, Key="k", Body=b"y")
    assert json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"] == [statement()]


def test_a_public_policy_is_refused_where_it_is_blocked(s3: Any) -> None:
    name = bucket(s3)
    everybody = statement(Effect="Allow", Action="s3:GetObject")
    del everybody["Condition"]
    s3.put_public_access_block(
        Bucket=name, PublicAccessBlockConfiguration={"BlockPublicPolicy": True}
    )
    with refused("AccessDenied", name, "BlockPublicPolicy"):
        s3.put_bucket_policy(Bucket=name, Policy=document(everybody))
    s3.put_bucket_policy(Bucket=name, Policy=document(statement()))
    s3.delete_public_access_block(Bucket=name)
    s3.put_bucket_policy(Bucket=name, Policy=document(everybody))


def test_every_configuration_of_a_bucket_is_set_and_read_and_deleted(s3: Any) -> None:
    name = bucket(s3)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == REGION
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.delete_bucket_policy(Bucket=name)
    s3.delete_bucket_encryption(Bucket=name)
    s3.head_bucket(Bucket=name)
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == [name]
    s3.delete_bucket(Bucket=name)
    with refused("404"):
        s3.head_bucket(Bucket=name)
