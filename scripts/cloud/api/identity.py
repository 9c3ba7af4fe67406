"""Who the operator is: the account's root user. moto invents a user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from moto.core.responses import BaseResponse
from moto.sts.models import STSBackend

from cloud.api.patching import replace

OPERATOR = "lab"
"""The access key that administers the account."""

_moto_identity = STSBackend.get_caller_identity


def access_key(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """The access key that signed a request, in a header or a presigned URL."""
    header = headers.get("authorization", "")
    found = re.search(r"Credential=([^/,\s]+)/", header) or re.match(r"AWS ([^:\s]+):", header)
    if found:
        return found.group(1)
    credential = query.get("X-Amz-Credential", "").partition("/")[0]
    return credential or query.get("AWSAccessKeyId") or None


def _access_key(self: Any) -> str:
    """moto takes a key that has not the form of AWS's for none, as the operator's has not."""
    request = self.normalized_request
    return access_key(request.headers, request.args) or ""


def _identity(self: Any, access_key_id: str, region: str) -> tuple[str, str, str]:
    """User id, ARN and account: IAM User Guide, reference_identifiers, has the root user's."""
    if access_key_id == OPERATOR:
        arn = f"arn:{self.partition}:iam::{self.account_id}:root"
        return self.account_id, arn, self.account_id
    return _moto_identity(self, access_key_id, region)


def install() -> None:
    """Put these functions in the place of moto's."""
    replace(BaseResponse, get_access_key=_access_key)
    replace(STSBackend, get_caller_identity=_identity)
