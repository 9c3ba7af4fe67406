"""What a host can have wrong: the step says what and what to do, and what runs is left alone."""

import json
from collections.abc import Iterator

import pytest
import server_files
from archives import AARCH64, Shelf, archive_settings, packed, program, shelf
from labs import Lab, wait_until_whole
from steps import (
    DEADLINE,
    HOST,
    INPUT,
    REFUSED,
    RING_NODE,
    SERVER,
    UNREACHABLE,
    Steps,
    parts,
)

pytestmark = pytest.mark.lab

CONFIG = "/etc/mysql/conf.d/mysqld.cnf"
VERSION_57 = "mysqld  Ver 5.7.44 for linux-glibc2.12 on x86_64 (MySQL Community Server (GPL))\n"
VERSION_56 = VERSION_57.replace("5.7.44", "5.6.51")
# What a failing step must leave as it was: the server's process, and the files.
UNTOUCHED = (
    "systemctl show --property=MainPID,ActiveEnterTimestampMonotonic mysql;"
    " readlink -f /opt/mysql/current; ls -A /opt/mysql; ls -A /var/lib | grep mysql;"
    f" sudo sha256sum {CONFIG} /etc/mysql/ssl/*; sudo ls -A {CONFIG.rpartition('/')[0]}"
    " /etc/mysql/ssl /etc/mysql-ring; ls /run/mysql-ring*"
)
WATCHED = """\
look() {{ {look}; }
before=$(look 2>&1); {verb}; code=$?; after=$(look 2>&1)
[ "$before" = "$after" ] || printf 'was\\n%s\\nis\\n%s\\n' "$before" "$after" >&2
exit $code
""".replace("{{", "{")
NODE = "node-2"
ARCHIVES = {
    "not an archive": (b"<html>moved</html>", HOST, "to be a tar archive"),
    "without a server": (packed({"mysql/README": b"x"}), REFUSED, "no bin/mysqld in mysql"),
    "a script": (packed({"mysql/bin/mysqld": b"#!/bin/sh\n"}), REFUSED, "not an ELF program"),
    "MySQL 5.7": (
        packed({"mysql/bin/mysqld": program(VERSION_57)}),
        REFUSED,
        "mysqld --version says: mysqld  Ver 5.7.44",
    ),
    "another architecture": (
        packed({"mysql/bin/mysqld": program(VERSION_56, AARCH64)}),
        REFUSED,
        "bin/mysqld is made for aarch64",
    ),
    "two things at the top": (
        packed({"a/bin/mysqld": program(VERSION_56), "b": b""}),
        REFUSED,
        "2 entries at the top of the archive",
    ),
}


def fails(
    lab: Lab, verb: str, document: str, expect: int, *, restarts: bool = False
) -> dict[str, str]:
    """The three parts of the error that the verb ends with on the node.

    The node's server must be the same process with the same files, unless it may restart.
    """
    words = f"{RING_NODE} {verb}"
    if not restarts:
        words = WATCHED.replace("{look}", UNTOUCHED).replace("{verb}", words)
    done = lab.run_on(NODE, words, stdin=document, expect=expect)
    assert "was\nMainPID" not in done.stderr, done.stderr
    return parts(done.stderr)


def not_brought_in(lab: Lab, my_cnf: str, expect: int, *, restarts: bool = False) -> dict[str, str]:
    """The three parts of the error that the restart for this my.cnf ends with on the node."""
    steps = Steps(lab)
    steps.run(NODE, "config", my_cnf)
    wanted = server_files.document(my_cnf, steps.document(NODE, "tls"))
    return fails(lab, "restart", wanted, expect, restarts=restarts)


def is_taken_back(lab: Lab, error: dict[str, str], my_cnf: str) -> None:
    assert "what was there before is back and the server runs with it" in error["found"]
    assert lab.ssh(NODE, f"cat {CONFIG}") == my_cnf


def nothing_waits(lab: Lab, my_cnf: str) -> None:
    """Once the settings are back to the my.cnf that is in place."""
    steps = Steps(lab)
    steps.run(NODE, "config", my_cnf)
    assert steps.run(NODE, "restart")["changed"] is False


@pytest.fixture
def mirror(ring: Lab) -> Iterator[Shelf]:
    with shelf(ring, archive_settings()["url"]) as found:
        yield found


