"""Who the operator is: the account's root user. moto invents a user."""

from __future__ import annotations

from typing import Any

from moto.sts.models import STSBackend

from cloud.api.patching import once, replace

UNFORMED_KEY = "AKIAEXAMPLE"
"""What moto makes of an access key that has not the form of AWS's, as the operator's has not."""

_moto_identity = STSBackend.get_caller_identity


def _identity(self: Any, access_key_id: str, region: str) -> tuple[str, str, str]:
    """User id, ARN and account: IAM User Guide, reference_identifiers, has the root user's."""
    if access_key_id == UNFORMED_KEY:
        arn = f"arn:{self.partition}:iam::{self.account_id}:root"
        return self.account_id, arn, self.account_id
    return _moto_identity(self, access_key_id, region)


@once
def install() -> None:
    """Put this function in the place of moto's."""
    replace(STSBackend, get_caller_identity=_identity)
