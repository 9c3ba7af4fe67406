"""Moments and names as people write them."""

import pytest
from ops import moments, typed
from ops.errors import Unfit
from ops.moments import Moment
from ops_ring import NOW

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-26T03:15:00Z",
        "2026-11-26T03:15Z",
        "2026-11-26 03:15:00Z",
        "2026-11-26t03:15:00z",
        "20261126T031500Z",
        "2026-11-26T04:15:00+01:00",
        "2026-11-25 22:15:00-05:00",
        "2026-11-26T08:45:00+0530",
        "2026-W48-4T03:15:00Z",
        "2026-11-26T03:15:00.999999Z",
        " 2026-11-26T03:15:00Z ",
    ],
)
def test_one_second_in_all_the_forms_that_it_can_be_written_in(text: str) -> None:
    moment = Moment(at=moments.time_of(text, NOW))
    assert moment.document() == {"at": "2026-11-26T03:15:00Z"}
    assert str(moment) == "2026-11-26T03:15:00Z"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yesterday", "not a time of ISO 8601"),
        ("", "not a time of ISO 8601"),
        ("2026-02-30T00:00:00Z", "not a time of ISO 8601"),
        ("1764126900", "not a time of ISO 8601"),
        ("0001-01-01T00:00:00+14:00", "not a time of ISO 8601"),
        ("2026-11-26T03:15:00", "has no zone: write 2026-11-26T03:15:00Z"),
        ("2026-11-26", "has no zone: write 2026-11-26T00:00:00Z"),
        ("2026-11-26T13:15:00Z", "is 2026-11-26T13:15:00Z, and now it is 2026-11-26T12:00:00Z"),
    ],
)
def test_what_is_no_moment_is_named_with_what_it_should_be(text: str, said: str) -> None:
    with pytest.raises(Unfit) as error:
        moments.time_of(text, NOW)
    assert said in str(error.value)


def test_the_clock_of_this_machine_may_be_a_little_behind() -> None:
    assert moments.shown(moments.time_of("2026-11-26T12:00:30Z", NOW)) == "2026-11-26T12:00:30Z"


def test_a_place_in_a_log_is_told_as_the_nodes_take_it() -> None:
    moment = Moment(place=moments.place_of("node-1", "bin.000012", "1234"))
    assert moment.document() == {"node": "node-1", "file": "bin.000012", "position": 1234}
    assert str(moment) == "bin.000012:1234 of node-1"


def test_all_that_is_wrong_with_a_place_is_said_at_once() -> None:
    with pytest.raises(Unfit, match=r"'bin' is not the name.*; '3' is not a position"):
        moments.place_of("node-1", "bin", "3")


@pytest.mark.parametrize("position", ["-1", "1e3", "٤٥", "", "0x10", " 12"])
def test_a_position_is_digits(position: str) -> None:
    with pytest.raises(Unfit, match="position"):
        moments.place_of("node-1", "bin.000012", position)


@pytest.mark.parametrize(
    ("text", "schema", "name"),
    [
        ("app.orders", "app", "orders"),
        ("`app`.`orders`", "app", "orders"),
        ("app.`or.ders`", "app", "or.ders"),
        ("`a``p`.`o r`", "a`p", "o r"),
        ("größe.straße", "größe", "straße"),
    ],
)
def test_a_table_is_two_names_bare_or_in_backticks(text: str, schema: str, name: str) -> None:
    named = typed.table(text, "table")
    assert named == {"schema": schema, "table": name}
    assert typed.table(typed.quoted(named), "table") == named


@pytest.mark.parametrize(
    "text",
    ["orders", "a.b.c", "app.", ".orders", "app.or ders", "`app.orders", "a." + "x" * 65, ""],
)
def test_what_names_no_table_is_refused(text: str) -> None:
    with pytest.raises(Unfit, match="table"):
        typed.table(text, "table")


@pytest.mark.parametrize(
    "moment",
    [
        Moment(),
        Moment(as_it_is=True),
        Moment(at=NOW),
        Moment(place=("node-1", "bin.000012", 4)),
        Moment(place=("a-node-with-a-long-name", "bin.000012", 123456789)),
    ],
)
def test_every_moment_makes_a_name_that_a_scratch_server_may_have(moment: Moment) -> None:
    name = typed.scratch_name_for(moment)
    assert typed.scratch_name(name) == name
