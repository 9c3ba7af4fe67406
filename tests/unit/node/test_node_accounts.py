"""Accounts: only the difference between what is wanted and what is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ring_node.base.errors import NodeError
from ring_node.base.report import Report
from ring_node.mysql import grants, sql
from ring_node.mysql.accounts import make
from ring_node.mysql.grants import Account, Rights
from ring_node.ring import admission, content, documents, privileges, records, schema
from ring_node.verbs import accounts

pytestmark = pytest.mark.unit

APP = Account("app", "192.168.100.%")
ALL = {"`app`.*": frozenset({"ALL PRIVILEGES"})}


def rights(places: dict[str, frozenset[str]], *, ssl: bool = False, hash_: str = "*AA") -> Rights:
    return Rights(hash_, ssl, places)


def test_an_absent_account_is_made_with_a_hash_and_its_privileges() -> None:
    assert grants.statements(APP, rights(ALL, ssl=True), None) == [
        "GRANT USAGE ON *.* TO 'app'@'192.168.100.%' IDENTIFIED BY PASSWORD '*AA' REQUIRE SSL",
        "GRANT ALL PRIVILEGES ON `app`.* TO 'app'@'192.168.100.%'",
    ]


def test_an_account_that_is_right_is_left_alone() -> None:
    assert grants.statements(APP, rights(ALL), rights(ALL)) == []


@pytest.mark.parametrize(
    ("have", "statements"),
    [
        (rights(ALL, hash_="*BB"), ["IDENTIFIED BY PASSWORD '*AA'"]),
        (rights(ALL, ssl=True), ["REQUIRE NONE"]),
        (rights({"`app`.*": frozenset({"SELECT"})}), ["REVOKE SELECT", "GRANT ALL PRIVILEGES"]),
        (rights({**ALL, "*.*": frozenset({"SUPER"})}), ["REVOKE SUPER ON *.*"]),
    ],
    ids=["password", "tls", "privileges", "too much"],
)
def test_only_what_differs_is_changed(have: Rights, statements: list[str]) -> None:
    made = grants.statements(APP, rights(ALL), have)
    assert len(made) == len(statements)
    for statement, part in zip(made, statements, strict=True):
        assert part in statement


def test_taking_all_privileges_away_leaves_the_wanted_ones() -> None:
    want = rights({"`app`.*": frozenset({"SELECT", "INSERT"})})
    assert grants.statements(APP, want, rights(ALL)) == [
        "REVOKE ALL PRIVILEGES ON `app`.* FROM 'app'@'192.168.100.%'",
        "GRANT INSERT, SELECT ON `app`.* TO 'app'@'192.168.100.%'",
    ]


def test_show_grants_is_read() -> None:
    found = grants.parse(
        [
            "GRANT RELOAD, SHOW DATABASES ON *.* TO 'p'@'10.10.1.11'"
            " IDENTIFIED BY PASSWORD '*AA' REQUIRE SSL",
            "GRANT UPDATE ON `mysql_ring`.`probe` TO 'p'@'10.10.1.11' WITH GRANT OPTION",
        ],
        "*AA",
    )
    assert found.require_ssl
    assert found.places["*.*"] == {"RELOAD", "SHOW DATABASES"}
    assert found.places["`mysql_ring`.`probe`"] == {"UPDATE", "GRANT OPTION"}


RIGHTS = rights(ALL, ssl=True)


@pytest.mark.parametrize(
    ("present", "held"),
    [
        (Account("app", "10.0.0.0/255.0.0.0"), True),
        (Account("app", "10.40.7.0/255.255.255.0"), True),
        (Account("app", "10.40.7.7/255.255.255.255"), True),
        (Account("app", "10.40.0.0/255.255.0.0"), False),
        (Account("app", "10.41.0.0/255.255.0.0"), False),
        (Account("other", "10.0.0.0/255.0.0.0"), False),
        (Account("app", "10.40.7.7"), False),
        (Account("app", "10.40.0.0/20"), False),
        (Account("app", "0.0.0.0/255.255.255.0"), False),
        (Account("app", "10.0.0.0/0.255.255.255"), False),
        (Account("app", "%"), False),
        (Account("app", "::/::"), False),
    ],
    ids=str,
)
def test_another_account_that_mysql_may_take_for_a_client_of_a_range_is_held_alike(
    present: Account, held: bool
) -> None:
    wanted = {
        Account("app", "10.40.0.0/255.255.0.0"): RIGHTS,
        Account("repuser", "10.10.1.11"): rights({}),
    }
    assert grants.alike(wanted, [present]) == ({present: RIGHTS} if held else {})


class Accounts:
    """A session of a server that has accounts, each with SELECT on `app`, without TLS."""

    def __init__(self, *present: Account) -> None:
        self.present = present
        self.done: list[str] = []

    def rows(self, statement: str, parameters: Any = ()) -> list[dict[str, str]]:
        if not statement.startswith("SHOW GRANTS"):
            return [{"User": a.user, "Host": a.host, "Password": "*AA"} for a in self.present]
        account = Account(*parameters)
        right = "ALL PRIVILEGES" if any(account.sql in each for each in self.done) else "SELECT"
        tls = " REQUIRE SSL" if right != "SELECT" else ""
        return [
            {"": f"GRANT USAGE ON *.* TO {account.sql} IDENTIFIED BY PASSWORD '*AA'{tls}"},
            {"": f"GRANT {right} ON `app`.* TO {account.sql}"},
        ]

    def do(self, statement: str) -> None:
        self.done.append(statement)


def test_the_accounts_of_a_range_that_was_taken_out_stay_and_are_named() -> None:
    apart, wider = Account("app", "10.41.0.0/255.255.0.0"), Account("app", "10.0.0.0/255.0.0.0")
    server, report = Accounts(apart, wider), Report("accounts")
    make(server, {Account("app", "10.40.0.0/255.255.0.0"): RIGHTS}, report)  # type: ignore[arg-type]
    stay, held = report.notes
    assert f"stay: {wider}, {apart} (drop them" in stay
    assert held.endswith(f": {wider}")
    assert not [each for each in server.done if "DROP" in each or apart.sql in each]
    assert [each for each in server.done if wider.sql in each and "ALL PRIVILEGES" in each]
    assert [each for each in server.done if wider.sql in each and "REQUIRE SSL" in each]


def document(**changes: Any) -> dict[str, Any]:
    return {
        "replication": {"user": "repuser", "password": "a"},
        "peer": {"user": "ring_peer", "password": "b"},
        "heartbeat": {"user": "ring_beat", "password": "c"},
        "peer_address": "10.10.1.11",
        "databases": ["my_app"],
        "users": [
            {
                "name": "app",
                "password": "d",
                "host": "192.168.100.%",
                "privileges": "ALL",
                "database": "my_app",
            }
        ],
        **changes,
    }


def test_the_rings_accounts_work_from_the_peer_only_and_over_tls() -> None:
    wanted = privileges.wanted(documents.accounts(document()))
    replication = wanted[Account("repuser", "10.10.1.11")]
    assert replication.require_ssl
    assert replication.places == {"*.*": frozenset({"REPLICATION SLAVE"})}
    assert wanted[Account("ring_peer", "10.10.1.11")].require_ssl
    assert "SUPER" not in wanted[Account("ring_peer", "10.10.1.11")].places["*.*"]
    assert Account("ring_beat", "localhost") in wanted


def test_an_underscore_in_a_database_name_is_no_pattern() -> None:
    wanted = privileges.wanted(documents.accounts(document()))
    assert list(wanted[Account("app", "192.168.100.%")].places) == ["`my\\_app`.*"]


def in_two(**changes: Any) -> dict[str, Any]:
    """A document with one user in two databases, as two entries."""
    first = document()["users"][0]
    second = {**first, "database": "reports", "privileges": "SELECT", **changes}
    return document(databases=["my_app", "reports"], users=[first, second])


def test_a_user_of_two_databases_is_one_account_with_both_rights() -> None:
    wanted = privileges.wanted(documents.accounts(in_two()))
    assert wanted[Account("app", "192.168.100.%")].places == {
        "`my\\_app`.*": frozenset({"ALL PRIVILEGES"}),
        "`reports`.*": frozenset({"SELECT"}),
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "e"}, "two passwords or TLS requirements"),
        ({"require_ssl": True}, "two passwords or TLS requirements"),
        ({"database": "my_app"}, "users are"),
    ],
    ids=["two passwords", "tls once", "one database twice"],
)
def test_two_entries_of_a_user_that_contradict_each_other_are_refused(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(NodeError) as caught:
        documents.accounts(in_two(**changes))
    assert said in caught.value.found
    assert "'e'" not in caught.value.render()


class Server:
    """A session that notes what it is told, and whether that enters the binary log."""

    def __init__(self) -> None:
        self.logged: list[str] = []
        self.hidden: list[str] = []
        self._told = self.logged

    def do(self, statement: str, _parameters: Any = ()) -> int:
        self._told.append(statement)
        return 0

    @contextmanager
    def unlogged(self) -> Iterator[None]:
        self._told = self.hidden
        yield
        self._told = self.logged


@pytest.mark.parametrize("admitted", [True, False], ids=["admitted", "not yet"])
def test_a_new_database_is_in_the_binary_log_of_an_admitted_node_only_and_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch, admitted: bool
) -> None:
    server = Server()

    @contextmanager
    def own(*_: Any, **__: Any) -> Iterator[Server]:
        yield server

    monkeypatch.setattr(sql, "own", own)
    monkeypatch.setattr(admission, "admitted", lambda: admitted)
    monkeypatch.setattr(content, "databases", lambda _: {})
    monkeypatch.setattr(schema, "exists", lambda _: False)
    monkeypatch.setattr(accounts.accounts, "make", lambda session, *_: session.do("GRANT"))
    monkeypatch.setattr(records, "write_credentials", lambda *_: False)
    monkeypatch.setattr(records, "node", lambda: None)
    accounts.run(document())
    made = "CREATE DATABASE IF NOT EXISTS `my_app`"
    assert server.logged == ([made] if admitted else [])
    assert server.hidden == [*([] if admitted else [made]), *schema.CREATE, "GRANT"]
