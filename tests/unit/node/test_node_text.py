"""What the node tool reads out of other programs' text, and the text that it writes."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from cloud.setup.packages import MIRRORED
from ring_node.agent import service
from ring_node.base.errors import Exit, NodeError
from ring_node.base.report import Report
from ring_node.host import packages, programs
from ring_node.mysql import bootstrap, lifecycle, master, options, program, sql
from ring_node.mysql.login import Login, client_file, stored_password
from ring_node.mysql.shows import Coordinates, show_master_status, slave_status
from ring_node.mysql.sql import Session
from ring_node.ring import follow, peer_accounts
from ring_node.ring.documents import Node, Pair, Peer
from ring_node.verbs import install, schedule

pytestmark = pytest.mark.unit

PAIR = Pair(
    Node("node-1", 1, "192.168.100.10", "10.10.1.10"), Peer("node-2", 2, "10.10.1.11", "i-2")
)


@pytest.mark.parametrize(
    "shown",
    ["IDENTIFIED BY PASSWORD", "IDENTIFIED BY PASSWORD <secret>", "IDENTIFIED BY PASSWORD '*0'"],
)
@pytest.mark.parametrize("rest", ["", " REQUIRE SSL"])
def test_a_copied_account_gets_its_hash_however_the_peer_hides_it(shown: str, rest: str) -> None:
    grant = f"GRANT USAGE ON *.* TO 'a'@'%' {shown}{rest}"
    wanted = f"GRANT USAGE ON *.* TO 'a'@'%' IDENTIFIED BY PASSWORD '*AB'{rest}"
    assert peer_accounts.with_hash(grant, "*AB") == wanted


HASH = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


@pytest.mark.parametrize(
    ("plugin", "password_hash", "why"),
    [
        ("mysql_native_password", HASH, ""),
        ("", HASH, ""),
        (None, HASH, ""),
        ("mysql_native_password", "", "it has no password"),
        ("mysql_old_password", "428567f408994404", "it logs in by mysql_old_password"),
        ("", "428567f408994404", "its password is of another format"),
        ("sha256_password", "", "it logs in by sha256_password"),
        ("auth_socket", "", "it logs in by auth_socket"),
    ],
)
def test_an_account_is_copied_only_with_a_password_that_can_be_copied(
    plugin: str | None, password_hash: str, why: str
) -> None:
    assert peer_accounts.why_not_copied(plugin, password_hash) == why


class Accounts:
    """A server with accounts, one row each, and what it was told; it knows no table `gone`."""

    def __init__(self, *rows: dict[str, str], grants: tuple[str, ...] = ()) -> None:
        self.accounts, self.grants, self.done = rows, grants, []

    def rows(self, statement: str, _parameters: Any = ()) -> list[dict[str, str]]:
        if statement == peer_accounts.ACCOUNTS:
            return list(self.accounts)
        return [{"Grants": grant} for grant in self.grants]

    def do(self, statement: str, parameters: Any = ()) -> int:
        words = tuple(sql.literal(word) for word in parameters)
        if "`gone`" in statement:
            raise NodeError(Exit.SERVER, "no table `gone`", "one", "make it")
        self.done.append(statement % words if words else statement)
        return 0

    def unlogged(self) -> Any:
        return nullcontext()


@pytest.mark.parametrize(
    "first", ["GRANT USAGE ON *.* TO 'a'@'%' IDENTIFIED BY PASSWORD <secret>", ""]
)
def test_an_account_has_its_password_before_its_grants_whatever_the_peer_shows(
    monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.setattr(peer_accounts, "_of_the_ring", lambda *_: False)
    rest = "GRANT SELECT ON `app`.* TO 'a'@'%'"
    given = {"user": "a", "host": "%", "hash": HASH, "plugin": "mysql_native_password"}
    own: Any = Accounts()
    other: Any = Accounts(given, grants=(first, rest) if first else (rest,))
    peer_accounts.copy(own, other, Report("seed"))
    with_password = f"GRANT USAGE ON *.* TO 'a'@'%' IDENTIFIED BY PASSWORD '{HASH}'"
    assert own.done == [with_password, *([with_password] if first else []), rest]


def test_a_grant_that_cannot_be_made_takes_no_other_one_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a table that was dropped, whose grants MySQL keeps."""
    monkeypatch.setattr(peer_accounts, "_of_the_ring", lambda *_: False)
    given = {"user": "a", "host": "%", "hash": HASH, "plugin": "mysql_native_password"}
    kept = "GRANT SELECT ON `app`.* TO 'a'@'%'"
    own: Any = Accounts()
    other: Any = Accounts(given, grants=("GRANT INSERT ON `app`.`gone` TO 'a'@'%'", kept))
    report = Report("seed")
    peer_accounts.copy(own, other, report)
    assert own.done[1:] == [kept]
    (note,) = report.notes
    assert "copied without GRANT INSERT ON `app`.`gone`: no table `gone`" in note


