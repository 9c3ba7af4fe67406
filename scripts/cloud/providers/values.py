"""Property values between the engine's wire form and plain Python."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import struct_pb2

from cloud.pulumi import SECRET, SIGNATURE

# Fixed by the engine, as those in cloud.pulumi.
_ASSET = "c44067f5952c0a294b673a41bacd8c17"
_ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
_UNKNOWNS = {
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # of strings, and what is written back
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}
_UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Unknown:
    """A value that is known only after the resource it comes from was made."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value the engine keeps encrypted."""

    value: Any

    def __repr__(self) -> str:
        return "[secret]"


@dataclass(frozen=True)
class Asset:
    """A file, text or archive; `fields` holds path, text, uri, assets and the engine's hash."""

    is_archive: bool
    fields: tuple[tuple[str, Any], ...]

    def get(self, name: str) -> Any:
        return dict(self.fields).get(name)


def decode(value: struct_pb2.Value) -> Any:
    """Plain Python of one wire value; whole numbers become int."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWNS else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [decode(item) for item in value.list_value.values]
    if kind == "struct_value":
        return _decode_struct(value.struct_value)
    return None


def _decode_struct(struct: struct_pb2.Struct) -> Any:
    fields = {key: decode(item) for key, item in struct.fields.items()}
    signature = fields.pop(SIGNATURE, None)
    if signature is None:
        return fields
    if signature == SECRET:
        return Secret(fields.get("value"))
    if signature in (_ASSET, _ARCHIVE):
        return Asset(signature == _ARCHIVE, tuple(sorted(fields.items())))
    if signature == _OUTPUT:
        inner = fields.get("value", UNKNOWN)
        return Secret(inner) if fields.get("secret") else inner
    if signature == _RESOURCE:
        return fields.get("id") or fields.get("urn")
    raise ValueError(f"property signature {signature!r} is not one this plugin knows")


def decode_map(struct: struct_pb2.Struct) -> dict[str, Any]:
    return {key: decode(item) for key, item in struct.fields.items()}


def encode(value: Any) -> struct_pb2.Value:
    """The wire form of plain Python."""
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, Unknown):
        return struct_pb2.Value(string_value=_UNKNOWN_TEXT)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, list | tuple):
        items = [encode(item) for item in value]
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=items))
    if isinstance(value, dict):
        return struct_pb2.Value(struct_value=encode_map(value))
    if isinstance(value, Secret):
        return encode({SIGNATURE: SECRET, "value": value.value})
    if isinstance(value, Asset):
        return encode({SIGNATURE: _ARCHIVE if value.is_archive else _ASSET, **dict(value.fields)})
    raise TypeError(f"a {type(value).__name__} has no wire form")


def encode_map(values: dict[str, Any]) -> struct_pb2.Struct:
    return struct_pb2.Struct(fields={key: encode(item) for key, item in values.items()})


def reveal(value: Any) -> Any:
    """The value without the secret wrappers, at any depth."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, list):
        return [reveal(item) for item in value]
    if isinstance(value, dict):
        return {key: reveal(item) for key, item in value.items()}
    return value


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, Secret):
        yield value
        yield from _leaves(value.value)
    else:
        yield value


def has_unknown(value: Any) -> bool:
    return any(isinstance(leaf, Unknown) for leaf in _leaves(value))
