"""Tables of arguments: what a resource takes, and what a change of each one means."""

import ipaddress
from dataclasses import dataclass, field
from typing import Any

from cloud.providers.values import UNKNOWN, Asset, Secret, Unknown, reveal

STRING, INTEGER, NUMBER, BOOLEAN = "string", "integer", "number", "boolean"
MAP, LIST, SET, OBJECT, JSON, ASSET, ANY = "map", "list", "set", "object", "json", "asset", "any"
NETWORK4, NETWORK6 = "IPv4 network", "IPv6 network"


@dataclass(frozen=True)
class Argument:
    """One argument of a resource.

    computed: without a value, whatever the API has is right (Terraform's Optional+Computed).
    default: what holds without a value; a state that differs from it is a change.
    replace: a change makes a new resource (Terraform's ForceNew).
    fields: of an OBJECT, or of each element of a LIST or SET.
    conflicts: arguments that may not stand beside this one.
    api: the API's name, where it is not the argument's with a capital letter.
    """

    name: str
    kind: str = STRING
    required: bool = False
    replace: bool = False
    computed: bool = False
    default: Any = None
    fields: tuple["Argument", ...] = ()
    choices: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    api: str = ""

    @property
    def parameter(self) -> str:
        return self.api or f"{self.name[0].upper()}{self.name[1:]}"


@dataclass(frozen=True)
class Table:
    """The arguments and outputs of one resource type, and where the rules come from."""

    arguments: tuple[Argument, ...]
    outputs: tuple[str, ...] = ()
    source: str = ""
    autoname: str = ""
    autoname_lower: bool = False
    exactly_one: tuple[tuple[str, ...], ...] = ()
    by_name: dict[str, Argument] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        self.by_name.update({argument.name: argument for argument in self.arguments})


@dataclass(frozen=True)
class Failure:
    """A refused argument: its path, and why."""

    path: str
    reason: str


class Mismatch(ValueError):
    """A value is not of the argument's kind; the text says what was expected."""


def step(path: str, key: str) -> str:
    """The property path of `key` below `path`, in the engine's notation."""
    plain = key.replace("_", "a").isalnum()
    if plain:
        return f"{path}.{key}" if path else key
    quoted = key.replace('"', '\\"')
    return f'{path}["{quoted}"]'


def check(
    arguments: tuple[Argument, ...],
    values: dict[str, Any],
    path: str = "",
) -> tuple[dict[str, Any], list[Failure]]:
    """The values in their kinds, without the absent ones, and everything that is wrong."""
    failures: list[Failure] = []
    checked: dict[str, Any] = {}
    known = {argument.name: argument for argument in arguments}
    for name, value in values.items():
        if name.startswith("__"):
            continue
        argument = known.get(name)
        if value is None:
            continue
        if argument is None:
            reason = (
                f"{name!r} is no argument that this stand-in serves; it takes "
                f"{', '.join(sorted(known))}; leave it out, or install the official plugin"
            )
            failures.append(Failure(step(path, name), reason))
        else:
            checked[name] = _value(argument, value, step(path, name), failures)
    for argument in arguments:
        if argument.required and checked.get(argument.name) is None:
            failures.append(
                Failure(step(path, argument.name), f"{argument.name!r} is required and was not set")
            )
        for other in argument.conflicts:
            if argument.name in checked and other in checked:
                failures.append(
                    Failure(
                        step(path, argument.name), f"{argument.name!r} conflicts with {other!r}"
                    )
                )
    return checked, failures


def check_table(table: Table, values: dict[str, Any]) -> tuple[dict[str, Any], list[Failure]]:
    """As `check`, with the table's rules that span arguments."""
    checked, failures = check(table.arguments, values)
    for names in table.exactly_one:
        given = [name for name in names if checked.get(name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            failures.append(
                Failure(names[0], f"exactly one of {', '.join(names)} must be set; found {found}")
            )
    return checked, failures


def _value(argument: Argument, value: Any, path: str, failures: list[Failure]) -> Any:
    if isinstance(value, Unknown):
        return UNKNOWN
    if isinstance(value, Secret):
        return Secret(_value(argument, value.value, path, failures))
    try:
        return _convert(argument, value, path, failures)
    except Mismatch as error:
        failures.append(Failure(path, str(error)))
        return value


def _convert(argument: Argument, value: Any, path: str, failures: list[Failure]) -> Any:
    kind = argument.kind
    if kind == ANY:
        return value
    if kind in (LIST, SET):
        return _elements(argument, value, path, failures)
    if kind == OBJECT:
        if not isinstance(value, dict):
            raise Mismatch(f"expected an object, found a {_kind_name(value)}")
        checked, inner = check(argument.fields, value, path)
        failures.extend(inner)
        return checked
    if kind == MAP:
        if not isinstance(value, dict):
            raise Mismatch(f"expected a map, found a {_kind_name(value)}")
        text = Argument("value")
        return {
            key: _value(text, item, step(path, key), failures)
            for key, item in value.items()
            if item is not None
        }
    if kind == ASSET:
        if not isinstance(value, Asset):
            raise Mismatch(f"expected an asset or an archive, found a {_kind_name(value)}")
        return value
    if kind in (NETWORK4, NETWORK6):
        return _network(kind, value)
    converted = _scalar(kind, value)
    if argument.choices and converted not in argument.choices:
        raise Mismatch(f"expected one of {', '.join(argument.choices)}, found {converted!r}")
    return converted


def _elements(argument: Argument, value: Any, path: str, failures: list[Failure]) -> Any:
    if not isinstance(value, list):
        raise Mismatch(f"expected a list, found a {_kind_name(value)}")
    element = Argument("element", OBJECT if argument.fields else STRING, fields=argument.fields)
    return [_value(element, item, f"{path}[{index}]", failures) for index, item in enumerate(value)]


def _scalar(kind: str, value: Any) -> Any:
    if kind in (STRING, JSON):
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
    elif kind == BOOLEAN:
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return value == "true"
    elif kind in (INTEGER, NUMBER):
        number = _number(value)
        if number is not None and (kind == NUMBER or float(number).is_integer()):
            return number
    raise Mismatch(f"expected a {kind}, found a {_kind_name(value)}")


def _network(kind: str, value: Any) -> str:
    """A network by its own address, as terraform-provider-aws takes it (ValidIPv4CIDRNetworkAddress
    and its like)."""
    read = ipaddress.IPv4Network if kind == NETWORK4 else ipaddress.IPv6Network
    try:
        network = str(read(value, strict=False))
    except ValueError:
        raise Mismatch(f"expected an {kind} in CIDR notation, found {value!r}") from None
    if network != value:
        raise Mismatch(f"expected an {kind}, found {value!r}; did you mean {network!r}?")
    return value


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if number.is_integer() else number


def _kind_name(value: Any) -> str:
    names = {dict: "map", list: "list", str: "string", bool: "boolean", int: "number"}
    return names.get(type(reveal(value)), type(value).__name__)
