"""Settings that change what a session is: the applications' own affair."""

import json
import shlex

import pytest
import server_files
from labs import Lab, wait_until_whole
from steps import Steps

pytestmark = pytest.mark.lab

NODE = "node-2"
CONFIG = "/etc/mysql/conf.d/mysqld.cnf"
# Each as some tuning guide or some application asks for it, or further away from the default.
CHANGED = """
[mysqld]
autocommit = 0
character_set_client_handshake = 0
completion_type = RELEASE
default_time_zone = '+02:00'
init_connect = SET SESSION autocommit = 0, sql_mode = 'ANSI', tx_read_only = 1
innodb_lock_wait_timeout = 1
lock_wait_timeout = 1
max_error_count = 0
max_join_size = 1000
old_passwords = 2
sql_mode = ANSI
transaction_isolation = SERIALIZABLE
wait_timeout = 5
"""
SEEN = "SELECT @@" + ", @@".join(
    (
        "autocommit",
        "character_set_client",
        "character_set_results",
        "completion_type",
        "innodb_lock_wait_timeout",
        "lock_wait_timeout",
        "max_error_count",
        "old_passwords",
        "sql_big_selects",
        "sql_mode",
        "time_zone",
        "tx_isolation",
        "tx_read_only",
        "wait_timeout",
    )
)
# Root's, and one of an account without SUPER, which init_connect is for.
SESSIONS = f"""
import json, sys
sys.path.insert(0, "/opt/mysql-ring/current")
from ring_node.mysql import sql
from ring_node.ring import records
from ring_node.base import paths
from ring_node.base.waiting import Deadline
with sql.own() as session:
    print(json.dumps(session.row({SEEN!r})))
login = records.heartbeat_login()
beat = sql._connect("this", Deadline(5), login, unix_socket=str(paths.SOCKET))
print(json.dumps(sql.Session(lambda: beat, "this", None).row({SEEN!r})))
"""


def sessions(lab: Lab) -> list[dict[str, str]]:
    printed = lab.ssh(NODE, shlex.join(["sudo", "python3", "-B", "-c", SESSIONS]))
    return [json.loads(line) for line in printed.splitlines()]


def brought_in(steps: Steps, text: str) -> bool:
    steps.run(NODE, "config", text)
    document = server_files.document(text, steps.document(NODE, "tls"))
    return steps.run(NODE, "restart", document)["changed"]


def test_whatever_sessions_are_given_by_mycnf_the_ring_is_well_and_the_tool_is_as_before(
    ring: Lab,
) -> None:
    steps, text = Steps(ring), ring.ssh(NODE, f"cat {CONFIG}")
    wait_until_whole(ring)
    plain = sessions(ring)
    assert plain[0] == plain[1]
    try:
        assert brought_in(steps, text + CHANGED)
        seen = (
            "SELECT CONCAT_WS('/', @@global.autocommit, @@global.sql_mode, @@global.wait_timeout)"
        )
        given = ring.value(NODE, seen)
        assert given.startswith("0/"), "the server is as my.cnf says"
        assert "ANSI_QUOTES" in given
        assert given.endswith("/5")
        assert sessions(ring) == plain
        wait_until_whole(ring)
        assert steps.run(NODE, "accounts")["changed"] is False, "rights are not taken for others"
        steps.run(NODE, "verify")
    finally:
        assert brought_in(steps, text)
    wait_until_whole(ring)
    assert ring.value(NODE, "SELECT @@global.autocommit") == "1"
