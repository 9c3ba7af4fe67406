"""The table of docs/aws-refusals.md, made from the rules: `python -m cloud.refusals.table`."""

from __future__ import annotations

from cloud import refusals
from cloud.refusals import guard

BEGIN, END = "<!-- table of the rules -->", "<!-- end of the table -->"
SERVICES = {"ec2": "EC2", "iam": "IAM", "s3": "S3"}

ACCESS = [
    (
        "S3: every call",
        "What the caller's policies do not allow, or a policy denies. A role's permissions"
        " boundary and a session's policy must allow it, too. A bucket's policy may allow more"
        " and deny.",
        "AccessDenied",
        "IAM User Guide, reference_policies_evaluation-logic; S3 User Guide,"
        " using-with-s3-policy-actions; S3 API Reference, ErrorResponses; texts as observed by"
        " users of S3.",
    ),
    (
        "S3: GetObject, HeadObject",
        "The object is missing, and the caller may not list the bucket.",
        "AccessDenied",
        "S3 API Reference, GetObject.",
    ),
    (
        "S3: every call",
        "The access key is not the operator's, a user's or a session's.",
        "InvalidAccessKeyId",
        "S3 API Reference, ErrorResponses.",
    ),
    (
        "S3: every call",
        "The session token is not the one of the session's key.",
        "InvalidToken",
        "S3 API Reference, ErrorResponses.",
    ),
    (
        "S3: every call",
        "The session has ended.",
        "ExpiredToken",
        "S3 API Reference, ErrorResponses.",
    ),
]
"""What `cloud.refusals.s3_access.authorise` refuses: it is asked for every call on S3."""


def rows() -> list[tuple[str, str, str, str]]:
    found = [
        (
            f"{SERVICES[rule.service]}: {', '.join(rule.actions)}",
            rule.when,
            ", ".join(rule.codes),
            rule.source,
        )
        for rule in guard.RULES
    ]
    return sorted(found) + ACCESS


def render() -> str:
    lines = ["| call | refused when | AWS's code | source |", "|---|---|---|---|"]
    for call, when, code, source in rows():
        lines.append(f"| {call} | {when} | `{code.replace(', ', '`, `')}` | {source} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    refusals.install()
    print(render(), end="")