@pytest.mark.parametrize(("content", "code", "said"), ARCHIVES.values(), ids=ARCHIVES)
def test_an_archive_that_is_no_mysql_56_for_this_host_is_refused(
    ring: Lab, mirror: Shelf, content: bytes, code: int, said: str
) -> None:
    document = mirror.put("mysql.tar.gz", content)
    error = fails(ring, "install", json.dumps(document), code)
    assert said in f"{error['found']} {error['expected']}"
    assert "mysqlArchiveUrl" in error["next_step"]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"checksum": f"sha256:{'0' * 64}"}, REFUSED, "has the sha256 checksum"),
        ({"url": "missing"}, UNREACHABLE, "answers 404"),
        ({"url": "https://nowhere.invalid/mysql.tar.gz"}, UNREACHABLE, "cannot be fetched"),
    ],
    ids=["wrong checksum", "not there", "no such host"],
)
def test_an_archive_that_is_not_the_one_in_the_settings_is_refused(
    ring: Lab, mirror: Shelf, change: dict[str, str], code: int, said: str
) -> None:
    document = mirror.put("other.tar.gz", b"other")
    if change.get("url") == "missing":
        change = {**change, "url": f"{mirror.url}/nothing.tar.gz"}
    error = fails(ring, "install", json.dumps({**document, **change}), code)
    assert said in error["found"]
    assert "mysqlArchiveUrl and mysqlArchiveChecksum" in error["next_step"]


def test_a_certificate_of_another_authority_is_refused(ring: Lab) -> None:
    keys = json.loads(Steps(ring).document(NODE, "tls"))
    other = ring.ssh(
        NODE,
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=other 2>/dev/null",
    )
    error = fails(ring, "tls", json.dumps({**keys, "ca": other}), INPUT)
    assert "certificate, key and CA do not go together" in error["found"]
    said = " ".join(error.values())
    assert not any(line in said for line in keys["key"].splitlines() if len(line) > 32)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no_such_setting = 1", "unknown variable"),
        ("datadir = /srv/elsewhere", "datadir = /srv/elsewhere"),
        ("server-id = 7", "server-id would change from 2 to 7"),
    ],
    ids=["unknown", "the tool's own", "another server id"],
)
def test_a_mycnf_that_the_ring_cannot_run_with_is_refused(ring: Lab, line: str, said: str) -> None:
    text = ring.ssh(NODE, f"cat {CONFIG}")
    error = fails(ring, "config", f"{text}\n[mysqld]\n{line}\n", REFUSED)
    assert said in error["found"]
    assert "my.cnf settings" in error["next_step"] or "keep it" in error["next_step"]


def test_a_mycnf_change_waits_while_the_peer_is_away(ring: Lab) -> None:
    text = ring.ssh(NODE, f"cat {CONFIG}")
    ring.ssh("node-1", "sudo systemctl stop mysql")
    try:
        error = not_brought_in(ring, f"{text}\n[mysqld]\nback_log = 70\n", REFUSED)
    finally:
        ring.ssh("node-1", "sudo systemctl start mysql")
        Steps(ring).run(NODE, "config", text)
    assert "the ring is not healthy" in error["found"]
    assert "nothing was changed" in error["next_step"]


def test_a_server_that_does_not_start_with_a_new_mycnf_gets_the_old_one_back(ring: Lab) -> None:
    text = ring.ssh(NODE, f"cat {CONFIG}")
    wait_until_whole(ring)
    wrong = f"{text}\n[mysqld]\ninnodb_data_file_path = ibdata1:999M\n"
    error = not_brought_in(ring, wrong, SERVER, restarts=True)
    assert "the server does not start" in error["found"]
    assert "ibdata1" in error["found"], "it quotes the server's own words"
    is_taken_back(ring, error, text)
    assert ring.value(NODE, "SELECT 1") == "1"
    again = not_brought_in(ring, wrong, SERVER, restarts=True)
    assert "ibdata1" in again["found"], "it goes on waiting, and is not forgotten"
    nothing_waits(ring, text)
    wait_until_whole(ring)


def test_a_my_cnf_that_leaves_the_ring_unwell_is_taken_back(ring: Lab) -> None:
    """The server starts with it and answers root; every other account is turned away."""
    text = ring.ssh(NODE, f"cat {CONFIG}")
    wait_until_whole(ring)
    wrong = f"{text}\n[mysqld]\ninit_connect = nonsense\n"
    error = not_brought_in(ring, wrong, DEADLINE, restarts=True)
    assert "the ring is not healthy" in error["found"]
    assert "init_connect command failed" in error["found"], "it says what is wrong"
    is_taken_back(ring, error, text)
    assert ring.value(NODE, "SELECT @@init_connect") == ""
    wait_until_whole(ring)
    nothing_waits(ring, text)


def test_an_update_with_a_wrong_checksum_changes_nothing_and_the_next_one_goes_on(
    ring: Lab,
) -> None:
    lab = ring
    before = lab.ssh(NODE, UNTOUCHED, expect=None)
    wrong = lab.settings_with(mysqlArchiveChecksum=f"sha256:{'0' * 64}")
    done = lab.pulumi("up", "--yes", "--skip-preview", "--config-file", str(wrong), expect=None)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "has the sha256 checksum" in output
    assert "next step: correct mysqlArchiveUrl and mysqlArchiveChecksum" in output
    lab.pulumi("up", "--yes", "--skip-preview")
    lab.pulumi("preview", "--expect-no-changes")
    assert lab.ssh(NODE, UNTOUCHED, expect=None) == before
