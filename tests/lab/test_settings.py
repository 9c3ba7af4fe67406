"""Settings that change what a session is: the applications' own affair."""

import json
import shlex

import pytest
import server_files
from labs import Lab, wait_until_whole
from steps import REFUSED, RING_NODE, Steps, parts

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


def processes(lab: Lab) -> str:
    return lab.ssh(NODE, "systemctl show --property=MainPID,ActiveEnterTimestampMonotonic mysql")


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


def test_what_the_running_server_takes_comes_without_a_restart(ring: Lab) -> None:
    steps, text = Steps(ring), ring.ssh(NODE, f"cat {CONFIG}")
    wait_until_whole(ring)
    before = processes(ring)
    more = "tmp_table_size = 48M\nlong_query_time = 0.5\nlocal_infile = ON\n"
    more += "sql_mode = ANSI\ndefault_time_zone = '+02:00'\ninit_connect = SET @a = 'b'\n"
    seen = "SELECT CONCAT_WS('/', @@global.tmp_table_size, @@global.long_query_time,"
    seen += " @@global.local_infile, @@global.sql_mode, @@global.time_zone, @@global.init_connect)"
    plain = ring.value(NODE, seen)
    try:
        assert brought_in(steps, f"{text}\n[mysqld]\n{more}")
        assert ring.ssh(NODE, f"cat {CONFIG}").endswith(more)
        ansi = "REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ANSI"
        assert ring.value(NODE, seen) == f"{48 << 20}/0.500000/1/{ansi}/+02:00/SET @a = 'b'"
        assert not brought_in(steps, f"{text}\n[mysqld]\n{more}"), "it is in"
    finally:
        assert brought_in(steps, text)
    assert ring.value(NODE, seen) == plain
    assert processes(ring) == before
    wait_until_whole(ring)


def test_a_setting_that_heals_an_unwell_ring_comes_in(ring: Lab) -> None:
    """A server that turns away every account but root's, because of a line that somebody wrote."""
    steps, text = Steps(ring), ring.ssh(NODE, f"cat {CONFIG}")
    wait_until_whole(ring)
    before = processes(ring)
    try:
        ring.ssh(NODE, f"echo 'init_connect = nonsense' | sudo tee -a {CONFIG}")
        ring.sql(NODE, "SET GLOBAL init_connect = 'nonsense'")
        ring.sql(NODE, "STOP SLAVE")
        static = f"{text}\n[mysqld]\nback_log = 70\ninit_connect = nonsense\n"
        steps.run(NODE, "config", static)
        wanted = server_files.document(static, steps.document(NODE, "tls"))
        error = steps.run(NODE, "restart", wanted, expect=REFUSED)
        assert "restart --though-unwell NODE" in error["next_step"]
    finally:
        assert brought_in(steps, text)
    assert ring.value(NODE, "SELECT @@global.init_connect") == ""
    assert processes(ring) == before
    ring.sql(NODE, "START SLAVE")  # whoever stopped it starts it
    wait_until_whole(ring)


def test_a_restart_by_hand_brings_in_what_an_unwell_ring_needs(ring: Lab) -> None:
    steps, text = Steps(ring), ring.ssh(NODE, f"cat {CONFIG}")
    wait_until_whole(ring)
    changed = f"{text}\n[mysqld]\nback_log = 70\n"
    wanted = server_files.document(changed, steps.document(NODE, "tls"))
    by_hand = f"{RING_NODE} restart --though-unwell"
    try:
        ring.sql(NODE, "STOP SLAVE SQL_THREAD")
        steps.run(NODE, "config", changed)
        assert "does not" in steps.run(NODE, "restart", wanted, expect=REFUSED)["found"]
        other = ring.run_on(NODE, f"{by_hand} node-1", expect=REFUSED)
        assert "--though-unwell node-1, on node-2" in parts(other.stderr)["found"]
        assert ring.value(NODE, "SELECT @@back_log") != "70"
        ring.ssh(NODE, f"{by_hand} {NODE}")
        assert ring.value(NODE, "SELECT @@back_log") == "70"
        assert steps.run(NODE, "restart", wanted)["changed"] is False, "the next update finds it"
        wait_until_whole(ring)
    finally:
        ring.sql(NODE, "START SLAVE")
        wait_until_whole(ring)
        brought_in(steps, text)
    wait_until_whole(ring)
