import pytest
from cloud.providers.difference import ADD, DELETE, UPDATE, difference
from cloud.providers.schema import (
    BOOLEAN,
    INTEGER,
    JSON,
    LIST,
    MAP,
    OBJECT,
    SET,
    Argument,
    Failure,
    Table,
    check_table,
)
from cloud.providers.values import UNKNOWN, Secret

pytestmark = pytest.mark.unit

TABLE = Table(
    arguments=(
        Argument("name", required=True, replace=True),
        Argument("size", INTEGER, default=8),
        Argument("flag", BOOLEAN, default=True),
        Argument("zone", computed=True, replace=True),
        Argument("tags", MAP),
        Argument("groups", SET),
        Argument("policy", JSON),
        Argument("left", conflicts=("right",)),
        Argument("right"),
        Argument(
            "disk", OBJECT, computed=True, fields=(Argument("kind", replace=True), Argument("gib"))
        ),
        Argument("rules", LIST, fields=(Argument("port", INTEGER, required=True),)),
    ),
)


def refused(**values: object) -> dict[str, str]:
    return {one.path: one.reason for one in check_table(TABLE, dict(values))[1]}


def test_an_unknown_argument_is_named_with_those_that_exist() -> None:
    reason = refused(name="a", sise=1)["sise"]
    assert "'sise'" in reason
    assert "size" in reason


def test_an_unknown_argument_inside_an_object_is_named_with_its_path() -> None:
    assert "disk.colour" in refused(name="a", disk={"colour": "red"})


def test_a_missing_argument_is_named() -> None:
    assert refused() == {"name": "'name' is required and was not set"}


def test_a_missing_argument_of_an_element_is_named_with_its_index() -> None:
    assert list(refused(name="a", rules=[{"port": 1}, {}])) == ["rules[1].port"]


def test_arguments_that_exclude_each_other_are_refused() -> None:
    assert refused(name="a", left="x", right="y") == {"left": "'left' conflicts with 'right'"}


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"size": "eight"}, "size"),
        ({"size": 1.5}, "size"),
        ({"flag": "yes"}, "flag"),
        ({"tags": ["a"]}, "tags"),
        ({"groups": "a"}, "groups"),
        ({"disk": "a"}, "disk"),
    ],
)
def test_a_value_of_another_kind_is_refused(values: dict[str, object], path: str) -> None:
    assert list(refused(name="a", **values)) == [path]


def test_numbers_and_flags_given_as_text_are_taken() -> None:
    checked, failures = check_table(TABLE, {"name": "a", "size": "12", "flag": "false"})
    assert (checked, failures) == ({"name": "a", "size": 12, "flag": False}, [])


def test_unknowns_and_secrets_pass_the_check() -> None:
    checked, failures = check_table(TABLE, {"name": UNKNOWN, "right": Secret("s")})
    assert failures == list[Failure]()
    assert checked == {"name": UNKNOWN, "right": Secret("s")}


STATE = {
    "name": "a",
    "size": 8,
    "flag": True,
    "zone": "z",
    "tags": {"a": "1"},
    "groups": ["x", "y"],
    "policy": '{"b": ["1"], "a": 2}',
    "disk": {"kind": "gp3", "gib": "8", "more": "computed"},
    "rules": [{"port": 1}],
}
INPUTS = {key: STATE[key] for key in ("name", "tags", "groups", "policy", "rules")}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {}),
        ({"name": "b"}, {"name": (UPDATE, True)}),
        ({"name": UNKNOWN}, {"name": (UPDATE, True)}),
        ({"size": 9}, {"size": (UPDATE, False)}),
        ({"flag": False}, {"flag": (DELETE, False)}),
        ({"zone": "other"}, {"zone": (UPDATE, True)}),
        ({"tags": {"a": "1", "b": "2"}}, {"tags.b": (ADD, False)}),
        ({"tags": {"a b": "1"}}, {"tags.a": (DELETE, False), 'tags["a b"]': (ADD, False)}),
        ({"groups": ["y", "x"]}, {}),
        ({"groups": ["y"]}, {"groups": (UPDATE, False)}),
        ({"policy": '{"a":2,"b":"1"}'}, {}),
        ({"policy": '{"a":3,"b":"1"}'}, {"policy": (UPDATE, False)}),
        ({"disk": {"gib": "9"}}, {"disk.gib": (UPDATE, False), "disk.kind": (DELETE, True)}),
        ({"disk": {"kind": "gp2", "gib": "8"}}, {"disk.kind": (UPDATE, True)}),
        ({"rules": [{"port": 1}, {"port": 2}]}, {"rules[1]": (ADD, False)}),
        ({"rules": [{"port": 3}]}, {"rules[0].port": (UPDATE, False)}),
        ({"left": Secret("new")}, {"left": (ADD, False)}),
    ],
)
def test_a_change_is_told_by_path_and_kind(
    changed: dict[str, object], expected: dict[str, object]
) -> None:
    assert difference(TABLE, STATE, {**INPUTS, **changed}) == expected


def test_an_argument_taken_away_goes_back_to_its_default() -> None:
    state = {**STATE, "size": 20}
    assert difference(TABLE, state, INPUTS) == {"size": (UPDATE, False)}


def test_what_the_api_chose_is_no_change_when_the_program_does_not_say_it() -> None:
    assert difference(TABLE, {**STATE, "zone": "elsewhere"}, INPUTS) == {}
