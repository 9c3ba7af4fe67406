"""Errors in the form that a service's clients read."""

from __future__ import annotations

import json
import uuid
from typing import Any
from xml.sax.saxutils import escape

FORM = "application/x-www-form-urlencoded"
QUERY_SERVICES = ("iam", "sts")
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'


def write(
    environ: dict[str, Any], service: str, code: str, message: str
) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of an error: EC2 and S3 have forms of their own, the services that are
    asked by form another one, and the rest reads JSON."""
    request = uuid.uuid4()
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    headers = [("x-amzn-ErrorType", code), ("x-amzn-RequestId", str(request))]
    if service == "ssm" or "HTTP_X_AMZ_TARGET" in environ:
        return _json(headers, code, message)
    if service == "ec2":
        body = (
            f"<Response><Errors>{error}</Error></Errors><RequestID>{request}</RequestID></Response>"
        )
    elif service == "s3":
        return [("Content-Type", "text/xml"), *headers], s3_body(code, message).encode()
    elif service in QUERY_SERVICES or environ.get("CONTENT_TYPE", "").startswith(FORM):
        body = f"<ErrorResponse>{error}</Error><RequestId>{request}</RequestId></ErrorResponse>"
    else:
        return _json(headers, code, message)
    return [("Content-Type", "text/xml"), *headers], f"{XML}{body}".encode()


def s3_body(code: str, message: str, bucket: str = "") -> str:
    """An error of S3, of a bucket if one is named."""
    name = f"<BucketName>{escape(bucket)}</BucketName>" if bucket else ""
    return (
        f"{XML}<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>{name}"
        f"<RequestId>{uuid.uuid4()}</RequestId></Error>"
    )


def _json(
    headers: list[tuple[str, str]], code: str, message: str
) -> tuple[list[tuple[str, str]], bytes]:
    text = json.dumps({"__type": code, "message": message})
    return [("Content-Type", "application/x-amz-json-1.1"), *headers], text.encode()
