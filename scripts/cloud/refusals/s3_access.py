"""Who may do what on S3: `authorise`.

The lab's operator is the account's administrator: no identity policy limits it. Credentials of
a role's session (from STS or a host's metadata service, both in moto's STS backend) and of IAM
users may do what their policies allow. A bucket policy's explicit denial holds for everybody,
as on AWS; only the calls that read, set or delete a bucket's policy stay open to the operator
(S3 API Reference, PutBucketPolicy: the root principal keeps them).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.sts.models import sts_backends

from cloud.refusals import policy
from cloud.refusals.evaluation import ANONYMOUS, Decision, Principal, evaluate
from cloud.refusals.s3_request import Request

OPERATORS = {"lab"}
"""Access keys that administer the account."""

POLICY_CALLS = ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy")

MESSAGES = {
    "InvalidAccessKeyId": "The AWS Access Key Id you provided does not exist in our records.",
    "InvalidToken": "The provided token is malformed or otherwise invalid.",
    "ExpiredToken": "The provided token has expired.",
}


STATUS = {
    "NoSuchUpload": 404,
    "AccessDenied": 403,
    "InvalidAccessKeyId": 403,
    "BucketNotEmpty": 409,
    "BucketAlreadyExists": 409,
    "BucketAlreadyOwnedByYou": 409,
}
"""HTTP status of refusals that are not 400: S3 API Reference, ErrorResponses."""


class Refused(Exception):
    """S3 refuses a request: AWS's code and message."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or MESSAGES[code])
        self.code = code
        self.message = message or MESSAGES[code]
        self.status = STATUS.get(code, 400)


@dataclass(frozen=True)
class Caller:
    """Whose credentials a request carries, and the policies that they bring."""

    principal: Principal
    administrator: bool = False
    policies: tuple[policy.Statement, ...] = ()
    limits: tuple[tuple[policy.Statement, ...], ...] = ()
    """Permissions boundary and session policy: each must allow, too."""
    context: tuple[tuple[str, str], ...] = ()


def access_key(request: Request) -> str | None:
    """The access key that signed a request, in a header or a presigned URL."""
    header = request.headers.get("authorization", "")
    found = re.search(r"Credential=([^/,\s]+)/", header) or re.match(r"AWS ([^:\s]+):", header)
    if found:
        return found.group(1)
    credential = request.query.get("X-Amz-Credential", "").partition("/")[0]
    return credential or request.query.get("AWSAccessKeyId") or None


def caller(request: Request, account: str = DEFAULT_ACCOUNT_ID) -> Caller:
    """Find whose credentials signed a request; refuse credentials that are not good."""
    key = access_key(request)
    if key is None:
        return Caller(ANONYMOUS)
    if key in OPERATORS:
        arn = f"arn:{request.partition}:iam::{account}:root"
        return Caller(Principal(arn, account), administrator=True)
    session = _session(key, request.partition)
    if session is not None:
        return _session_caller(session, request)
    for owner, by_partition in list(iam_backends.items()):
        user = by_partition[request.partition].get_user_from_access_key_id(key)
        if user is not None:
            return _user_caller(user, owner)
    raise Refused("InvalidAccessKeyId")


def _session(key: str, partition: str) -> Any | None:
    for by_partition in list(sts_backends.values()):
        for session in by_partition[partition].assumed_roles:
            if session.access_key_id == key:
                return session
    return None


def _token(request: Request) -> str | None:
    name = "X-Amz-Security-Token"
    return request.headers.get(name.lower()) or request.query.get(name)


def _session_caller(session: Any, request: Request) -> Caller:
    if _token(request) != session.session_token:
        raise Refused("InvalidToken")
    expiration = session.expiration
    if expiration.tzinfo is None:
        expiration = expiration.replace(tzinfo=UTC)
    if expiration < datetime.now(UTC):
        raise Refused("ExpiredToken")
    backend = iam_backends[session.account_id][session.partition]
    role = next((each for each in backend.get_roles() if each.arn == session.role_arn), None)
    principal = Principal(session.arn, session.account_id, frozenset({session.role_arn}))
    if role is None:
        return Caller(principal)
    limits = [policy.statements(session.policy)] if session.policy else []
    if role.permissions_boundary_arn:
        limits.append(policy.statements(_managed(backend, role.permissions_boundary_arn)))
    return Caller(
        principal,
        policies=_statements(backend, role.policies.values(), role.managed_policies),
        limits=tuple(map(tuple, limits)),
        context=(
            ("aws:userid", session.user_id),
            ("aws:principaltype", "AssumedRole"),
            *((f"aws:principaltag/{each['Key']}", each["Value"]) for each in role.tags),
        ),
    )


