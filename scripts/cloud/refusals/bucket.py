"""What S3 refuses: names and deletion of buckets, bucket policies, requests without permission."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.iam.models import iam_backends
from moto.s3 import utils as s3_utils
from moto.s3.models import FakeBucket, s3_backends
from moto.s3.responses import S3Response
from moto.utilities.utils import get_partition

from cloud.api import errors, lookup
from cloud.api.identity import access_key
from cloud.api.patching import replace
from cloud.api.state import locked
from cloud.refusals import conditions, policy
from cloud.refusals.guard import check, refuses
from cloud.refusals.refusal import Refusal
from cloud.refusals.s3_access import authorise
from cloud.refusals.s3_request import Request

NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")

ACTIONS = {
    "ListBucket": "ListObjectsV2",
    "PutEncryptionConfiguration": "PutBucketEncryption",
    "PutLifecycleConfiguration": "PutBucketLifecycleConfiguration",
}
"""Calls on a bucket that are named otherwise than the permission that they need."""
UPLOADS = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload"}

_moto_ranged = S3Response._handle_range_header
_REFUSED: ContextVar[frozenset[str]] = ContextVar("refused", default=frozenset())
_ANONYMOUS: ContextVar[bool] = ContextVar("anonymous", default=False)


@dataclass(frozen=True)
class BucketCall:
    """One call of the S3 API, with the bucket that it is about."""

    request: Request
    backend: Any

    @property
    def name(self) -> str:
        return self.request.bucket

    @property
    def bucket(self) -> Any | None:
        return self.backend.buckets.get(self.name)


def name_is_legal(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
        return False
    except ValueError:
        pass
    return (
        NAME.fullmatch(name) is not None
        and ".." not in name
        and not name.startswith(RESERVED_PREFIXES)
        and not name.endswith(RESERVED_SUFFIXES)
    )


@refuses("s3", "CreateBucket", code="InvalidBucketName")
def bucket_name_is_not_legal(call: BucketCall) -> str | None:
    """The name is not 3 to 63 lower-case letters, digits, dots and hyphens, looks like an
    address, has two dots in a row, or has a reserved prefix or suffix.

    Source: S3 User Guide, bucketnamingrules; S3 API Reference, ErrorResponses
    (InvalidBucketName).
    """
    if not name_is_legal(call.name):
        return f"The specified bucket is not valid. ({call.name})"
    return None


@refuses("s3", "CreateBucket", code="BucketAlreadyExists")
def bucket_name_is_taken(call: BucketCall) -> str | None:
    """The name belongs to another account.

    Source: S3 API Reference, CreateBucket and ErrorResponses.
    """
    owner = s3_backends.bucket_accounts.get(call.name)
    if owner is not None and owner[1] != call.backend.account_id:
        return (
            f"The requested bucket name is not available. ({call.name}) The bucket namespace is"
            " shared by all users of the system. Select a different name and try again."
        )
    return None


@refuses("s3", "CreateBucket", code="BucketAlreadyOwnedByYou")
def bucket_is_there(call: BucketCall) -> str | None:
    """The name belongs to this account, and not in us-east-1, where the call succeeds.

    Source: S3 API Reference, CreateBucket and ErrorResponses.
    """
    bucket = call.bucket
    if bucket is not None and not bucket.region_name == call.request.region == "us-east-1":
        return (
            "Your previous request to create the named bucket succeeded and you already own it."
            f" ({call.name})"
        )
    return None


@refuses("s3", "DeleteBucket", code="BucketNotEmpty")
def bucket_is_not_empty(call: BucketCall) -> str | None:
    """The bucket holds an object, an old version of one, or a delete marker.

    Source: S3 API Reference, DeleteBucket ("All objects (including all object versions and
    delete markers) in the bucket must be deleted") and ErrorResponses (BucketNotEmpty).
    """
    bucket = call.bucket
    if bucket is None or not any(bucket.keys.getlist(key) for key in bucket.keys):
        return None
    versions = " You must delete all versions in the bucket." if bucket.is_versioned else ""
    return f"The bucket you tried to delete is not empty.{versions} ({call.name})"


@refuses("s3", "PutBucketPolicy", code="MalformedPolicy")
def bucket_policy_is_not_one(call: BucketCall) -> str | None:
    """The policy is not JSON, lacks what a bucket policy needs, names an unknown action,
    condition operator or principal, or a resource of another bucket.

    Source: S3 API Reference, ErrorResponses (MalformedPolicy); texts as users of PutBucketPolicy
    and versity/versitygw (auth/bucket_policy.go) report them from S3.
    """
    try:
        check_bucket_policy(call.request.body, call.request)
    except policy.NotAPolicy as problem:
        return str(problem)
    return None


@refuses("s3", "PutBucketPolicy", code="AccessDenied")
def bucket_policy_is_public(call: BucketCall) -> str | None:
    """The policy grants public access and the bucket blocks public policies (BlockPublicPolicy).

    Source: S3 User Guide, access-control-block-public-access; text as observed by users of
    PutBucketPolicy.
    """
    bucket = call.bucket
    block = bucket.public_access_block if bucket is not None else None
    if (
        block is not None
        and lookup.is_true(block.block_public_policy)
        and s3_utils.bucket_policy_is_public(call.request.body)
    ):
        return (
            "User is not authorized to perform: s3:PutBucketPolicy on resource:"
            f' "{call.request.arn()}" because public policies are blocked by the'
            " BlockPublicPolicy block public access setting."
        )
    return None


def check_bucket_policy(document: bytes, request: Request) -> None:
    """Raise NotAPolicy unless a document is a policy for this bucket."""
    if not document.startswith(b"{"):
        raise policy.NotAPolicy("Policies must be valid JSON and the first byte must be '{'")
    content = policy.load(document)
    if content.get("Version", policy.VERSIONS[0]) not in policy.VERSIONS:
        raise policy.NotAPolicy("The policy must contain a valid version string")
    if "Statement" not in content:
        raise policy.NotAPolicy("Missing required field Statement")
    listed = content["Statement"]
    listed = listed if isinstance(listed, list) else [listed]
    if not listed:
        raise policy.NotAPolicy("Could not parse the policy: Statement is empty!")
    for statement in listed:
        if not isinstance(statement, dict):
            raise policy.NotAPolicy("Invalid policy syntax.")
        _check_statement(statement, request)


def _check_statement(statement: dict[str, Any], request: Request) -> None:
    for names in (
        ("Effect",),
        ("Principal", "NotPrincipal"),
        ("Action", "NotAction"),
        ("Resource", "NotResource"),
    ):
        if not any(statement.get(name) for name in names):
            raise policy.NotAPolicy(f"Missing required field {names[0]}")
    if statement["Effect"] not in policy.EFFECTS:
        raise policy.NotAPolicy(f"Invalid effect: {statement['Effect']}")
    if not isinstance(statement.get("Condition", {}), dict):
        raise policy.NotAPolicy("Invalid policy syntax.")
    try:
        (parsed,) = policy.statements({"Statement": [statement]})
    except AttributeError as error:
        raise policy.NotAPolicy("Invalid policy syntax.") from error
    for action in (*parsed.actions, *parsed.not_actions):
        if action != "*" and not re.fullmatch(r"s3:[A-Za-z*?]+", action):
            raise policy.NotAPolicy(f"Policy has invalid action ({action})")
    own = request.arn()
    for resource in (*parsed.resources, *parsed.not_resources):
        if resource != own and not resource.startswith((f"{own}/", f"{own}*")):
            raise policy.NotAPolicy(f"Policy has invalid resource ({resource})")
    for operator in parsed.condition:
        if not conditions.known(operator):
            raise policy.NotAPolicy(f"Invalid Condition type : {operator}")
    _check_principal(statement.get("Principal") or statement["NotPrincipal"], request)


def _check_principal(named: Any, request: Request) -> None:
    """S3 accepts only principals that exist."""
    if named == "*":
        return
    if not isinstance(named, dict) or not named:
        raise policy.NotAPolicy(f"Invalid principal in policy ({named})")
    values = named.get("AWS", [])
    for value in values if isinstance(values, list) else [values]:
        if not _principal_exists(str(value), request.partition):
            raise policy.NotAPolicy(f"Invalid principal in policy ({value})")


def _principal_exists(name: str, partition: str) -> bool:
    if name == "*" or re.fullmatch(r"\d{12}|arn:[^:]+:iam::\d{12}:root", name):
        return True
    if re.fullmatch(r"arn:[^:]+:sts::\d{12}:assumed-role/.+", name):
        return True
    found = re.fullmatch(r"arn:[^:]+:iam::(\d{12}):(role|user)/.+", name)
    if not found:
        return False
    backend = iam_backends[found.group(1)][partition]
    existing = backend.get_roles() if found.group(2) == "role" else backend.users.values()
    return any(each.arn == name for each in existing)


def _action(request: Request) -> str:
    """The API's name for a call that rules are about."""
    if request.key:
        upload = "uploadId" in request.query
        return UPLOADS.get(request.method, "") if upload else ""
    if not request.bucket:
        return ""
    permissions = request.permissions()
    permission = permissions[0][0].removeprefix("s3:") if permissions else ""
    return ACTIONS.get(permission, permission)


