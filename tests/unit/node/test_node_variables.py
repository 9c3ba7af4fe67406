"""What of a changed my.cnf is set on a server that runs, and as what."""

from __future__ import annotations

from typing import Any

import pytest
from ring_node.mysql import variables
from ring_node.mysql.sql import ServerError
from ring_node.mysql.variables import Change, File, NotSet

pytestmark = pytest.mark.unit

# As mysqld 5.6.24 prints them.
VALUES = {
    "tmp-table-size": "33554432",
    "wait-timeout": "28800",
    "back-log": "80",
    "init-connect": "",
    "default-time-zone": "(No default value)",
    "transaction-isolation": "REPEATABLE-READ",
    "event-scheduler": "OFF",
    "character-set-server": "utf8",
}
OLD = "# of the program\n[mysqld]\ntmp_table_size = 32M\nwait-timeout = 28800\n\n"


def file(text: str = "", **values: str) -> File:
    changed = {name.replace("_", "-"): value for name, value in values.items()}
    return File(OLD + text, {**VALUES, **changed})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (OLD, {"tmp_table_size": "32M", "wait_timeout": "28800"}),
        ("[mysqld]\na = 1\n[mysqld]\n a=2\n", {"a": "2"}),
        ("[mysqld]\na =\n", {"a": ""}),
        ("[mysqld]\na = 1\n[ring-node]\na = auto\n", {"a": "1", "ring-node.a": "auto"}),
        ("[mysqld]\na = x = 'y z'\n", {"a": "x = 'y z'"}),
        ("[mysqld]\na = 1 # one\n", None),
        ("[mysqld]\na\n", None),
        ("[mysqld]\n!include /etc/x\n", None),
        ("[mysqld]\na = '#'\n", None),
        ("[client]\na = 1\n", None),
    ],
)
def test_a_file_with_anything_but_names_and_values_of_the_server_states_nothing_for_certain(
    text: str, found: dict[str, str] | None
) -> None:
    assert variables.stated(text) == found


SIZE = Change("tmp_table_size", "33554432", "50331648")


@pytest.mark.parametrize(
    ("new", "found"),
    [
        (file(), []),
        (file("# said otherwise\n"), []),
        (file("tmp_table_size = 32768K\n"), []),
        (file("tmp-table-size = 48M\n", tmp_table_size="50331648"), [SIZE]),
        (
            file("init_connect = SET @a = 1\n", init_connect="SET @a = 1"),
            [Change("init_connect", "", "SET @a = 1")],
        ),
        (
            file(
                "default_time_zone = '+02:00'\ntransaction_isolation = SERIALIZABLE\n",
                default_time_zone="+02:00",
                transaction_isolation="SERIALIZABLE",
            ),
            [
                Change("time_zone", "(No default value)", "+02:00"),
                Change("tx_isolation", "REPEATABLE-READ", "SERIALIZABLE"),
            ],
        ),
        (
            # What mysqld makes of one option for others stays for the next restart.
            file("tmp_table_size = 48M\n", tmp_table_size="50331648", back_log="70"),
            [SIZE],
        ),
        (file("event_scheduler = ON\n", event_scheduler="ON"), None),
        (file("character_set_server = latin1\n", character_set_server="latin1"), None),
        (file("[ring-node]\ntmp_table_size = auto\n"), None),
        (file("skip-name-resolve\n"), None),
        (file("tmp_table = 48M\n", tmp_table_size="50331648"), None),
        (file("performance_schema = 1\n"), None),
    ],
)
def test_a_file_that_differs_in_variables_alone_needs_no_restart(
    new: File, found: list[Change] | None
) -> None:
    assert variables.changes(new, file()) == found


def test_what_a_killed_restart_may_have_left_is_set_as_well() -> None:
    placed = file("tmp_table_size = 48M\n", tmp_table_size="50331648")
    assert variables.changes(file(), file(), placed) == [
        Change("tmp_table_size", "33554432", "33554432")
    ]
    edited = file("skip_networking\n")
    assert variables.changes(file(), file(), edited) is None


@pytest.mark.parametrize(
    ("value", "running", "text"),
    [
        ("50331648", 33554432, "50331648"),
        ("TRUE", 0, "1"),
        ("FALSE", 1, "0"),
        ("0.5", 2.0, "0.5"),
        ("nonsense", 1, None),
        ("ANSI", "STRICT_TRANS_TABLES", "'ANSI'"),
        ("SET @a = 'x'", "", "'SET @a = \\'x\\''"),
        ("12", "x", "'12'"),
        ("(No default value)", "SYSTEM", "DEFAULT"),
    ],
)
def test_a_value_is_written_as_the_type_of_its_variable(
    value: str, running: Any, text: str | None
) -> None:
    assert variables.assigned(value, running) == text


@pytest.mark.parametrize(
    ("value", "running", "same"),
    [
        ("50331648", 50331648, True),
        ("50331648", 50331647, False),
        ("TRUE", 1, True),
        ("TRUE", 0, False),
        ("0.5", 0.5, True),
        ("ON", 1, False),
        ("INDEX_SCAN,HASH_SCAN", "HASH_SCAN,INDEX_SCAN", True),
        ("INDEX_SCAN", "HASH_SCAN,INDEX_SCAN", False),
        ("FILE", "file", True),
        ("", None, True),
        ("(No default value)", "SYSTEM", True),
    ],
)
def test_a_value_that_is_read_back_is_compared_as_its_type(
    value: str, running: Any, same: bool
) -> None:
    assert variables.agrees(value, running) is same


class Server:
    """A server with some variables: `fixed` ones cannot be set, `least` is the least of a size."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {"size": 64, "text": "x", "fixed": 1}
        self.open = True

    def value(self, statement: str) -> Any:
        return self.values[statement.partition(".")[2].strip("`")]

    def do(self, statement: str, parameters: Any = ()) -> None:
        name, _, text = statement.removeprefix("SET GLOBAL `").partition("` = ")
        if name == "fixed":
            raise ServerError(1238, 7, "this server says 1238: read only", "", "")  # type: ignore[arg-type]
        given = parameters[0] if parameters else text.strip("'")
        self.values[name] = max(32, int(given)) if name == "size" else given


def test_variables_are_set_and_read_back() -> None:
    server = Server()
    variables.set_all(server, {"size": "128", "text": "y"})  # type: ignore[arg-type]
    assert server.values == {"size": 128, "text": "y", "fixed": 1}


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ({"fixed": "2"}, "1238: read only"),
        ({"size": "16"}, "size is 32 after SET GLOBAL size = 16"),
        ({"size": "large"}, "size = large"),
    ],
)
def test_where_one_variable_is_not_set_for_certain_none_is(last: dict[str, str], said: str) -> None:
    server = Server()
    with pytest.raises(NotSet, match=said):
        variables.set_all(server, {"text": "y", **last})  # type: ignore[arg-type]
    assert server.values == {"size": 64, "text": "x", "fixed": 1}
