import pytest
from cloud.providers.values import (
    UNKNOWN,
    Asset,
    Secret,
    decode_map,
    encode_map,
    has_unknown,
    reveal,
)

pytestmark = pytest.mark.unit


def test_values_survive_the_way_to_the_engine_and_back() -> None:
    archive = Asset(True, (("hash", "abc"), ("path", "files/")))
    values = {
        "text": "a",
        "number": 3,
        "fraction": 1.5,
        "flag": True,
        "nothing": None,
        "list": ["x", {"y": 1}],
        "secret": Secret({"key": "hidden"}),
        "unknown": UNKNOWN,
        "archive": archive,
    }
    assert decode_map(encode_map(values)) == values


def test_an_archive_keeps_the_hash_of_the_engine() -> None:
    archive = Asset(True, (("hash", "abc"), ("path", "files/")))
    assert decode_map(encode_map({"a": archive}))["a"].get("hash") == "abc"


def test_revealing_takes_wrappers_off_at_any_depth() -> None:
    value = {"a": [Secret({"b": Secret("c")})]}
    assert reveal(value) == {"a": [{"b": "c"}]}


def test_an_unknown_below_a_secret_is_seen() -> None:
    assert has_unknown({"a": [Secret({"b": UNKNOWN})]})
    assert not has_unknown({"a": ["b"]})


def test_a_secret_is_not_in_its_own_text() -> None:
    assert "hidden" not in repr(Secret("hidden"))
