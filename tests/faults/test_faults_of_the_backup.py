"""A node takes a backup, and its verb is killed, its volume fills, its link to S3 breaks, its host
goes down, or what it took does not start.

Whatever breaks: the server serves, only what has a manifest counts and that is whole, the last good
backup stays, and `status` says what became of the last one.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import is_back
from hosts import Node
from labs import SETTLE, Lab, hostname
from load import Load
from running import Running
from verbs import Verbs
from waits import BOOT_SECONDS, HEALED_SECONDS, NOTICED_SECONDS, within

pytestmark = pytest.mark.losses

Figure = Callable[[str, float], None]

TOOL = "sudo /opt/mysql-ring/current/ring-node"
S3CMD = "sudo s3cmd --config=/etc/mysql-ring/s3cfg --no-progress"
REFUSED, UNREACHABLE, HOST, SERVER = 3, 4, 5, 6  # exit codes of ring-node
BACKUP_SECONDS = 240
VOLUME = "/srv/mysql-ring"
STANDING = "/var/lib/mysql-ring"
LEFT = f"ls {VOLUME}/images {VOLUME}/snapshots; pgrep -af '[s]cratch/sock|[z]std|[s]3cmd' || true"
NOTHING = [f"{VOLUME}/images:", f"{VOLUME}/snapshots:"]
ARCHIVE = "mysql-ring-archive.timer mysql-ring-archive.service"
BEFORE_THE_LOCK = "send FLUSH TABLES WITH READ LOCK"
UPLOAD = "run setpriv --pdeathsig KILL -- tar --create"
# Of the statements to the scratch servers some stand for all. To list changes nothing, tar and zstd
# write nothing, and each program dies with the verb: one that is left alone stands for all.
ALIKE = (
    r"send (SET NAMES|COMMIT|USE|CHECK(SUM)? TABLE `(?!mysql`\.`user))"
    r"|run setpriv .* s3cmd ls"
    r"|run setpriv .* (tar|zstd) .* at work"
    r"|run setpriv .* \((?!1\))\d+\) at work, alone"
)
BEGUN, ENDED = (f"rename {STANDING}/.backup.json.N.new ({number})" for number in (1, 2))
MOMENTS = (
    BEGUN,
    "write /srv/mysql-ring/snapshots/N/*",
    BEFORE_THE_LOCK,
    "send UNLOCK TABLES",
    "rename /srv/mysql-ring/snapshots/N",
    "run setpriv --reuid=mysql",
    "write /srv/mysql-ring/images/N/checked/*",
    "write /srv/mysql-ring/images/N/export/*",
    "-- mydumper",
    "-- tar --create",
    "-- zstd",
    "-- s3cmd put",
    ENDED,
)


class Backup(Running):
    """`ring-node backup` on a node."""

    def __init__(self, ring: Lab, node: Node) -> None:
        super().__init__(ring.popen_on(node.name, f"{TOOL} backup 2>&1"), BACKUP_SECONDS)


@contextmanager
def held(ring: Lab, node: Node, at: str) -> Iterator[Backup]:
    """A backup that is under way, held there inside."""
    with ring.gates.verb("backup", at, host=hostname(ring, node.name)) as gate:
        backup = Backup(ring, node)
        gate.wait(by=backup)
        yield backup


def stored(ring: Lab, node: Node) -> dict[str, int]:
    """Keys and sizes below a node's backups, by the API."""
    bucket = ring.outputs()["bucket"]["name"]
    prefix = f"mysql/{node.name}/backups/"
    listed = ring.aws("s3api", "list-objects-v2", "--bucket", bucket, "--prefix", prefix)
    return {each["Key"]: each["Size"] for each in (listed or {}).get("Contents", [])}


def good(ring: Lab, node: Node) -> set[str]:
    """The manifests of the backups that count."""
    return {key for key in stored(ring, node) if key.endswith("/manifest.json")}


def are_whole(ring: Lab, node: Node, keys: set[str]) -> dict[str, Any]:
    """Each of these has all that its manifest names. The manifest of the last one."""
    bucket, there = ring.outputs()["bucket"]["name"], stored(ring, node)
    kept: dict[str, Any] = {}
    for key in sorted(keys):
        kept = json.loads(ring.ssh(node.name, f"{S3CMD} get s3://{bucket}/{key} -"))
        for each in (kept["data"], kept["export"]):
            assert each is None or there[each["key"]] == each["bytes"], key
    return kept


def standing(node: Node) -> dict[str, Any]:
    return node.status()["backups"]["backup"]


def cases(node: Node) -> list[str]:
    return [each["case"] for each in node.status()["problems"]]


def nothing_is_left(node: Node) -> None:
    within(
        HEALED_SECONDS,
        f"nothing of the backup on {node.name}",
        lambda: node.run("sh", "-c", LEFT).splitlines(),
        lambda found: [line for line in found if line] == NOTHING,
    )


