"""A bucket as S3 has it since January 2023: encrypted with AES256 unless set otherwise."""

from __future__ import annotations

from typing import Any

from moto.s3.models import FakeBucket

from cloud.api.patching import add

DEFAULT = {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}}
"""S3 User Guide, default-encryption-faq; deleting the setting brings it back."""


def _encryption(self: Any) -> dict[str, Any]:
    return self.__dict__.get("encryption") or DEFAULT


def _set_encryption(self: Any, setting: dict[str, Any] | None) -> None:
    self.__dict__["encryption"] = setting


def install() -> None:
    add(FakeBucket, encryption=property(_encryption, _set_encryption))
