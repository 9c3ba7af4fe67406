"""A node restores what the bucket has, and its volume runs short, or its verb is killed.

Whatever breaks: what was there before is there, or all that was asked for is, and never a part of
it; the server that serves is left alone; and the next run ends well.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from conftest import is_back
from hosts import Node
from labs import SETTLE, Lab, hostname
from load import Load
from running import Running
from verbs import Verbs
from waits import HEALED_SECONDS, NOTICED_SECONDS, within

pytestmark = pytest.mark.losses

Figure = Callable[[str, float], None]

TOOL = "sudo /opt/mysql-ring/current/ring-node"
CONFIRM = "lab/ring"
REFUSED, HOST = 3, 5  # exit codes of ring-node
VERB_SECONDS = 240
VOLUME = "/srv/mysql-ring"
BACKUP = "mysql-ring-backup.service"
IN_IT, AFTER_IT = "in the backup", "after it"
UNPACKED, PROVEN = "run setpriv --pdeathsig KILL -- tar", "run setpriv --reuid=mysql"
# What is made beside the server's data is thrown away by the next run, whatever became of it; a
# file counts when it gets its name; and how a log comes into the bucket is killed elsewhere.
BESIDE = (
    r"write |symlink |rename /run/|remove (in a folder|/srv/mysql-ring/restoring/)"
    r"|send (?!SET GLOBAL|STOP SLAVE|FLUSH LOCAL)"
    r"|run (sync|setpriv .* (zstd|s3cmd (ls|get)))"
    r"|run setpriv .*at work, alone|run setpriv .*s3cmd .*(at work|\((?!1\)|2\)|3\))\d+\))"
)
MOMENTS = (
    f"{UNPACKED} --extract",
    PROVEN,
    "remove /var/lib/mysql/.mysql-ring-admitted",
    "run /usr/sbin/nft -f",
    "send SET GLOBAL read_only",
    "-- s3cmd put",
    "run systemctl stop mysql.service",
    f"rename {VOLUME}/restoring/N",
    f"rename {VOLUME}/.current",
    "run systemctl start mysql.service",
)


class Verb(Running):
    """One of the tool's on a node, with its document."""

    def __init__(self, ring: Lab, node: Node, verb: str, document: dict[str, Any] | None) -> None:
        process = ring.popen("ssh", node.name, f"{TOOL} {verb}")
        assert process.stdin is not None
        process.stdin.write("" if document is None else json.dumps(document))
        process.stdin.close()
        process.stdin = None
        super().__init__(process, VERB_SECONDS)


