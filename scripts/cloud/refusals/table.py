"""The tables of docs/lab/aws-refusals.md, made from the code: `python -m cloud.refusals.table`."""

from __future__ import annotations

from cloud import refusals
from cloud.refusals import guard
from cloud.refusals.refusal import WORDS, Access

BEGIN, END = "<!-- table of the rules -->", "<!-- end of the table -->"
BEGIN_ACCESS, END_ACCESS = "<!-- table of the callers -->", "<!-- end of the callers -->"
SERVICES = {"ec2": "EC2", "iam": "IAM", "sts": "STS", "ssm": "SSM", "s3": "S3"}


def rules() -> str:
    """What a call is refused for."""
    lines = ["| call | refused when | AWS's code | source |", "|---|---|---|---|"]
    lines += sorted(
        f"| {SERVICES[rule.service]}: {', '.join(rule.actions)} | {rule.when} | `{rule.code}` |"
        f" {rule.source} |"
        for rule in guard.RULES
    )
    return "\n".join(lines) + "\n"


def callers() -> str:
    """What a caller is refused for, whatever it calls: each service has its own code."""
    lines = [
        f"| refused when | {' | '.join(SERVICES.values())} |",
        f"|---|{'---|' * len(SERVICES)}",
    ]
    for why in Access:
        codes = (f"`{WORDS[service][why][0]}`" for service in SERVICES)
        lines.append(f"| {why.value} | {' | '.join(codes)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    refusals.install()
    print(f"{BEGIN}\n\n{rules()}\n{END}\n{BEGIN_ACCESS}\n\n{callers()}\n{END_ACCESS}")
