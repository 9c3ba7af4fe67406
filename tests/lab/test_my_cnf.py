"""my.cnf on the hosts: what the servers make of it, the logs that it names, and a hand in it."""

import re

import pytest
from labs import NODES, Lab, eventually, step_name, wait_until_whole

from components.mysql.configuration import values_of

pytestmark = pytest.mark.lab

NODE, PEER = "node-1", "node-2"
CONFIG = "/etc/mysql/conf.d/mysqld.cnf"
LOGS = "/var/log/mysql"
ROTATED = ("error.log", "slow.log")
CLIENT = "sudo mysql --defaults-file=/root/.my.cnf"
UNITS = {"k": 10, "m": 20, "g": 30}
# In SHOW VARIABLES there is no such name, or another value by nature.
NOT_SHOWN = {"user", "ssl", "symbolic_links", "replicate_same_server_id"}
SHOWN_OTHERWISE = {"log_bin": "on"}
# As after a week: `logrotate` looks at the dates in its state.
A_WEEK_AGO = f"""sudo sh -c 'printf "%s\\n" "logrotate state -- version 2" \\
"\\"{LOGS}/error.log\\" 2020-1-1-0:0:0" "\\"{LOGS}/slow.log\\" 2020-1-1-0:0:0" \\
> /var/lib/logrotate/status'"""


def comparable(value: str) -> str:
    """A value, however my.cnf or the server writes it."""
    text = value.strip().lower().rstrip("/")
    if size := re.fullmatch(r"(\d+)([kmg])", text):
        return str(int(size[1]) << UNITS[size[2]])
    if number := re.fullmatch(r"(\d+)(\.0+)?", text):
        text = number[1]
    named = {"on": "1", "off": "0", "demand": "2"}
    return ",".join(sorted(named.get(each, each) for each in text.split(",")))


@pytest.mark.parametrize("node", NODES)
def test_the_server_runs_with_every_entry_of_its_my_cnf(ring: Lab, node: str) -> None:
    written = values_of(ring.ssh(node, f"cat {CONFIG}"))
    shown = dict(ring.sql(node, "SHOW GLOBAL VARIABLES"))
    assert written.keys() - shown.keys() == NOT_SHOWN
    wanted = {**written, **SHOWN_OTHERWISE}
    differing = {
        name: (wanted[name], shown[name])
        for name in written.keys() & shown.keys()
        if comparable(wanted[name]) != comparable(shown[name])
    }
    assert not differing
    said = ring.ssh(node, f"sudo sh -c 'cat {LOGS}/error.log*'")
    assert "unknown variable" not in said
    assert "unambiguous" not in said


@pytest.mark.parametrize("node", NODES)
def test_a_slave_connects_again_for_ever(ring: Lab, node: str) -> None:
    assert ring.slave_status(node)["Master_Retry_Count"] == str(2**32 - 1)


def test_logs_that_are_rotated_are_written_anew_and_conflicts_before_and_after_count(
    ring: Lab, table: str
) -> None:
    def conflicts() -> int:
        return ring.status(NODE)["conflicts"]["count"]

    def conflict(row: int) -> None:
        ring.sql(PEER, f"INSERT INTO {table} (id) VALUES ({row})")
        eventually(
            lambda: ring.value(NODE, f"SELECT COUNT(*) FROM {table} WHERE id = {row}"),
            lambda count: count == "1",
            "the row",
        )
        ring.sql(NODE, f"SET sql_log_bin = 0; DELETE FROM {table} WHERE id = {row}")
        before = said()
        ring.sql(PEER, f"UPDATE {table} SET note = 'x' WHERE id = {row}")
        eventually(said, lambda now: now > before, "the conflict in the error log")

    def said() -> int:
        found = f"sudo sh -c 'cat {LOGS}/error.log* | grep --count {table}' || true"
        return int(ring.ssh(NODE, found))

    def slow() -> None:
        ring.ssh(NODE, f"{CLIENT} -e 'SET long_query_time = 0; SELECT SLEEP(0.1)'")

    before = conflicts()
    slow()
    conflict(1)  # not seen by `status` before the rotation
    old = ring.ssh(NODE, f"sudo sh -c 'stat -L --format=%i {LOGS}/error.log {LOGS}/slow.log'")
    ring.ssh(NODE, A_WEEK_AGO)
    ring.ssh(NODE, "sudo systemctl start logrotate.service")  # what its timer does
    conflict(2)
    slow()

    new = ring.ssh(NODE, f"sudo sh -c 'stat -L --format=%i {LOGS}/error.log {LOGS}/slow.log'")
    rotated = ring.ssh(
        NODE, f"sudo sh -c 'stat -L --format=%i {LOGS}/error.log.1 {LOGS}/slow.log.1'"
    )
    assert rotated == old != new
    held = ring.ssh(NODE, "sudo sh -c 'ls -l /proc/$(pidof mysqld)/fd'")
    names = {line.rpartition("/")[2] for line in held.splitlines() if ".log" in line}
    assert set(ROTATED) <= names
    assert not [name for name in names if name.startswith(tuple(f"{each}." for each in ROTATED))]
    for name in ROTATED:
        stat = "sudo sh -c 'stat -L --format=\"%U:%G %a %s\" {}'"
        owner, mode, size = ring.ssh(NODE, stat.format(f"{LOGS}/{name}")).split()
        assert (owner, mode) == ("mysql:mysql", "660")
        assert int(size) > 0
    assert conflicts() == before + 2


def test_a_my_cnf_that_was_changed_by_hand_is_named_until_the_programs_file_is_back(
    ring: Lab,
) -> None:
    def notes() -> str:
        return "\n".join(ring.status(NODE).get("notes", []))

    text = ring.ssh(NODE, f"cat {CONFIG}")
    assert "by hand" not in notes()
    ring.ssh(NODE, f"sudo sed -i 's/^long_query_time = .*/long_query_time = 7/' {CONFIG}")
    said = notes()
    assert f"{CONFIG} is not as the program laid it" in said
    assert "--replace" in said
    steps = [ring.urn(step_name(NODE, verb)) for verb in ("config", "restart")]
    replaced = [word for urn in steps for word in ("--replace", urn)]
    ring.pulumi("up", "--yes", "--skip-preview", *replaced)
    assert ring.ssh(NODE, f"cat {CONFIG}") == text
    assert "by hand" not in notes()
    wait_until_whole(ring)
    assert float(ring.value(NODE, "SELECT @@GLOBAL.long_query_time")) == 2
