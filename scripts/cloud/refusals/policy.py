"""Policy documents: whether they are policies, and what their statements say.

The grammar: IAM User Guide, reference_policies_grammar.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.policy_validation import IAMPolicyDocumentValidator, IAMTrustPolicyDocumentValidator

from cloud.refusals import conditions

VERSIONS = ("2008-10-17", "2012-10-17")
EFFECTS = ("Allow", "Deny")


class NotAPolicy(ValueError):
    """A document is not a policy; the text is what AWS says about it."""


@dataclass(frozen=True)
class Statement:
    effect: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    principal: Any
    not_principal: Any
    condition: dict[str, dict[str, tuple[str, ...]]]


def _strings(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return tuple(_text(each) for each in value)
    return (_text(value),)


def _text(value: Any) -> str:
    """JSON's true and numbers count as their text in conditions."""
    return json.dumps(value) if isinstance(value, (bool, int, float)) else str(value)


def load(document: str | bytes) -> dict[str, Any]:
    try:
        content = json.loads(document)
    except (ValueError, UnicodeDecodeError) as error:
        raise NotAPolicy("This policy contains invalid Json") from error
    if not isinstance(content, dict):
        raise NotAPolicy("This policy contains invalid Json")
    return content


def statements(document: str | bytes | dict[str, Any]) -> list[Statement]:
    """The statements of a document that was accepted as a policy."""
    content = document if isinstance(document, dict) else load(document)
    listed = content.get("Statement") or []
    return [_statement(each) for each in (listed if isinstance(listed, list) else [listed])]


def _statement(content: dict[str, Any]) -> Statement:
    return Statement(
        effect=str(content.get("Effect", "")),
        actions=_strings(content.get("Action")),
        not_actions=_strings(content.get("NotAction")),
        resources=_strings(content.get("Resource")),
        not_resources=_strings(content.get("NotResource")),
        principal=content.get("Principal"),
        not_principal=content.get("NotPrincipal"),
        condition={
            operator: {key: _strings(values) for key, values in wanted.items()}
            for operator, wanted in (content.get("Condition") or {}).items()
        },
    )


def _check_operators(document: str) -> None:
    try:
        for statement in statements(load(document)):
            for operator in statement.condition:
                if not conditions.known(operator):
                    raise NotAPolicy(f"Invalid Condition type : {operator}")
    except AttributeError as error:
        raise NotAPolicy("Syntax errors in policy.") from error


def _validate(validator: Any) -> None:
    try:
        validator.validate()
    except MalformedPolicyDocument as error:
        raise NotAPolicy(error.message) from error


def check_identity_policy(document: str) -> None:
    """Raise NotAPolicy for a document that is not a policy of a role, user or group."""
    _check_operators(document)
    _validate(IAMPolicyDocumentValidator(document))


def check_trust_policy(document: str) -> None:
    """Raise NotAPolicy for a document that is not the trust policy of a role.

    Either version of the policy language will do here; moto's validator knows the new one only.
    """
    _check_operators(document)
    content = load(document)
    if content.get("Version", VERSIONS[0]) in VERSIONS:
        document = json.dumps({**content, "Version": VERSIONS[-1]})
    if any(not (each.principal or each.not_principal) for each in statements(document)):
        raise NotAPolicy("Missing required field Principal")
    _validate(IAMTrustPolicyDocumentValidator(document))