def goes_well(ring: Lab, node: Node) -> None:
    """Another one is taken, and what was said of the former one is said no more."""
    before = good(ring, node)
    backup = Backup(ring, node)
    assert backup.end() == 0, backup.text
    (new,) = good(ring, node) - before
    assert standing(node)["good"] in new
    are_whole(ring, node, {new})
    assert not [case for case in cases(node) if "backup" in case]
    nothing_is_left(node)


def test_a_backup_killed_at_all_that_it_does_counts_only_when_it_is_whole(
    ring: Lab, nodes: list[Node], tmp_path: Path, figure: Figure
) -> None:
    node = nodes[0]
    goes_well(ring, node)
    first, before = standing(node)["good"], good(ring, node)
    verbs = Verbs(ring)
    verbs.deliver(node.name)
    begun = time.monotonic()
    with Load(nodes, tmp_path) as load:
        begun_is_kept = False

        def the_first_one_stays(cut: str) -> None:
            nonlocal begun_is_kept
            load.advance(2)  # no lock is left
            status = node.status()
            assert status["backups"]["backup"]["good"] == first, cut
            said = [each["case"] for each in status["problems"] if "backup" in each["case"]]
            assert said == (["backup cut short"] if begun_is_kept else []), cut
            begun_is_kept = begun_is_kept or cut.startswith(BEGUN)

        cuts = verbs.cut(node.name, "backup --export", "", passed=ALIKE, after=the_first_one_stays)
        figure("killed and run again for", time.monotonic() - begun)
        figure("times backup was killed", len(cuts))
        for moment in MOMENTS:
            assert any(moment in cut for cut in cuts), (moment, cuts)
        after = good(ring, node)
        are_whole(ring, node, after - before)
        assert standing(node)["good"] in max(after)
        assert "backup cut short" not in cases(node)
        nothing_is_left(node)
        assert load.reckon() > 0


@pytest.mark.parametrize(
    "at", [BEFORE_THE_LOCK, UPLOAD], ids=["as it is taken", "as it is checked and sent"]
)
def test_a_backup_gives_way_when_the_volume_runs_short_and_the_server_runs_on(
    ring: Lab, nodes: list[Node], tmp_path: Path, at: str
) -> None:
    node = nodes[0]
    goes_well(ring, node)
    first, before, server = standing(node)["good"], stored(ring, node), node.mysqld()
    filler = f"{VOLUME}/filler"
    size = f"$(( $(df --output=avail --block-size=1M {VOLUME} | tail -1) - 200 ))M"
    with Load(nodes[:1], tmp_path) as load:
        try:
            with held(ring, node, at) as backup:
                node.run("sh", "-c", f"ls -d {VOLUME}/images/*")
                node.run("sh", "-c", f"{SETTLE} && fallocate --length {size} {filler}")
                within(
                    NOTICED_SECONDS,
                    "all that it took is gone",
                    lambda: node.run("sh", "-c", f"du -sm {VOLUME}/images {VOLUME}/snapshots"),
                    lambda found: all(int(line.split()[0]) < 2 for line in found.splitlines()),
                )
                load.advance(2)
            assert backup.end() == HOST, backup.text
            assert "the snapshot was dropped" in backup.text, backup.text
            again = Backup(ring, node)
            assert again.end() == REFUSED, again.text
            assert "MiB free" in again.text, again.text
        finally:
            node.run("rm", "-f", filler)
        assert node.mysqld() == server
        assert load.writers[0].failures == 0
        assert stored(ring, node) == before
        assert "backup fails" in cases(node)
        assert standing(node)["good"] == first
        goes_well(ring, node)
        load.nodes = nodes
        assert load.reckon() > 0


CUT_OFF = """\
table inet mysql_ring_test {
  chain out {
    type filter hook output priority -300; policy accept;
    tcp dport 443 counter reject with tcp reset
  }
}
"""
PARTS = 3
PART = 15 << 20
"""Of what s3cmd sends at a time, which no compression makes less."""


@pytest.fixture
def large(nodes: list[Node]) -> Iterator[str]:
    """A table whose backup has more than one part."""
    node, name = nodes[0], f"app.large_{time.time_ns()}"
    with node.session(BACKUP_SECONDS) as cursor:
        cursor.execute(f"CREATE TABLE {name} (id INT AUTO_INCREMENT PRIMARY KEY, c LONGBLOB)")
        for _ in range(PARTS):
            content = os.urandom(PART)
            cursor.execute(f"INSERT INTO {name} (c) VALUES (%s)", [content])
    yield name
    with node.session(BACKUP_SECONDS) as cursor:
        cursor.execute(f"DROP TABLE {name}")


