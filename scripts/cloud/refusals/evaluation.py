"""What policies together say about one permission: IAM User Guide, policy evaluation logic."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from cloud.refusals import conditions
from cloud.refusals.conditions import Context, wildcard
from cloud.refusals.policy import Statement

log = logging.getLogger("cloud.refusals")

_VARIABLE = re.compile(r"\$\{([^}]+)\}")


class Decision(Enum):
    ALLOWED = "allowed"
    DENIED = "denied"
    SILENT = "silent"


@dataclass(frozen=True)
class Principal:
    """Who asks, in the names that policies use for it."""

    arn: str
    account: str
    names: frozenset[str] = frozenset()
    """Other ARNs that stand for it: the role of a session."""

    @property
    def anonymous(self) -> bool:
        return not self.arn


ANONYMOUS = Principal("", "")


def _filler(context: Context) -> Callable[[str], str]:
    """Puts the request's values in the place of policy variables such as ${aws:username}."""

    def fill(text: str) -> str:
        def one(match: re.Match[str]) -> str:
            name = match.group(1)
            if name in ("*", "?", "$"):
                return name
            values = context.get(name.partition(",")[0].strip().lower())
            return values[0] if values and len(values) == 1 else match.group(0)

        return _VARIABLE.sub(one, text)

    return fill


def _any(patterns: Iterable[str], value: str, ignore_case: bool = False) -> bool:
    return any(wildcard(each, ignore_case).fullmatch(value) for each in patterns)


def _concerns_action(statement: Statement, action: str) -> bool:
    if statement.not_actions:
        return not _any(statement.not_actions, action, ignore_case=True)
    return _any(statement.actions, action, ignore_case=True)


def _concerns_resource(statement: Statement, resource: str, fill: Callable[[str], str]) -> bool:
    if statement.not_resources:
        return not _any(map(fill, statement.not_resources), resource)
    return _any(map(fill, statement.resources), resource)


def principal_matches(named: object, principal: Principal, delegates: bool) -> bool:
    """Whether a Principal element names who asks.

    The account's own name counts only where it denies: in an allowing statement it leaves the
    decision to the account's identity policies.
    """
    if named == "*":
        return True
    values = named.get("AWS", []) if isinstance(named, dict) else []
    values = [values] if isinstance(values, str) else values
    own = {principal.arn, *principal.names}
    for value in values:
        if value == "*" or (value in own and not principal.anonymous):
            return True
        account = re.fullmatch(r"(?:arn:[^:]+:iam::)?(\d{12})(?::root)?", value)
        if account and account.group(1) == principal.account and not delegates:
            return True
    return False


def evaluate(
    statements: Iterable[Statement],
    action: str,
    resource: str,
    context: Context,
    principal: Principal | None = None,
) -> Decision:
    """The decision of one or several policies; a principal is given for a resource's policy.

    A condition operator that is not known here is logged and denies.
    """
    fill = _filler(context)
    decision = Decision.SILENT
    for statement in statements:
        if not _concerns_action(statement, action):
            continue
        if not _concerns_resource(statement, resource, fill):
            continue
        if principal is not None and not _names(statement, principal):
            continue
        try:
            if not conditions.holds(statement.condition, context, fill):
                continue
        except conditions.UnknownOperator as unknown:
            log.error("condition operator %s is not known: %s is denied", unknown, action)
            return Decision.DENIED
        if statement.effect == "Deny":
            return Decision.DENIED
        decision = Decision.ALLOWED
    return decision


def _names(statement: Statement, principal: Principal) -> bool:
    delegates = statement.effect == "Allow"
    if statement.not_principal is not None:
        return not principal_matches(statement.not_principal, principal, delegates=False)
    return principal_matches(statement.principal, principal, delegates)
