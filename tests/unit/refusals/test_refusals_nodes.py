"""What the nodes may do in the ring's bucket, by the policies that the program gives it."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from aws_world import REGION, TRUST, refused

from components.bucket import bucket_policy, node_policy

pytestmark = pytest.mark.refusals

BUCKET = "ring-bucket-store-7"
ARN = f"arn:aws:s3:::{BUCKET}"
ROLES = {name: f"arn:aws:iam::123456789012:role/{name}" for name in ("node-1", "node-2")}
EVERYTHING = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
OWN, PEERS = "mysql/node-1/logs/uuid/bin.000001.zst", "mysql/node-2/logs/uuid/bin.000001.zst"

Node = Callable[[str], Any]


@pytest.fixture
def node(s3: Any, iam: Any, sts: Any) -> Node:
    """S3 with the credentials of a node, in a bucket that has an object of each."""
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for name in ROLES:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        policy = node_policy(ARN, name)
        iam.put_role_policy(RoleName=name, PolicyName="access", PolicyDocument=policy)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=bucket_policy(ARN, list(ROLES.values())))
    for key in (OWN, PEERS):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"log")

    def client(name: str) -> Any:
        made = sts.assume_role(RoleArn=ROLES[name], RoleSessionName="i-1")["Credentials"]
        return boto3.client(
            "s3",
            region_name=REGION,
            aws_access_key_id=made["AccessKeyId"],
            aws_secret_access_key=made["SecretAccessKey"],
            aws_session_token=made["SessionToken"],
        )

    return client


def keys(answer: dict[str, Any]) -> list[str]:
    return [each["Key"] for each in answer.get("Contents", [])]


def test_a_node_reads_and_lists_what_the_whole_ring_has_kept(node: Node) -> None:
    one = node("node-1")
    for key in (OWN, PEERS):
        assert one.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"log"
    assert keys(one.list_objects_v2(Bucket=BUCKET, Prefix="mysql/")) == [OWN, PEERS]
    for prefix in ("", "other/"):
        with refused("AccessDenied", "s3:ListBucket"):
            one.list_objects_v2(Bucket=BUCKET, Prefix=prefix)


@pytest.mark.parametrize("key", [PEERS, "mysql/other", "mysql/node-10/logs/x", "top"])
def test_a_node_writes_below_its_own_prefix_alone(node: Node, key: str) -> None:
    node("node-1").put_object(Bucket=BUCKET, Key=OWN, Body=b"again")
    with refused("AccessDenied", "s3:PutObject", key):
        node("node-1").put_object(Bucket=BUCKET, Key=key, Body=b"x")


def test_a_node_goes_on_with_an_upload_that_was_cut_off_or_gives_it_up(node: Node) -> None:
    """s3cmd asks for the open uploads of the whole bucket, by no prefix."""
    one, peer = node("node-1"), node("node-2")
    begun = one.create_multipart_upload(Bucket=BUCKET, Key="mysql/node-1/backups/x")
    named = {name: begun[name] for name in ("Bucket", "Key", "UploadId")}
    (found,) = one.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert found["UploadId"] == begun["UploadId"]
    one.upload_part(**named, PartNumber=1, Body=b"x")
    assert len(one.list_parts(**named)["Parts"]) == 1
    with refused("AccessDenied", "s3:AbortMultipartUpload"):
        peer.abort_multipart_upload(**named)
    one.abort_multipart_upload(**named)
    assert "Uploads" not in one.list_multipart_uploads(Bucket=BUCKET)


DELETES: dict[str, Callable[[Any, str], Any]] = {
    "DeleteObject": lambda s3, _: s3.delete_object(Bucket=BUCKET, Key=OWN),
    "DeleteObjectVersion": lambda s3, version: s3.delete_object(
        Bucket=BUCKET, Key=OWN, VersionId=version
    ),
    "DeleteBucketPolicy": lambda s3, _: s3.delete_bucket_policy(Bucket=BUCKET),
    "DeleteBucket": lambda s3, _: s3.delete_bucket(Bucket=BUCKET),
    "PutBucketPolicy": lambda s3, _: s3.put_bucket_policy(
        Bucket=BUCKET, Policy=bucket_policy(ARN, [])
    ),
    "PutBucketVersioning": lambda s3, _: s3.put_bucket_versioning(
        Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"}
    ),
    "PutLifecycleConfiguration": lambda s3, _: s3.put_bucket_lifecycle_configuration(
        Bucket=BUCKET,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "x",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "Expiration": {"Days": 1},
                }
            ]
        },
    ),
}


@pytest.mark.parametrize("action", DELETES)
def test_a_role_and_the_bucket_each_refuse_what_loses_data(
    s3: Any, iam: Any, node: Node, action: str
) -> None:
    """The bucket also to a role that somebody lets do everything."""
    version = s3.head_object(Bucket=BUCKET, Key=OWN)["VersionId"]
    s3.delete_bucket_policy(Bucket=BUCKET)
    with refused("AccessDenied", f"s3:{action}", "because no identity-based policy"):
        DELETES[action](node("node-1"), version)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=bucket_policy(ARN, list(ROLES.values())))
    document = json.dumps({"Version": "2012-10-17", "Statement": [EVERYTHING]})
    iam.put_role_policy(RoleName="node-1", PolicyName="more", PolicyDocument=document)
    node("node-1").put_object(Bucket=BUCKET, Key=PEERS, Body=b"x")
    with refused("AccessDenied", f"s3:{action}", "explicit deny in a resource-based policy"):
        DELETES[action](node("node-1"), version)
    assert s3.get_object(Bucket=BUCKET, Key=OWN, VersionId=version)["Body"].read() == b"log"


def test_several_deletes_at_once_are_refused_one_by_one(s3: Any, node: Node) -> None:
    both = {"Objects": [{"Key": key} for key in (OWN, PEERS)]}
    answer = node("node-1").delete_objects(Bucket=BUCKET, Delete=both)
    assert {each["Key"]: each["Code"] for each in answer["Errors"]} == {
        OWN: "AccessDenied",
        PEERS: "AccessDenied",
    }
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == [OWN, PEERS]


def test_the_operator_deletes(s3: Any, node: Node) -> None:  # noqa: ARG001
    s3.delete_object(Bucket=BUCKET, Key=OWN)
    assert keys(s3.list_objects_v2(Bucket=BUCKET)) == [PEERS]