@pytest.mark.usefixtures("large")
def test_a_backup_that_is_cut_from_s3_in_the_middle_of_its_object_goes_on_and_is_whole(
    ring: Lab, nodes: list[Node]
) -> None:
    node = nodes[0]
    before = good(ring, node)
    for each in nodes:
        each.run("sh", "-c", f"systemctl stop {ARCHIVE}")
    try:
        with ring.gates.api(after="PUT") as gate:
            backup = Backup(ring, node)
            gate.wait("s3 PUT: 200", by=backup)
            node.run("nft", "-f", "-", stdin=CUT_OFF)
        try:
            within(
                HEALED_SECONDS,
                "the cut meets s3cmd",
                lambda: node.run("nft", "list", "table", "inet", "mysql_ring_test"),
                lambda table: not re.search(r"packets 0 ", table),
            )
            assert backup.at_work
        finally:
            node.run("nft", "delete", "table", "inet", "mysql_ring_test")
        assert backup.end() == 0, backup.text
    finally:
        for each in nodes:
            each.run("sh", "-c", f"systemctl start {ARCHIVE.split()[0]}")
    (new,) = good(ring, node) - before
    kept = are_whole(ring, node, {new})
    assert kept["data"]["bytes"] > PARTS * PART
    bucket = ring.outputs()["bucket"]["name"]
    got = f"{S3CMD} get s3://{bucket}/{kept['data']['key']} - | sha256sum"
    assert ring.ssh(node.name, got).split()[0] == kept["data"]["sha256"]


@pytest.fixture
def unreadable(nodes: list[Node]) -> Iterator[str]:
    """A table of one node whose file says nothing that is true; its server has it open."""
    node, name = nodes[0], "app.unreadable"
    with node.session() as cursor:
        cursor.execute("SET sql_log_bin = 0")
        cursor.execute(f"CREATE TABLE {name} (id INT PRIMARY KEY)")
        cursor.execute(f"INSERT INTO {name} VALUES (1)")
        cursor.execute(f"FLUSH TABLES {name} FOR EXPORT")  # InnoDB has written all of it
        cursor.execute("UNLOCK TABLES")
    file = "/var/lib/mysql/app/unreadable.ibd"
    node.run("sh", "-c", f"cp -a {file} /run/ && head -c 16384 /dev/urandom |"
             f" dd of={file} conv=notrunc status=none")  # fmt: skip
    yield name
    with node.session() as cursor:
        cursor.execute("SET sql_log_bin = 0")
        cursor.execute(f"DROP TABLE IF EXISTS {name}")


def test_a_snapshot_that_does_not_start_is_no_backup_and_is_loud_after_a_reboot_too(
    ring: Lab, nodes: list[Node], request: pytest.FixtureRequest
) -> None:
    node = nodes[0]
    goes_well(ring, node)
    first, before = standing(node)["good"], stored(ring, node)
    request.getfixturevalue("unreadable")
    backup = Backup(ring, node)
    assert backup.end() == SERVER, backup.text
    assert "the scratch server does not start" in backup.text, backup.text
    assert "unreadable" in backup.text, backup.text
    assert stored(ring, node) == before
    nothing_is_left(node)
    assert node.rows("SELECT 1 AS one") == [{"one": 1}]
    node.run("sh", "-c", "cp -a /run/unreadable.ibd /var/lib/mysql/app/unreadable.ibd")
    rebooted(ring, nodes)
    assert "backup fails" in cases(node)
    found = standing(node)
    assert found["good"] == first
    assert "does not start" in found["problem"]
    goes_well(ring, node)


def rebooted(ring: Lab, nodes: list[Node]) -> None:
    was = nodes[0].mysqld()
    ring.aws("ec2", "reboot-instances", "--instance-ids", nodes[0].id)
    within(BOOT_SECONDS, "another server", nodes[0].mysqld, lambda found: found != was)
    is_back(nodes, 3 * BOOT_SECONDS)


def test_a_host_that_goes_down_while_its_backup_is_sent_says_so_when_it_is_back(
    ring: Lab, nodes: list[Node]
) -> None:
    node = nodes[0]
    goes_well(ring, node)
    first, before = standing(node)["good"], good(ring, node)
    with ExitStack() as stack:
        backup = stack.enter_context(held(ring, node, UPLOAD))
        assert node.run("ls", f"{VOLUME}/images").split()
        assert standing(node)["at_work_s"] is not None
        assert not [case for case in cases(node) if "backup" in case]
        rebooted(ring, nodes)
        assert backup.end() != 0
    assert good(ring, node) == before
    # A host that goes down ends the verb, or first what that waits for.
    assert {"backup cut short", "backup fails"} & set(cases(node))
    assert standing(node)["good"] == first
    nothing_is_left(node)
    goes_well(ring, node)