def _user_caller(user: Any, account: str) -> Caller:
    backend = user.backend if hasattr(user, "backend") else iam_backends[account]["aws"]
    documents = list(user.policies.values())
    managed = dict(user.managed_policies)
    for group in backend.get_groups_for_user(user.name):
        documents.extend(group.policies.values())
        managed.update(group.managed_policies)
    return Caller(
        Principal(user.arn, account),
        policies=_statements(backend, documents, managed),
        context=(
            ("aws:username", user.name),
            ("aws:userid", user.id),
            ("aws:principaltype", "User"),
        ),
    )


def _managed(backend: Any, arn: str) -> str:
    versions = backend.get_policy(arn).versions
    return next(each.document for each in versions if each.is_default_version)


def _statements(backend: Any, documents: Any, managed: Any) -> tuple[policy.Statement, ...]:
    everything = [*documents, *(_managed(backend, arn) for arn in managed)]
    return tuple(each for document in everything for each in policy.statements(document))


def _bucket(request: Request) -> Any | None:
    owner = s3_backends.bucket_accounts.get(request.bucket)
    if owner is None:
        return None
    partition, account = owner
    return s3_backends[account][partition].buckets.get(request.bucket)


def _refusal(who: Caller, action: str, resource: str, reason: str) -> Refused:
    if who.principal.anonymous:
        return Refused("AccessDenied", "Access Denied")
    return Refused(
        "AccessDenied",
        f"User: {who.principal.arn} is not authorized to perform: {action} on resource:"
        f' "{resource}" {reason}',
    )


def _restricts_public(bucket: Any) -> bool:
    block = bucket.public_access_block
    return block is not None and str(block.restrict_public_buckets).lower() == "true"


def _decide(
    who: Caller, bucket: Any, action: str, resource: str, context: dict[str, tuple[str, ...]]
) -> None:
    """Raise unless the policies of caller and bucket together allow one permission."""
    document = bucket.policy if bucket is not None else None
    own = policy.statements(document) if document else []
    said = evaluate(own, action, resource, context, who.principal)
    if said is Decision.DENIED and not (who.administrator and action in POLICY_CALLS):
        raise _refusal(who, action, resource, "with an explicit deny in a resource-based policy")
    if who.administrator:
        return
    if who.principal.anonymous:
        if said is Decision.ALLOWED and not _restricts_public(bucket):
            return
        raise _refusal(who, action, resource, "")
    identity = evaluate(who.policies, action, resource, context)
    if identity is Decision.DENIED:
        raise _refusal(who, action, resource, "with an explicit deny in an identity-based policy")
    for limit in who.limits:
        if evaluate(limit, action, resource, context) is not Decision.ALLOWED:
            raise _refusal(
                who,
                action,
                resource,
                f"because no session policy or permissions boundary allows the {action} action",
            )
    if Decision.ALLOWED in (identity, said):
        return
    raise _refusal(
        who, action, resource, f"because no identity-based policy allows the {action} action"
    )


def authorise(request: Request) -> frozenset[str]:
    """Refuse a request that its credentials do not allow.

    Raises Refused. Of a request that deletes several objects AWS refuses each on its own: the
    answer names the resources that are refused (nothing for any other request).
    """
    who = caller(request)
    bucket = _bucket(request)
    if request.bucket and bucket is None and request.method not in ("PUT", "POST"):
        if who.principal.anonymous:
            raise Refused("AccessDenied", "Access Denied")
        return frozenset()
    context = {**request.context(), **_caller_context(who)}
    refused = set()
    for action, resource in request.permissions():
        try:
            _decide(who, bucket, action, resource, context)
        except Refused:
            if not request.deletes_several:
                raise
            refused.add(resource)
    _hide_missing(who, bucket, request, context)
    return frozenset(refused)


def _hide_missing(who: Caller, bucket: Any, request: Request, context: Any) -> None:
    """Whoever may not list a bucket is not told that an object is missing.

    S3 API Reference, GetObject: without s3:ListBucket the answer is 403, not 404.
    """
    if bucket is None or who.administrator or request.method not in ("GET", "HEAD"):
        return
    reads = request.permissions()[0][0].startswith("s3:GetObject")
    if reads and request.key not in bucket.keys:
        _decide(who, bucket, "s3:ListBucket", request.arn(), context)


def _caller_context(who: Caller) -> dict[str, tuple[str, ...]]:
    now = datetime.now(UTC)
    found = dict(who.context)
    found["aws:currenttime"] = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    found["aws:epochtime"] = str(int(now.timestamp()))
    if who.principal.arn:
        names = who.principal.names
        found["aws:principalarn"] = next(iter(names)) if names else who.principal.arn
        found["aws:principalaccount"] = who.principal.account
    return {key.lower(): (value,) for key, value in found.items()}