def test_an_account_of_another_plugin_is_left_out_with_a_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peer_accounts, "_of_the_ring", lambda *_: False)
    given = {"user": "a", "host": "%", "hash": "", "plugin": "sha256_password"}
    own: Any = Accounts()
    other: Any = Accounts(given, grants=("GRANT USAGE ON *.* TO 'a'@'%'",))
    report = Report("seed")
    peer_accounts.copy(own, other, report)
    assert own.done == []
    assert report.notes == [
        "account a@% was not copied: it logs in by sha256_password; make it by hand, with "
        "SET sql_log_bin = 0"
    ]


def test_a_package_counts_only_when_it_is_wholly_installed() -> None:
    listing = "libaio1 ii \nxfsprogs rc \nlibtinfo5 un \n"
    names = ("libaio1", "xfsprogs", "libtinfo5", "libncurses5")
    assert packages.not_installed(names, listing) == names[1:]


def unpacked(place: Path) -> Path:
    """As far as the header of an x86-64 mysqld says it."""
    mysqld = place / "bin" / "mysqld"
    mysqld.parent.mkdir()
    mysqld.write_bytes(b"\x7fELF\x02\x01" + bytes(12) + b"\x3e\x00")
    return mysqld


@pytest.mark.parametrize(("version", "taken"), [("5.6.21", False), ("5.6.22-log", True)])
def test_a_server_too_old_for_its_my_cnf_is_refused_before_it_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, taken: bool
) -> None:
    mysqld = unpacked(tmp_path)
    said = f"{mysqld}  Ver {version} for linux-glibc2.5 on x86_64 (MySQL Community Server (GPL))\n"
    monkeypatch.setattr(programs, "attempt", lambda *_, **__: (0, said, ""))
    if taken:
        assert program.check(tmp_path) == "5.6.22"
        return
    with pytest.raises(NodeError, match=r"MySQL 5\.6\.21, older than 5\.6\.22") as caught:
        program.check(tmp_path)
    assert caught.value.code is Exit.REFUSED
    assert "mysqlArchiveUrl" in caught.value.next_step


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libnuma.so.1", "libnuma1"),
        ("libncurses.so.5", "libncurses5"),
        ("libssl.so.1.1", "libssl1.1"),
        ("libstdc++.so.6", "libstdc++6"),
        ("libpcre2-8.so.0", "libpcre2-8-0"),
    ],
)
def test_a_library_that_mysqld_lacks_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, package: str
) -> None:
    mysqld = unpacked(tmp_path)
    said = (
        f"{mysqld}: error while loading shared libraries: {library}: cannot open shared object "
        "file: No such file or directory\n"
    )
    monkeypatch.setattr(programs, "attempt", lambda *_, **__: (127, "", said))
    with pytest.raises(NodeError) as caught:
        program.check(tmp_path)
    assert caught.value.code is Exit.HOST
    assert library in caught.value.found
    assert f"`apt-get install {package}`" in caught.value.next_step
    assert "mysqlArchiveUrl" not in caught.value.render()


@pytest.mark.parametrize(
    "library", ["libaio.so.1", "libnuma.so.1", "libtinfo.so.5", "libncurses.so.5"]
)
def test_the_libraries_of_the_default_archives_server_are_asked_for(library: str) -> None:
    """The lab's older server runs without libnuma: no host of it would miss that one."""
    assert packages.debian_package(library) in install.PACKAGES


def test_the_lab_mirrors_every_package_that_the_node_tool_asks_for() -> None:
    assert {*install.PACKAGES, *schedule.PACKAGES} <= set(MIRRORED)


