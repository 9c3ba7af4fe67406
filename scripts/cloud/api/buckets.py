"""Bucket policies: conditions about the transport hold or do not, instead of always denying."""

from __future__ import annotations

import json
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeBucket, S3Backend

from cloud.api.patching import replace

_moto_put_policy = S3Backend.put_bucket_policy

TRANSPORT = "aws:securetransport"
"""Every request reaches the lab's S3 over TLS."""


class MalformedPolicy(S3ClientError):
    code = 400

    def __init__(self, message: str) -> None:
        super().__init__("MalformedPolicy", message)


def applies(statement: dict[str, Any]) -> bool:
    """Whether a statement's conditions hold for a request over TLS.

    A statement with a condition on anything else does not apply: the lab's API does not know the
    value.
    """
    for operator, pairs in statement.get("Condition", {}).items():
        for key, expected in pairs.items():
            values = expected if isinstance(expected, list) else [expected]
            if operator.lower() != "bool" or key.lower() != TRANSPORT:
                return False
            if not any(str(value).lower() == "true" for value in values):
                return False
    return True


def _permission(self: Any, action: str, resource: str) -> PermissionResult:
    if self.policy is None:
        return PermissionResult.NEUTRAL
    document = json.loads(self.policy)
    statements = document["Statement"]
    if isinstance(statements, dict):
        statements = [statements]
    plain = [
        {name: value for name, value in statement.items() if name != "Condition"}
        for statement in statements
        if applies(statement)
    ]
    policy = IAMPolicy(json.dumps({**document, "Statement": plain}))
    return policy.is_action_permitted(action, resource)


def _put_policy(self: Any, bucket_name: str, policy: bytes) -> None:
    try:
        document = json.loads(policy)
        statements = document["Statement"]
    except (ValueError, TypeError, KeyError) as error:
        raise MalformedPolicy(
            "Policies must be valid JSON and the first byte must be '{'"
        ) from error
    if not isinstance(statements, (list, dict)):
        raise MalformedPolicy("Could not parse the policy: Statement is not a list")
    _moto_put_policy(self, bucket_name, policy)


def install() -> None:
    """Put these functions in the place of moto's."""
    replace(FakeBucket, get_permission=_permission)
    replace(S3Backend, put_bucket_policy=_put_policy)
