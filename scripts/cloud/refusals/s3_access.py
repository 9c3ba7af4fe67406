"""Who may do what on S3: `authorise`.

Besides the caller's policies the bucket's count: its explicit denial holds for everybody, as on
AWS; only the calls that read, set or delete a bucket's policy stay open to the operator (S3 API
Reference, PutBucketPolicy: the root principal keeps them).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from moto.s3.models import s3_backends

from cloud.api import lookup
from cloud.refusals import access, callers, policy
from cloud.refusals.callers import Caller
from cloud.refusals.refusal import Access, Refusal, no_access
from cloud.refusals.s3_request import Request

SKEW = timedelta(minutes=15)
POLICY_CALLS = ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy")


def _bucket(request: Request) -> Any | None:
    owner = s3_backends.bucket_accounts.get(request.bucket)
    if owner is None:
        return None
    partition, account = owner
    return s3_backends[account][partition].buckets.get(request.bucket)


def _own_policy(who: Caller, bucket: Any, action: str) -> list[policy.Statement]:
    """What a bucket's policy says to a caller who asks for an action."""
    if bucket is None or not bucket.policy or (who.administrator and action in POLICY_CALLS):
        return []
    own = policy.statements(bucket.policy)
    block = bucket.public_access_block
    restricted = block is not None and lookup.is_true(block.restrict_public_buckets)
    if who.principal.anonymous and restricted:
        return [statement for statement in own if statement.effect == "Deny"]
    return own


def authorise(request: Request) -> frozenset[str]:
    """Refuse a request that its credentials do not allow.

    Raises Refusal. Of a request that deletes several objects AWS refuses each on its own: the
    answer names the resources that are refused (nothing for any other request).
    """
    refuse_wrong_clock(request, datetime.now(UTC))
    who = callers.caller("s3", request.headers, request.query, request.partition)
    bucket = _bucket(request)
    if request.bucket and bucket is None and request.method not in ("PUT", "POST"):
        if who.principal.anonymous:
            raise no_access("s3", Access.UNSIGNED)
        return frozenset()
    context = {**request.context(), **who.context()}
    refused = set()
    for action, resource in request.permissions():
        try:
            access.decide(who, action, resource, context, _own_policy(who, bucket, action))
        except Refusal:
            if not request.deletes_several:
                raise
            refused.add(resource)
    _hide_missing(who, bucket, request, context)
    return frozenset(refused)


def refuse_wrong_clock(request: Request, now: datetime) -> None:
    """Refuse a request that was signed at another time, by its own clock.

    S3 API Reference, ErrorResponses (RequestTimeTooSkewed; code, text and status); how much is too
    much: RESTAuthentication ("within 15 minutes").
    """
    try:
        signed = datetime.strptime(request.headers.get("x-amz-date", ""), "%Y%m%dT%H%M%SZ")
    except ValueError:
        return
    if abs(now - signed.replace(tzinfo=UTC)) > SKEW:
        text = "The difference between the request time and the server's time is too large."
        raise Refusal("s3", "RequestTimeTooSkewed", text)


def _hide_missing(who: Caller, bucket: Any, request: Request, context: Any) -> None:
    """Whoever may not list a bucket is not told that an object is missing.

    S3 API Reference, GetObject: without s3:ListBucket the answer is 403, not 404.
    """
    if bucket is None or who.administrator or request.method not in ("GET", "HEAD"):
        return
    reads = request.permissions()[0][0].startswith("s3:GetObject")
    if reads and request.key not in bucket.keys:
        own = _own_policy(who, bucket, "s3:ListBucket")
        access.decide(who, "s3:ListBucket", request.arn(), context, own)