def test_the_variables_of_mysqld_are_read_from_its_help() -> None:
    output = (
        "  --datadir=name  Path\n\nVariables (--variable-name=value)\nand boolean options\n"
        "--------- -----\ndatadir      /var/lib/mysql/\nserver-id    1\nssl-crl  \n"
    )
    assert options.variables(output)["datadir"] == "/var/lib/mysql/"
    assert options.variables(output)["server-id"] == "1"


def test_a_missing_data_directory_is_no_complaint_about_my_cnf() -> None:
    log = (
        "x [ERROR] Can't open the mysql.plugin table.\nx [ERROR] mysqld: unknown variable 'a=1'\n"
        "x [ERROR] Aborting\n"
    )
    assert options.complaints(log) == ["x [ERROR] mysqld: unknown variable 'a=1'"]


def test_the_error_log_is_quoted_by_its_errors_or_else_by_its_end() -> None:
    assert lifecycle.errors_of("a\nb [ERROR] c\nd") == "b [ERROR] c"
    assert lifecycle.errors_of("a\nb") == "a | b"


def test_every_log_of_my_cnf_that_grows_is_rotated() -> None:
    """Nothing else takes anything away from these: the binary logs have an age."""
    said = (Path(__file__).parents[1] / "components/golden/node-1.cnf").read_text()
    growing = re.findall(r"^(?:log-error|slow_query_log_file) = (\S+)$", said, re.MULTILINE)
    head, _, rest = lifecycle.LOGROTATE.partition("{")
    rotated = [path for line in head.splitlines() if line[:1] == "/" for path in line.split()]
    assert sorted(rotated) == sorted(growing)
    assert "FLUSH LOCAL ERROR LOGS, SLOW LOGS" in rest


def test_an_sql_file_becomes_one_statement_a_line_without_comments() -> None:
    source = "-- a\nCREATE TABLE x (\n  a INT\n);\n# b\nset @a= 1;\n\nSELECT 1"
    assert list(bootstrap.statements(source)) == [
        "CREATE TABLE x ( a INT );",
        "set @a= 1;",
        "SELECT 1;",
    ]


def test_the_bootstrap_secures_root_before_anything_can_connect() -> None:
    lines = bootstrap.script(["CREATE TABLE user (a INT);"], "secret-word").splitlines()
    assert lines[0] == "use mysql;"
    assert lines[-1].startswith("UPDATE user SET Password = '*")
    assert "secret-word" not in "\n".join(lines)


def test_the_password_hash_is_the_one_of_mysql() -> None:
    # SELECT PASSWORD('password') of MySQL 5.6
    assert bootstrap.password_hash("password") == "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


def test_the_client_file_gives_back_the_password_that_went_in() -> None:
    login = Login("root", "a#b=c%d;e`f$g")
    text = client_file(login, "socket=/x\n").decode()
    assert stored_password(text) == login.password


def test_a_login_does_not_show_its_password() -> None:
    assert "word" not in repr(Login("u", "word"))


def test_a_program_for_another_machine_is_named(tmp_path: Any) -> None:
    mysqld = tmp_path / "mysqld"
    for content, machine in (
        (b"\x7fELF\x02\x01" + bytes(12) + b"\x3e\x00", "x86-64"),
        (b"\x7fELF\x02\x01" + bytes(12) + b"\xb7\x00", "aarch64"),
        (b"#!/bin/sh\n", "no Linux at all (it is not an ELF program)"),
    ):
        mysqld.write_bytes(content)
        assert programs.elf_machine(mysqld) == machine


def test_change_master_states_every_tls_setting_and_the_place() -> None:
    target = follow.connection(PAIR, Login("repuser", "it's"))
    statement = master.change_master(target, Coordinates("bin.000003", 77))
    for part in (
        "MASTER_HOST = '10.10.1.11'",
        "MASTER_BIND = '10.10.1.10'",
        "MASTER_PASSWORD = 'it\\'s'",
        "MASTER_LOG_FILE = 'bin.000003'",
        "MASTER_LOG_POS = 77",
        "MASTER_SSL = 1",
        "MASTER_SSL_CA = '/etc/mysql/ssl/CA.pem'",
        "MASTER_SSL_VERIFY_SERVER_CERT = 1",
        "MASTER_SSL_CERT = ''",
        "MASTER_SSL_CRLPATH = ''",
        "MASTER_RETRY_COUNT = 4294967295",
    ):
        assert part in statement


