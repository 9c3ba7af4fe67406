"""Accounts: only the difference between what is wanted and what is there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from ring_node.base.errors import NodeError
from ring_node.base.report import Report
from ring_node.mysql import grants, sql
from ring_node.mysql.accounts import OPEN, make
from ring_node.mysql.grants import Account, Rights
from ring_node.ring import admission, content, documents, privileges, records, schema
from ring_node.verbs import accounts

from components.accounts import PRIVILEGES

pytestmark = pytest.mark.unit

APP = Account("app", "192.168.100.%")
ALL = {"`app`.*": frozenset({"ALL PRIVILEGES"})}
EVERY = grants.ON_DATABASE


def rights(
    places: dict[str, frozenset[str]], *, ssl: bool | None = False, hash_: str = "*AA"
) -> Rights:
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
        (rights(ALL, ssl=None), ["REQUIRE NONE"]),
        (rights({"`app`.*": frozenset({"SELECT"})}), ["GRANT ALTER, ALTER ROUTINE, CREATE, "]),
        (rights({"`app`.*": EVERY}), []),
        (rights({"`app`.*": EVERY | {"GRANT OPTION"}}), ["REVOKE GRANT OPTION ON `app`.*"]),
        (rights({**ALL, "*.*": frozenset({"SUPER"})}), ["REVOKE SUPER ON *.*"]),
        (
            rights({**ALL, "*.*": frozenset({"ALL PRIVILEGES", "GRANT OPTION"})}),
            ["REVOKE ALL PRIVILEGES ON *.*", "REVOKE GRANT OPTION ON *.*"],
        ),
        (rights({**ALL, "'x'@'y'": frozenset({"PROXY"})}), ["REVOKE PROXY ON 'x'@'y' FROM"]),
    ],
    ids=[
        "password",
        "tls",
        "a certificate",
        "privileges",
        "each by its name",
        "may grant",
        "too much",
        "all of all",
        "proxy",
    ],
)
def test_only_what_differs_is_changed(have: Rights, statements: list[str]) -> None:
    made = grants.statements(APP, rights(ALL), have)
    assert len(made) == len(statements)
    for statement, part in zip(made, statements, strict=True):
        assert part in statement


def test_what_stays_is_never_taken_away() -> None:
    want = rights({"`app`.*": frozenset({"SELECT", "INSERT"})})
    (revoked,) = grants.statements(APP, want, rights(ALL))
    assert revoked.startswith("REVOKE ALTER, ")
    assert "SELECT" not in revoked
    assert "INSERT" not in revoked


def test_all_privileges_of_a_table_are_taken_away_before_the_wanted_ones_are_given() -> None:
    want = rights({"`app`.`t`": frozenset({"SELECT (`a`)", "UPDATE"})})
    have = rights({"`app`.`t`": frozenset({"ALL PRIVILEGES", "SELECT (`a`)"})})
    assert grants.statements(APP, want, have) == [
        "REVOKE ALL PRIVILEGES ON `app`.`t` FROM 'app'@'192.168.100.%'",
        "GRANT SELECT (`a`), UPDATE ON `app`.`t` TO 'app'@'192.168.100.%'",
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


def test_the_program_takes_the_rights_that_all_of_a_database_are_on_the_host() -> None:
    assert set(PRIVILEGES) - {"ALL", "ALL PRIVILEGES"} == grants.ON_DATABASE


GRANTED = (
    ("SELECT, INSERT ON `App`.*", "`App`.*", {"SELECT", "INSERT"}),
    ("ALL PRIVILEGES ON `my db`.*", "`my db`.*", {"ALL PRIVILEGES"}),
    ("SELECT ON `a ON b`.`t`", "`a ON b`.`t`", {"SELECT"}),
    (
        "SELECT (a, b c), INSERT, UPDATE (a) ON `App`.`c`",
        "`App`.`c`",
        {"SELECT (`a`)", "SELECT (`b c`)", "INSERT", "UPDATE (`a`)"},
    ),
    ("EXECUTE ON PROCEDURE `App`.`p`", "PROCEDURE `App`.`p`", {"EXECUTE"}),
)


@pytest.mark.parametrize("mark", ["`", '"'], ids=["quoted", "in ANSI"])
@pytest.mark.parametrize(("shown", "place", "privileges"), GRANTED)
def test_a_right_is_the_same_under_each_sql_mode(
    shown: str, place: str, privileges: set[str], mark: str
) -> None:
    line = f"GRANT {shown} TO 'app'@'%'".replace("`", mark)
    assert grants.parse([line], "*AA").places == {place: privileges}


def test_who_may_be_proxy_is_one_right() -> None:
    line = "GRANT PROXY ON 'x'@'y' TO 'app'@'%' WITH GRANT OPTION"
    assert grants.parse([line], "*AA").places == {"'x'@'y'": {"PROXY"}}


@pytest.mark.parametrize(
    ("required", "found"), [("", False), (" REQUIRE SSL", True), (" REQUIRE X509", None)]
)
def test_more_than_tls_is_not_taken_for_tls_or_for_nothing(
    required: str, found: bool | None
) -> None:
    assert grants.parse([f"GRANT USAGE ON *.* TO 'a'@'%'{required}"], "").require_ssl is found


def test_a_grant_that_is_not_understood_is_refused_without_what_follows_the_account() -> None:
    with pytest.raises(NodeError, match="another form") as caught:
        grants.parse(["GRANT SELECT ON here TO 'a'@'%' IDENTIFIED BY PASSWORD '*AA'"], "*AA")
    assert "*AA" not in caught.value.render()


class OneAccount:
    """A server with one account, that notes what it is told."""

    def __init__(self, plugin: str | None) -> None:
        self.plugin, self.told = plugin, []

    def rows(self, statement: str, _parameters: Any = ()) -> list[dict[str, Any]]:
        if statement.startswith("SHOW GRANTS"):
            return [{"x": f"GRANT USAGE ON *.* TO {APP.sql}"}]
        return [{"User": APP.user, "Host": APP.host, "Password": "*AA", "plugin": self.plugin}]

    def do(self, statement: str) -> None:
        self.told.append(statement)


@pytest.mark.parametrize("plugin", ["sha256_password", "auth_socket"])
def test_an_account_of_the_settings_that_logs_in_by_another_plugin_is_left_as_it_is(
    plugin: str,
) -> None:
    session: Any = OneAccount(plugin)
    new = Account("new", "%")
    with pytest.raises(NodeError, match=f"{APP} logs in by {plugin}"):
        make(session, {new: rights(ALL), APP: rights({})}, Report("accounts"))
    assert session.told == []


@pytest.mark.parametrize("plugin", [None, "", "mysql_native_password", "mysql_old_password"])
def test_an_account_of_the_settings_with_a_password_of_the_servers_own_is_left_when_it_is_right(
    plugin: str | None,
) -> None:
    session: Any = OneAccount(plugin)
    make(session, {APP: rights({})}, Report("accounts"))
    assert session.told == []


@pytest.mark.parametrize(
    ("user", "host", "password", "plugin", "string", "is_open"),
    [
        ("app", "%", "*AA", "mysql_native_password", "", False),
        ("app", "%", "", "mysql_native_password", "", True),
        ("app", "%", "", "", None, True),
        ("app", "%", "", None, None, True),
        ("app", "%", "", "mysql_old_password", "AA", True),
        ("app", "%", "", "sha256_password", "$5$AA", False),
        ("app", "%", "", "sha256_password", "", True),
        ("app", "%", "", "sha256_password", None, True),
        ("app", "%", "", "auth_socket", "", False),
        ("app", "%", "", "authentication_pam", None, False),
        ("", "%", "*AA", "mysql_native_password", "", True),
        ("root", "localhost", "*AA", "mysql_native_password", "", False),
        ("root", "%", "*AA", "mysql_native_password", "", True),
    ],
)
def test_an_account_is_open_to_anyone_by_what_its_plugin_asks_for(
    user: str, host: str, password: str, plugin: str | None, string: str | None, is_open: bool
) -> None:
    """Asked of SQLite, for which these words mean the same."""
    with closing(sqlite3.connect(":memory:")) as server:
        server.create_function("CONCAT", -1, lambda *parts: "".join(parts))
        server.execute("ATTACH ':memory:' AS mysql")
        server.execute(
            "CREATE TABLE mysql.user (User, Host, Password, plugin, authentication_string)"
        )
        row = (user, host, password, plugin, string)
        server.execute("INSERT INTO mysql.user VALUES (?, ?, ?, ?, ?)", row)
        assert server.execute(OPEN).fetchall() == ([(f"{user}@{host}",)] if is_open else [])


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
            return [
                {"User": a.user, "Host": a.host, "Password": "*AA", "plugin": ""}
                for a in self.present
            ]
        account = Account(*parameters)
        made = [each for each in self.done if account.sql in each and " ON `app`.* " in each]
        tls = " REQUIRE SSL" if made else ""
        return [
            {"": f"GRANT USAGE ON *.* TO {account.sql} IDENTIFIED BY PASSWORD '*AA'{tls}"},
            *({"": line} for line in [f"GRANT SELECT ON `app`.* TO {account.sql}", *made]),
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
    assert not [each for each in server.done if "DROP USER" in each or apart.sql in each]
    assert [each for each in server.done if wider.sql in each and "INSERT" in each]
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
