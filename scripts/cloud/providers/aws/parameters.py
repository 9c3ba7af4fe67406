"""Between the names of arguments and those of the API, by the table."""

from collections.abc import Container, Iterable
from typing import Any

from cloud.providers.schema import BOOLEAN, INTEGER, LIST, MAP, OBJECT, SET, Argument

_NOTHING: dict[str, Any] = {BOOLEAN: False, INTEGER: 0, LIST: [], SET: [], MAP: {}, OBJECT: None}


def nothing(argument: Argument) -> Any:
    """What the argument is where neither a program nor the API gives it a value."""
    return _NOTHING.get(argument.kind, "") if argument.default is None else argument.default


def parameters(
    arguments: Iterable[Argument], values: dict[str, Any], members: Container[str] | None = None
) -> dict[str, Any]:
    """The API's parameters of the values that are given, and the defaults of the others.

    members: the only parameters that are wanted, where a call does not take all of them.
    """
    given = ((one, values.get(one.name, one.default)) for one in arguments)
    return {
        one.parameter: _deeper(parameters, one, value)
        for one, value in given
        if value is not None and (members is None or one.parameter in members)
    }


def properties(arguments: Iterable[Argument], answer: dict[str, Any]) -> dict[str, Any]:
    """The arguments that an answer of the API has a value of."""
    return {
        one.name: _deeper(properties, one, answer[one.parameter])
        for one in arguments
        if answer.get(one.parameter) is not None
    }


def told(
    arguments: Iterable[Argument], answer: dict[str, Any], places: Container[str] = ()
) -> dict[str, Any]:
    """The arguments that an answer of the API speaks of: those that it has, and as nothing those
    that it has a place for. Of any other the API tells nothing."""
    spoken = [one for one in arguments if one.parameter in answer or one.parameter in places]
    return {**{one.name: nothing(one) for one in spoken}, **properties(spoken, answer)}


def _deeper(translate: Any, argument: Argument, value: Any) -> Any:
    if argument.fields and isinstance(value, dict):
        return translate(argument.fields, value)
    if argument.fields and isinstance(value, list):
        return [translate(argument.fields, item) for item in value]
    return value
