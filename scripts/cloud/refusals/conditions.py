"""Condition operators of policies: IAM User Guide, reference_policies_elements_condition_operators.

A condition compares keys of the request with values of the statement. Every operator, and every
key of an operator, must hold; of several values of a key one suffices, for a negated operator
none may match. A key that the request lacks does not match (and so satisfies a negated
operator); with IfExists it holds.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

Context = Mapping[str, tuple[str, ...]]
"""Condition keys in lower case, each with the request's values."""

IF_EXISTS = "IfExists"
SET_PREFIXES = ("ForAllValues:", "ForAnyValue:")


class UnknownOperator(ValueError):
    """A statement uses a condition operator that is not known here."""


def wildcard(pattern: str, ignore_case: bool = False) -> re.Pattern[str]:
    """`*` stands for any characters, `?` for one."""
    parts = {"*": ".*", "?": "."}
    text = "".join(parts.get(each) or re.escape(each) for each in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _like(value: str, pattern: str) -> bool:
    return wildcard(pattern).fullmatch(value) is not None


def _arn_like(value: str, pattern: str) -> bool:
    """Each of the six parts of an ARN is compared on its own."""
    left, right = value.split(":", 5), pattern.split(":", 5)
    return len(left) == len(right) == 6 and all(map(_like, left, right))


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def test(value: str, wanted: str) -> bool:
        try:
            return compare(float(value), float(wanted))
        except ValueError:
            return False

    return test


def _moment(text: str) -> datetime:
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return datetime.fromtimestamp(float(text), UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _date(compare: Callable[[datetime, datetime], bool]) -> Callable[[str, str], bool]:
    def test(value: str, wanted: str) -> bool:
        try:
            return compare(_moment(value), _moment(wanted))
        except ValueError:
            return False

    return test


def _address(value: str, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _same(value: str, wanted: str) -> bool:
    return value == wanted


def _same_ignoring_case(value: str, wanted: str) -> bool:
    return value.lower() == wanted.lower()


POSITIVE: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": _same,
    "StringEqualsIgnoreCase": _same_ignoring_case,
    "StringLike": _like,
    "Bool": _same_ignoring_case,
    "BinaryEquals": _same,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "IpAddress": _address,
    "NumericEquals": _number(lambda left, right: left == right),
    "NumericLessThan": _number(lambda left, right: left < right),
    "NumericLessThanEquals": _number(lambda left, right: left <= right),
    "NumericGreaterThan": _number(lambda left, right: left > right),
    "NumericGreaterThanEquals": _number(lambda left, right: left >= right),
    "DateEquals": _date(lambda left, right: left == right),
    "DateLessThan": _date(lambda left, right: left < right),
    "DateLessThanEquals": _date(lambda left, right: left <= right),
    "DateGreaterThan": _date(lambda left, right: left > right),
    "DateGreaterThanEquals": _date(lambda left, right: left >= right),
}
NEGATIVE = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NotIpAddress": "IpAddress",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}


def _split(operator: str) -> tuple[str, str, bool]:
    prefix = next((each for each in SET_PREFIXES if operator.startswith(each)), "")
    name = operator[len(prefix) :]
    optional = name.endswith(IF_EXISTS)
    return prefix, name.removesuffix(IF_EXISTS), optional


def known(operator: str) -> bool:
    _, name, optional = _split(operator)
    return name in POSITIVE or name in NEGATIVE or (name == "Null" and not optional)


def holds(
    condition: Mapping[str, Mapping[str, tuple[str, ...]]],
    context: Context,
    fill: Callable[[str], str] = str,
) -> bool:
    """Whether a statement's whole condition holds; `fill` puts policy variables into values."""
    return all(
        _holds(operator, context.get(key.lower()), tuple(map(fill, values)))
        for operator, keys in condition.items()
        for key, values in keys.items()
    )


def _holds(operator: str, found: tuple[str, ...] | None, wanted: tuple[str, ...]) -> bool:
    prefix, name, optional = _split(operator)
    if not known(operator):
        raise UnknownOperator(operator)
    if name == "Null":
        return all((found is None) == (each.lower() == "true") for each in wanted)
    if found is None and optional:
        return True
    negated = name in NEGATIVE
    test = POSITIVE[NEGATIVE.get(name, name)]

    def matches(value: str) -> bool:
        return any(test(value, each) for each in wanted) is not negated

    if prefix == "ForAllValues:":
        return all(matches(value) for value in found or ())
    if prefix == "ForAnyValue:":
        return any(matches(value) for value in found or ())
    if found is None:
        return negated
    return all(map(matches, found)) if negated else any(map(matches, found))
