"""What a role's credentials may do on S3, and what a bucket's policy denies."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from aws_world import REGION, TRUST, refused, status
from botocore import UNSIGNED
from botocore.config import Config
from cloud.refusals.refusal import Refusal
from cloud.refusals.s3_access import authorise
from cloud.refusals.s3_request import Request
from moto.sts.models import sts_backends

pytestmark = pytest.mark.refusals

ACCOUNT = "123456789012"
BUCKET = "ring-logs"
HOME = "arn:aws:s3:::ring-logs"
NODE = [
    {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": HOME,
        "Condition": {"StringLike": {"s3:prefix": ["node-1/*", "node-1"]}},
    },
    {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": HOME},
    {
        "Effect": "Allow",
        "Action": [
            "s3:PutObject",
            "s3:GetObject",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
        ],
        "Resource": f"{HOME}/node-1/*",
    },
]


@pytest.fixture(autouse=True)
def bucket(aws: None, s3: Any) -> None:  # noqa: ARG001 (the API must be there first)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for node in ("node-1", "node-2"):
        s3.put_object(Bucket=BUCKET, Key=f"{node}/bin.000001", Body=b"x")


def client(**credentials: str) -> Any:
    return boto3.client("s3", region_name=REGION, **credentials)


def policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture
def assume(iam: Any, sts: Any) -> Callable[..., dict[str, Any]]:
    """Make a role with these statements, and a session of it."""

    def make(*statements: dict[str, Any], name: str = "node-1", **session: str) -> dict[str, Any]:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        if statements:
            document = policy(list(statements))
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
        return sts.assume_role(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="i-1", **session
        )["Credentials"]

    return make


def of(session: dict[str, Any]) -> Any:
    return client(
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


@pytest.fixture
def node(assume: Callable[..., dict[str, Any]]) -> Any:
    return of(assume(*NODE))


def test_a_node_writes_and_reads_under_its_own_prefix(node: Any) -> None:
    node.put_object(Bucket=BUCKET, Key="node-1/bin.000002", Body=b"y")
    assert node.get_object(Bucket=BUCKET, Key="node-1/bin.000002")["Body"].read() == b"y"
    assert node.head_object(Bucket=BUCKET, Key="node-1/bin.000002")["ContentLength"] == 1
    found = node.list_objects_v2(Bucket=BUCKET, Prefix="node-1/")["Contents"]
    assert [each["Key"] for each in found] == ["node-1/bin.000001", "node-1/bin.000002"]
    assert node.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == REGION


def test_a_node_is_refused_under_the_others_prefix(node: Any, s3: Any) -> None:
    key = "node-2/bin.000001"
    with refused("AccessDenied", "s3:PutObject", f"{HOME}/{key}", "assumed-role/node-1/i-1"):
        node.put_object(Bucket=BUCKET, Key=key, Body=b"evil")
    with refused("AccessDenied", "s3:GetObject", f"{HOME}/{key}"):
        node.get_object(Bucket=BUCKET, Key=key)
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"x"
    assert status(node.head_object, Bucket=BUCKET, Key=key) == 403


@pytest.mark.parametrize("prefix", ["", "node-2/", "node-"])
def test_a_node_lists_its_own_prefix_only(node: Any, prefix: str) -> None:
    with refused("AccessDenied", "s3:ListBucket", HOME):
        node.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    with refused("AccessDenied", "s3:ListBucket"):
        node.list_objects(Bucket=BUCKET, Prefix=prefix)
    with refused("AccessDenied", "s3:ListBucket"):
        node.list_objects_v2(Bucket=BUCKET)
    node.list_objects_v2(Bucket=BUCKET, Prefix="node-1/")


def test_a_node_deletes_nothing(node: Any, s3: Any) -> None:
    key = "node-1/bin.000001"
    with refused("AccessDenied", "s3:DeleteObject", key):
        node.delete_object(Bucket=BUCKET, Key=key)
    answer = node.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key}]})
    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [(key, "AccessDenied")]
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"x"
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key}]})
    assert status(s3.head_object, Bucket=BUCKET, Key=key) == 404


def test_a_node_leaves_the_bucket_as_it_is(node: Any, s3: Any) -> None:
    changes: list[Callable[..., Any]] = [
        node.delete_bucket,
        node.delete_bucket_policy,
        node.delete_bucket_encryption,
        node.delete_public_access_block,
        node.get_bucket_policy,
        node.list_object_versions,
    ]
    for change in changes:
        with refused("AccessDenied", HOME):
            change(Bucket=BUCKET)
    with refused("AccessDenied", "s3:PutBucketVersioning"):
        node.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    with refused("AccessDenied", "s3:ListAllMyBuckets"):
        node.list_buckets()
    with refused("AccessDenied", "s3:CreateBucket"):
        node.create_bucket(
            Bucket="node-bucket", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})


def test_an_upload_in_parts_needs_the_same_permission(node: Any) -> None:
    with refused("AccessDenied", "s3:PutObject"):
        node.create_multipart_upload(Bucket=BUCKET, Key="node-2/dump")
    upload = node.create_multipart_upload(Bucket=BUCKET, Key="node-1/dump")["UploadId"]
    arguments = {"Bucket": BUCKET, "Key": "node-1/dump", "UploadId": upload}
    part = node.upload_part(**arguments, PartNumber=1, Body=b"z")
    assert len(node.list_parts(**arguments)["Parts"]) == 1
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    node.complete_multipart_upload(**arguments, MultipartUpload={"Parts": parts})
    with refused("AccessDenied", "s3:ListBucketMultipartUploads"):
        node.list_multipart_uploads(Bucket=BUCKET)


def test_a_copy_needs_to_read_its_source(node: Any) -> None:
    def copy(source: str) -> None:
        node.copy_object(
            Bucket=BUCKET, Key="node-1/copy", CopySource={"Bucket": BUCKET, "Key": source}
        )

    with refused("AccessDenied", "s3:GetObject", "node-2/bin.000001"):
        copy("node-2/bin.000001")
    copy("node-1/bin.000001")


def test_what_is_missing_is_told_only_to_who_may_list(
    node: Any, assume: Callable[..., dict[str, Any]]
) -> None:
    assert status(node.get_object, Bucket=BUCKET, Key="node-1/missing") == 403
    listing = {**NODE[0], "Condition": {}}
    reader = of(assume(listing, NODE[2], name="reader"))
    assert status(reader.get_object, Bucket=BUCKET, Key="node-1/missing") == 404


def test_a_role_without_policies_may_do_nothing(assume: Callable[..., dict[str, Any]]) -> None:
    nobody = of(assume())
    with refused("AccessDenied", "no identity-based policy allows"):
        nobody.get_object(Bucket=BUCKET, Key="node-1/bin.000001")


def test_a_denial_counts_more_than_permission(assume: Callable[..., dict[str, Any]]) -> None:
    denied = {"Effect": "Deny", "Action": "s3:Get*", "Resource": f"{HOME}/node-1/secret"}
    session = of(assume(*NODE, denied))
    session.put_object(Bucket=BUCKET, Key="node-1/secret", Body=b"x")
    with refused("AccessDenied", "explicit deny in an identity-based policy"):
        session.get_object(Bucket=BUCKET, Key="node-1/secret")
    session.get_object(Bucket=BUCKET, Key="node-1/bin.000001")


def test_a_policy_that_changes_counts_at_once(node: Any, iam: Any) -> None:
    node.get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    iam.delete_role_policy(RoleName="node-1", PolicyName="p")
    with refused("AccessDenied"):
        node.get_object(Bucket=BUCKET, Key="node-1/bin.000001")


def test_managed_policies_count(assume: Callable[..., dict[str, Any]], iam: Any) -> None:
    session = of(assume(name="managed"))
    document = policy([NODE[2]])
    arn = iam.create_policy(PolicyName="m", PolicyDocument=document)["Policy"]["Arn"]
    with refused("AccessDenied"):
        session.put_object(Bucket=BUCKET, Key="node-1/x", Body=b"x")
    iam.attach_role_policy(RoleName="managed", PolicyArn=arn)
    session.put_object(Bucket=BUCKET, Key="node-1/x", Body=b"x")


def test_a_boundary_and_a_session_policy_limit(
    assume: Callable[..., dict[str, Any]], iam: Any
) -> None:
    reading = policy([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}])
    narrowed = of(assume(*NODE, name="narrowed", Policy=reading))
    narrowed.get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    with refused("AccessDenied", "s3:PutObject"):
        narrowed.put_object(Bucket=BUCKET, Key="node-1/x", Body=b"x")
    bounded = of(assume(*NODE, name="bounded"))
    bounded.put_object(Bucket=BUCKET, Key="node-1/x", Body=b"x")
    arn = iam.create_policy(PolicyName="b", PolicyDocument=reading)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="bounded", PermissionsBoundary=arn)
    bounded.get_object(Bucket=BUCKET, Key="node-1/x")
    with refused("AccessDenied", "s3:PutObject"):
        bounded.put_object(Bucket=BUCKET, Key="node-1/x", Body=b"x")


def test_credentials_that_do_not_exist_are_refused(s3: Any) -> None:
    stranger = client(aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x")  # noqa: S106
    with refused("InvalidAccessKeyId", "does not exist in our records"):
        stranger.list_objects_v2(Bucket=BUCKET)
    assert status(stranger.get_object, Bucket=BUCKET, Key="k") == 403
    s3.list_objects_v2(Bucket=BUCKET)


def test_a_session_needs_its_token(assume: Callable[..., dict[str, Any]]) -> None:
    session = assume(*NODE)
    with refused("InvalidToken"):
        of({**session, "SessionToken": "wrong"}).get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    of(session).get_object(Bucket=BUCKET, Key="node-1/bin.000001")


def test_a_session_ends(assume: Callable[..., dict[str, Any]]) -> None:
    session = assume(*NODE)
    of(session).get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    (kept,) = sts_backends[ACCOUNT]["aws"].assumed_roles
    kept.expiration -= timedelta(hours=2)
    with refused("ExpiredToken"):
        of(session).get_object(Bucket=BUCKET, Key="node-1/bin.000001")


def test_a_user_may_do_what_its_policies_allow(iam: Any) -> None:
    iam.create_user(UserName="backup")
    key = iam.create_access_key(UserName="backup")["AccessKey"]
    user = client(
        aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    with refused("AccessDenied", "user/backup"):
        user.get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    own = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{HOME}/*"}]
    iam.put_user_policy(UserName="backup", PolicyName="p", PolicyDocument=policy(own))
    user.get_object(Bucket=BUCKET, Key="node-1/bin.000001")


def test_nobody_reads_what_is_not_public(s3: Any) -> None:
    anybody = boto3.client("s3", region_name=REGION, config=Config(signature_version=UNSIGNED))
    with refused("AccessDenied"):
        anybody.get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    public = [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"{HOME}/node-1/*",
        }
    ]
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy(public))
    anybody.get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    with refused("AccessDenied"):
        anybody.get_object(Bucket=BUCKET, Key="node-2/bin.000001")
    s3.put_public_access_block(
        Bucket=BUCKET, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True}
    )
    with refused("AccessDenied"):
        anybody.get_object(Bucket=BUCKET, Key="node-1/bin.000001")


def test_a_signed_address_carries_its_makers_permission(node: Any) -> None:
    import requests

    def status_of(key: str) -> int:
        address = node.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key})
        return requests.get(address, timeout=5).status_code

    assert status_of("node-1/bin.000001") == 200
    assert status_of("node-2/bin.000001") == 403


def test_an_insecure_request_is_denied_where_the_bucket_says_so(node: Any, s3: Any) -> None:
    insecure = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [HOME, f"{HOME}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    plain = boto3.client(
        "s3",
        endpoint_url=f"http://s3.{REGION}.amazonaws.com",
        region_name=REGION,
        aws_access_key_id="lab",
        aws_secret_access_key="lab",  # noqa: S106 (the lab's own)
    )
    plain.get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy([insecure]))
    with refused("AccessDenied", "explicit deny in a resource-based policy"):
        plain.get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    node.get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    s3.get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    plain.delete_bucket_policy(Bucket=BUCKET)
    plain.get_object(Bucket=BUCKET, Key="node-1/bin.000001")


def test_a_bucket_policy_may_allow_a_role(assume: Callable[..., dict[str, Any]], s3: Any) -> None:
    guest, other = of(assume(name="guest")), of(assume(name="other"))
    grant = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/guest"},
        "Action": "s3:GetObject",
        "Resource": f"{HOME}/*",
    }
    with refused("AccessDenied"):
        guest.get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy([grant]))
    guest.get_object(Bucket=BUCKET, Key="node-1/bin.000001")
    with refused("AccessDenied"):
        other.get_object(Bucket=BUCKET, Key="node-1/bin.000001")


def test_the_operator_is_not_limited(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="anything", Body=b"x")
    s3.list_objects_v2(Bucket=BUCKET)
    s3.list_buckets()
    assert status(s3.get_object, Bucket=BUCKET, Key="missing") == 404
    assert status(s3.get_object, Bucket="missing-bucket", Key="k") == 404


@pytest.mark.parametrize("minutes", [-60, -16, -14, 0, 14, 16, 60])
def test_a_request_of_a_clock_that_is_more_than_a_quarter_of_an_hour_wrong_is_refused(
    minutes: int,
) -> None:
    signed = datetime.now(UTC) + timedelta(minutes=minutes)
    key = "AWS4-HMAC-SHA256 Credential=lab/20261126/eu-central-1/s3/aws4_request, Signature=0"
    headers = {"x-amz-date": signed.strftime("%Y%m%dT%H%M%SZ"), "authorization": key}
    request = Request("GET", BUCKET, "node-1/bin.000001", headers=headers)
    if abs(minutes) < 15:
        authorise(request)
        return
    with pytest.raises(Refusal) as raised:
        authorise(request)
    assert (raised.value.code, raised.value.status) == ("RequestTimeTooSkewed", 403)