def test_a_changed_replication_password_is_seen_without_being_shown() -> None:
    target = follow.connection(PAIR, Login("repuser", "new-word"))
    row = {
        "Host": "10.10.1.11", "Port": 3306, "User_name": "repuser", "User_password": "old-word",
        "Bind": "10.10.1.10", "Connect_retry": 2, "Heartbeat": 1.0,
        "Retry_count": 4294967295,
        "Enabled_ssl": 1, "Ssl_ca": "/etc/mysql/ssl/CA.pem", "Ssl_capath": "", "Ssl_cert": "",
        "Ssl_key": "", "Ssl_cipher": "", "Ssl_verify_server_cert": 1, "Ignored_server_ids": "0",
    }  # fmt: skip
    assert master.differs(target, row) == ["User_password"]
    assert master.differs(target, {**row, "User_password": "new-word"}) == []
    former = {**row, "User_password": "new-word", "Retry_count": 0}
    assert master.differs(target, former) == ["Retry_count"], "a ring of an earlier release"


def test_a_slave_that_was_reset_is_no_slave() -> None:
    assert slave_status(None) is None
    assert slave_status({"Master_Host": ""}) is None


def test_coordinates_compare_by_the_number_of_the_file() -> None:
    assert Coordinates("bin.1000000", 4).order > Coordinates("bin.999999", 120).order


def test_the_servers_unit_waits_and_restarts_within_bounds() -> None:
    for line in (
        "User=mysql",
        "Requires=mysql-ring-volume.service mysql-ring-gate.service",
        "ExecStartPre=+/usr/sbin/nft -f /etc/mysql-ring/gate.nft",
        "ExecStart=/opt/mysql/current/bin/mysqld --defaults-file=/etc/mysql/conf.d/mysqld.cnf"
        " --read-only --event-scheduler=OFF $MEMORY",
        "ExecStartPost=-/opt/mysql-ring/current/ring-node wait-ready",
        "Restart=on-failure",
        "TimeoutStartSec=infinity",
        "TimeoutStopSec=3600",
        "RuntimeDirectory=mysqld",
    ):
        assert line in lifecycle.UNIT.splitlines()


def test_the_agents_unit_runs_for_ever_with_two_of_roots_rights() -> None:
    for line in (
        "ExecStart=/opt/mysql-ring/current/ring-node agent",
        "CapabilityBoundingSet=CAP_NET_ADMIN CAP_DAC_READ_SEARCH",
        "RuntimeDirectory=mysql-ring",
        "Restart=always",
        "StartLimitIntervalSec=0",
    ):
        assert line in service.UNIT.splitlines()


def test_the_masters_coordinates_are_the_columns_file_and_position() -> None:
    class Server:
        def row(self, _statement: str) -> dict[str, Any]:
            return {"File": "bin.000003", "Position": 77, "Binlog_Do_DB": ""}

    server: Any = Server()
    assert show_master_status(server) == Coordinates("bin.000003", 77)


class Quotes:
    """A connection to a server that quotes a statement of a latin1 client, if it may."""

    open = True

    def __init__(self) -> None:
        self.sent: list[str] = []

    def cursor(self, _kind: object) -> Quotes:
        return self

    def __enter__(self) -> Quotes:
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, statement: str, _parameters: object) -> int:
        self.sent.append(statement)
        return 0

    def fetchall(self) -> list[dict[str, object]]:
        assert self.sent[0] == "SET SESSION character_set_results = binary"
        return [
            {"Last_SQL_Error": b"Query: 'h\xe9ld \xc3\xa9'", "Last_SQL_Errno": 1050, "Key": None}
        ]


def test_what_a_server_quotes_of_a_client_in_another_character_set_is_read() -> None:
    connection = Quotes()
    row = Session(lambda: connection, "this server", None).quoting_row("SHOW SLAVE STATUS")
    assert row == {
        "Last_SQL_Error": "Query: 'h\ufffdld \u00e9'",
        "Last_SQL_Errno": 1050,
        "Key": None,
    }
    assert connection.sent[-1] == "SET SESSION character_set_results = utf8"