def done(
    ring: Lab, node: Node, verb: str, document: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What a verb says that it did."""
    running = Verb(ring, node, verb, document)
    assert running.end() == 0, running.text
    return json.loads(running.text.splitlines()[-1])


@pytest.fixture
def table(nodes: list[Node]) -> Iterator[str]:
    """One row is in it, on both nodes."""
    name = f"app.restored_{time.time_ns()}"
    with nodes[0].session() as cursor:
        cursor.execute(f"CREATE TABLE {name} (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT)")
    put(nodes, name, IN_IT)
    yield name
    with nodes[0].session() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {name}")


def put(nodes: list[Node], table: str, note: str) -> None:
    with nodes[0].session() as cursor:
        cursor.execute(f"INSERT INTO {table} (note) VALUES (%s)", [note])
    within(HEALED_SECONDS, f"{note!r} on the peer", lambda: notes(nodes[1], table)[-1:] == [note])


def notes(node: Node, table: str) -> list[str]:
    return [row["note"] for row in node.rows(f"SELECT note FROM {table} ORDER BY id")]


def taken(ring: Lab, node: Node) -> dict[str, Any]:
    """A backup, and what asks for it as it is."""
    parts = done(ring, node, "backup")["backup"]["key"].split("/")
    return {"moment": {"as_it_is": True}, "backup": f"{parts[1]}/{parts[3]}"}


def listed(node: Node, folder: str) -> list[str]:
    """Nothing where the folder was never made."""
    place = f"{VOLUME}/{folder}"
    return node.run("sh", "-c", f"[ ! -d {place} ] || ls {place}").split()


@pytest.mark.parametrize("at", [UNPACKED, PROVEN], ids=["before it comes", "when it has come"])
def test_a_restore_gives_way_when_the_volume_runs_short_and_the_server_runs_on(
    ring: Lab, nodes: list[Node], table: str, tmp_path: Path, at: str
) -> None:
    node = nodes[0]
    server, document = node.mysqld(), {"name": "a-test", **taken(ring, node)}
    filler = f"{VOLUME}/filler"
    size = f"$(( $(df --output=avail --block-size=1M {VOLUME} | tail -1) - 200 ))M"
    with Load(nodes, tmp_path) as load:
        try:
            host = hostname(ring, node.name)
            with ring.gates.verb("restore-scratch", at, host=host) as gate:
                restore = Verb(ring, node, "restore-scratch", document)
                gate.wait(by=restore)
                assert listed(node, "restoring")
                node.run("sh", "-c", f"{SETTLE} && fallocate --length {size} {filler}")
                within(
                    NOTICED_SECONDS,
                    "all that came is gone",
                    lambda: listed(node, "restoring"),
                    lambda found: found == [],
                )
                load.advance(2)
            assert restore.end() == HOST, restore.text
            assert f"what came of {document['backup']} was dropped" in restore.text, restore.text
            again = Verb(ring, node, "restore-scratch", document)
            assert again.end() == REFUSED, again.text
            assert f"MiB free in {VOLUME}" in again.text, again.text
        finally:
            node.run("rm", "-f", filler)
        assert (listed(node, "restoring"), listed(node, "restored")) == ([], [])
        assert node.mysqld() == server
        assert [writer.failures for writer in load.writers] == [0, 0]
        try:
            there = done(ring, node, "restore-scratch", document)["restored"]
            client = f"mysql --no-defaults --skip-ssl --user=root --socket={there['socket']}"
            words = f"{client} --batch --skip-column-names -e 'SELECT note FROM {table}'"
            assert node.run("sh", "-c", words).splitlines() == [IN_IT]
        finally:
            done(ring, node, "restore-scratch --remove a-test")
        assert node.mysqld() == server
        assert load.reckon() > 0


def test_a_ring_whose_restore_is_killed_at_all_that_it_does_has_what_it_had_or_what_was_asked_for(
    ring: Lab, nodes: list[Node], table: str, figure: Figure
) -> None:
    node, peer = nodes
    document = {**taken(ring, node), "destroys": CONFIRM}
    put(nodes, table, AFTER_IT)
    had, seen = incarnation(node), set[bool]()

    def either_or(cut: str) -> None:
        restored = incarnation(node) != had
        seen.add(restored)
        with contextlib.suppress(RuntimeError, pymysql.err.OperationalError):  # it does not run
            found = notes(node, table)
            assert found == ([IN_IT] if restored else [IN_IT, AFTER_IT]), cut
        if restored:
            assert node.status()["gate"] == "closed", cut

    done(ring, peer, "restore-ring", {"gives_way": CONFIRM})
    verbs = Verbs(ring)
    verbs.deliver(node.name)
    begun = time.monotonic()
    cuts = verbs.cut(
        node.name, "restore-ring", json.dumps(document), passed=BESIDE, after=either_or
    )
    figure("killed and run again for", time.monotonic() - begun)
    figure("times restore-ring was killed", len(cuts))
    for moment in MOMENTS:
        assert any(moment in cut for cut in cuts), (moment, cuts)
    assert seen == {False, True}
    assert listed(node, "restoring") == []
    assert node.run("ls", had).split(), "what was there is kept until the ring is whole"
    done(ring, peer, f"rejoin --discard {peer.name}")
    done(ring, node, "rejoin")
    is_back(nodes)
    assert [notes(each, table) for each in nodes] == [[IN_IT], [IN_IT]]
    assert listed(node, "incarnations") == [Path(incarnation(node)).name]
    within(
        VERB_SECONDS,
        "the backup that a ring begins when it is whole again",
        lambda: node.status()["backups"]["backup"],
        lambda found: found["good"] not in (None, document["backup"].partition("/")[2]),
    )


def incarnation(node: Node) -> str:
    return node.run("readlink", "-f", f"{VOLUME}/current").strip()
