"""The one way to refuse a call, and the words that every service has for its callers."""

from __future__ import annotations

from enum import Enum
from typing import Any

from moto.core.exceptions import ServiceException


class Refusal(ServiceException):
    """A service refuses a call, with AWS's code and text."""

    def __init__(self, service: str, code: str, text: str) -> None:
        super().__init__(code, text)
        self.service = service

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS.get((self.service, self.code), STATUS.get(("", self.code), 400))


STATUS = {
    ("", "AccessDenied"): 403,
    ("", "MissingAuthenticationToken"): 403,
    ("ec2", "AuthFailure"): 401,
    ("ec2", "DryRunOperation"): 412,
    ("ec2", "UnauthorizedOperation"): 403,
    ("iam", "DeleteConflict"): 409,
    ("iam", "ExpiredToken"): 403,
    ("iam", "InvalidClientTokenId"): 403,
    ("iam", "LimitExceeded"): 409,
    ("iam", "NoSuchEntity"): 404,
    ("sts", "ExpiredToken"): 403,
    ("sts", "InvalidClientTokenId"): 403,
    ("s3", "BucketAlreadyExists"): 409,
    ("s3", "BucketAlreadyOwnedByYou"): 409,
    ("s3", "BucketNotEmpty"): 409,
    ("s3", "InvalidAccessKeyId"): 403,
    ("s3", "NoSuchUpload"): 404,
    ("s3", "RequestTimeTooSkewed"): 403,
}
"""Where it is not 400: S3 API Reference, ErrorResponses; CommonErrors and the pages of the calls of
the IAM and STS API References; EC2's as its clients print them."""


class Access(Enum):
    """Why a caller is refused, whatever it asks for."""

    UNSIGNED = "The request is not signed."
    UNKNOWN_KEY = "The access key is not the operator's, a user's or a session's."
    WRONG_TOKEN = "The session token is not the one of the session's key."  # noqa: S105
    ENDED = "The session has ended."
    DENIED = (
        "What the caller's policies do not allow, or a policy denies. A role's permissions boundary"
        " and a session's policy must allow it, too."
    )


_INVALID = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"
_NOT_VALIDATED = "AWS was not able to validate the provided access credentials"
_UNSIGNED = "Request is missing Authentication Token"
_QUERY = {
    Access.UNSIGNED: ("MissingAuthenticationToken", _UNSIGNED),
    Access.UNKNOWN_KEY: ("InvalidClientTokenId", _INVALID),
    Access.WRONG_TOKEN: ("InvalidClientTokenId", _INVALID),
    Access.ENDED: ("ExpiredToken", _EXPIRED),
    Access.DENIED: ("AccessDenied", "{}"),
}
WORDS: dict[str, dict[Access, tuple[str, str]]] = {
    "ec2": {
        Access.UNSIGNED: ("MissingAuthenticationToken", _UNSIGNED),
        Access.UNKNOWN_KEY: ("AuthFailure", _NOT_VALIDATED),
        Access.WRONG_TOKEN: ("AuthFailure", _NOT_VALIDATED),
        Access.ENDED: ("RequestExpired", "Request has expired."),
        Access.DENIED: (
            "UnauthorizedOperation",
            "You are not authorized to perform this operation. {}",
        ),
    },
    "iam": _QUERY,
    "sts": _QUERY,
    "ssm": {
        Access.UNSIGNED: ("MissingAuthenticationTokenException", "Missing Authentication Token"),
        Access.UNKNOWN_KEY: ("UnrecognizedClientException", _INVALID),
        Access.WRONG_TOKEN: ("UnrecognizedClientException", _INVALID),
        Access.ENDED: ("ExpiredTokenException", _EXPIRED),
        Access.DENIED: ("AccessDeniedException", "{}"),
    },
    "s3": {
        Access.UNSIGNED: ("AccessDenied", "Access Denied"),
        Access.UNKNOWN_KEY: (
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
        Access.WRONG_TOKEN: (
            "InvalidToken",
            "The provided token is malformed or otherwise invalid.",
        ),
        Access.ENDED: ("ExpiredToken", "The provided token has expired."),
        Access.DENIED: ("AccessDenied", "{}"),
    },
}
"""Each service's code and text; a service that is not named has those of IAM.

Codes: AWSEC2 API Reference, errors-overview; S3 API Reference, ErrorResponses; CommonErrors of the
IAM and STS API References. What EC2 says when a session has ended, and what SSM says, as users of
both quote them (hellofresh/eks-rolling-update#103, coveooss/spring-boot-parameter-store-
integration#3, globaldatanet/cost-reporter#11). EC2 adds an encoded message to a denial: it is left
out.
"""


def no_access(service: str, why: Access, sentence: str = "") -> Refusal:
    """The refusal of a caller in the words of a service."""
    code, text = WORDS.get(service, _QUERY)[why]
    return Refusal(service, code, text.format(sentence))


def dependencies(kind: str, resource: Any) -> str:
    """EC2's words for what cannot go while something else needs it."""
    return f"The {kind} '{resource.id}' has dependencies and cannot be deleted."