def _request(response: Any, request: Any, full_url: str, key: str) -> Request:
    query = response._get_querystring(request, full_url)
    return Request(
        method=request.method,
        bucket=response.parse_bucket_name_from_url(request, full_url) or "",
        key=key,
        query={name: values[0] if values else "" for name, values in query.items()},
        headers={name.lower(): value for name, value in request.headers.items()},
        body=response.body if isinstance(response.body, bytes) else str(response.body).encode(),
        secure=full_url.startswith("https://"),
        source_ip=getattr(request, "remote_addr", None) or "",
        region=response.region,
        partition=get_partition(response.region),
    )


def _answer(refusal: Refusal, request: Request) -> tuple[int, dict[str, str], str]:
    if request.method == "HEAD":
        return refusal.status, {}, ""
    body = errors.s3_body(refusal.code, refusal.message, request.bucket)
    return refusal.status, {"content-type": "application/xml"}, body


def _guarded(carry_out: Callable[..., Any], of_object: bool) -> Callable[..., Any]:
    def answer(self: Any, request: Any, full_url: str) -> Any:
        asked = _request(self, request, full_url, self.parse_key_name() if of_object else "")
        if asked.method == "OPTIONS":
            return carry_out(self, request, full_url)
        try:
            with locked("iam", "sts"):
                refused = authorise(asked)
                check("s3", _action(asked), BucketCall(asked, self.backend))
        except Refusal as refusal:
            return _answer(refusal, asked)
        denied = _REFUSED.set(refused)
        anonymous = _ANONYMOUS.set(access_key(asked.headers, asked.query) is None)
        try:
            return carry_out(self, request, full_url)
        finally:
            _REFUSED.reset(denied)
            _ANONYMOUS.reset(anonymous)

    return answer


def _permission(_self: Any, _action: str, resource: str) -> PermissionResult:
    """What `authorise` has decided, where moto asks for the bucket's policy once more."""
    if resource in _REFUSED.get():
        return PermissionResult.DENIED
    return PermissionResult.PERMITTED if _ANONYMOUS.get() else PermissionResult.NEUTRAL


def _ranged(self: Any, request: Any, headers: dict[str, Any], content: Any) -> Any:
    """S3 takes a Range that it cannot read for none (S3 API Reference, GetObject; RFC 9110)."""
    if not request.headers.get("range", "").startswith("bytes="):
        return 200, headers, content
    return _moto_ranged(self, request, headers, content)


def install() -> None:
    replace(
        S3Response,
        _bucket_response=_guarded(S3Response._bucket_response, False),
        _key_response=_guarded(S3Response._key_response, True),
        _handle_range_header=_ranged,
    )
    replace(FakeBucket, get_permission=_permission)
