"""Backups of a ring's nodes in its bucket, and the maintenance of their tables."""

import json
import time
from collections.abc import Iterator

import pytest
from labs import NODES, Lab, eventually, hostname
from steps import SERVER, Steps

pytestmark = pytest.mark.backups

NODE, PEER = "node-1", "node-2"
BUSY = 7
BROKEN = "app.broken_index"
BREAK = (
    "sudo dd if=/dev/zero of=/var/lib/mysql/app/broken_index.MYI bs=1024 seek=4 count=8 "
    "conv=notrunc status=none"
)
S3CMD = "sudo s3cmd --config=/etc/mysql-ring/s3cfg --no-progress get"


def objects(lab: Lab, node: str) -> dict[str, int]:
    """Keys and sizes below a node's backups, by the API."""
    bucket = lab.outputs()["bucket"]["name"]
    prefix = f"mysql/{node}/backups/"
    listed = lab.aws("s3api", "list-objects-v2", "--bucket", bucket, "--prefix", prefix)
    return {each["Key"]: each["Size"] for each in (listed or {}).get("Contents", [])}


def fetched(lab: Lab, key: str, then: str = "cat") -> str:
    bucket = lab.outputs()["bucket"]["name"]
    return lab.ssh(NODE, f"{S3CMD} s3://{bucket}/{key} - | {then}")


@pytest.mark.parametrize("node", NODES)
def test_a_backup_is_in_the_bucket_with_a_manifest_that_says_what_it_is(
    steps: Steps, table: str, node: str
) -> None:
    lab = steps.lab
    lab.sql(node, f"INSERT INTO {table} (note) VALUES ('in the backup')")
    report = steps.run(node, "backup", "")
    key = report["backup"]["key"]
    kept = json.loads(fetched(lab, key))
    there = objects(lab, node)
    assert there[kept["data"]["key"]] == kept["data"]["bytes"]
    assert kept["server_uuid"] == lab.value(node, "SELECT @@server_uuid")
    assert kept["peer_uuid"] == lab.slave_status(node)["Master_UUID"]
    assert kept["slave"][0].startswith("bin.")
    name = ".".join(f"`{part}`" for part in table.split("."))
    assert kept["checksums"][name] == int(lab.sql(node, f"CHECKSUM TABLE {table}")[0][1])
    assert lab.status(node)["backups"]["backup"]["good"] in key
    assert lab.ssh(node, "sudo ls /srv/mysql-ring/images /srv/mysql-ring/snapshots").split() == [
        "/srv/mysql-ring/images:",
        "/srv/mysql-ring/snapshots:",
    ]


def test_an_export_has_rows_definitions_and_accounts(steps: Steps, table: str) -> None:
    lab = steps.lab
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('in the export')")
    report = steps.run(NODE, "backup --export", "")
    kept = json.loads(fetched(lab, report["backup"]["key"]))
    database, name = table.split(".")
    listed = fetched(lab, kept["export"]["key"], "zstd -dc | tar --list").splitlines()
    assert {
        "./accounts.sql",
        f"./{database}.tables.sql",
        f"./{database}/{database}.{name}.sql.gz",
    } <= set(listed)
    rows = fetched(
        lab,
        kept["export"]["key"],
        f"zstd -dc | tar --extract --to-stdout ./{database}/{database}.{name}.sql.gz | zcat",
    )
    assert "in the export" in rows


@pytest.fixture
def broken(steps: Steps) -> Iterator[str]:
    """A MyISAM table of this node alone, whose index is broken on its disk."""
    lab = steps.lab
    lab.sql(
        NODE,
        f"SET sql_log_bin = 0; CREATE TABLE {BROKEN} (id INT AUTO_INCREMENT PRIMARY KEY, n INT,"
        f" KEY (n)) ENGINE=MyISAM; INSERT INTO {BROKEN} (n) VALUES (1), (2), (3);"
        + f" INSERT INTO {BROKEN} (n) SELECT n + id FROM {BROKEN};" * 12
        + " FLUSH TABLES",
    )
    try:
        lab.ssh(NODE, BREAK)
        yield BROKEN
    finally:
        lab.sql(NODE, f"SET sql_log_bin = 0; DROP TABLE IF EXISTS {BROKEN}")


def test_a_snapshot_with_a_broken_table_is_no_backup_and_the_last_one_stays(
    steps: Steps, broken: str
) -> None:
    lab = steps.lab
    before = objects(lab, NODE)
    problem = steps.run(NODE, "backup", "", expect=SERVER)
    assert "`app`.`broken_index`" in problem["found"]
    assert objects(lab, NODE) == before
    cases = [each["case"] for each in lab.status(NODE)["problems"]]
    assert "backup fails" in cases
    lab.sql(NODE, f"SET sql_log_bin = 0; DROP TABLE {broken}")
    steps.run(NODE, "backup", "")
    assert set(objects(lab, NODE)) > set(before)
    assert lab.status(NODE)["backups"]["backup"]["problem"] is None


@pytest.mark.parametrize("node", NODES)
def test_tables_are_looked_after_on_either_node(steps: Steps, node: str) -> None:
    report = steps.run(node, "maintain", "")
    assert report["tables_checked"] > 0


def test_tables_are_left_alone_while_a_copy_is_taken(steps: Steps) -> None:
    lab = steps.lab
    hold = "sudo flock /srv/mysql-ring/snapshots/.lock sh -c 'echo held; exec cat'"
    holder = lab.popen_on(NODE, hold)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert "copy" in steps.run(NODE, "maintain", "", expect=BUSY)["found"]
    finally:
        holder.communicate(timeout=60)  # the end of its input ends it


def test_one_node_at_a_time_takes_a_backup_or_looks_after_its_tables(steps: Steps) -> None:
    lab = steps.lab
    hold = "SELECT GET_LOCK('mysql_ring.upkeep', 0), SLEEP(600)"
    holder = lab.popen_on(NODE, f'sudo mysql --defaults-file=/root/.my.cnf -e "{hold}"')
    try:
        eventually(
            lambda: lab.value(NODE, "SELECT IS_USED_LOCK('mysql_ring.upkeep')"),
            lambda holds: holds != "NULL",
            "the lock held",
            seconds=60,
        )
        assert NODE in steps.run(PEER, "maintain --wait 0", "", expect=BUSY)["found"]
    finally:
        holder_id = lab.value(NODE, "SELECT IS_USED_LOCK('mysql_ring.upkeep')")
        if holder_id != "NULL":
            lab.sql(NODE, f"KILL {holder_id}")
        holder.wait(60)


SESSIONS = "SELECT id FROM information_schema.processlist WHERE user = 'ring_peer'"
WAITS_SECONDS = 4  # a statement of 2 s is in the way of a snapshot's lock


def test_a_node_takes_its_backup_while_the_other_one_waits_for_its_turn(steps: Steps) -> None:
    """As when their timers begin both at the same moment."""
    lab = steps.lab
    with lab.gates.verb("backup", "run setpriv .*s3cmd", host=hostname(lab, NODE)) as gate:
        first = steps.begin(NODE, "backup", "")
        gate.wait(by=first)
        before = {row[0] for row in lab.sql(NODE, SESSIONS)}
        second = steps.begin(PEER, "backup", "")
        eventually(
            lambda: {row[0] for row in lab.sql(NODE, SESSIONS)} - before,
            bool,
            "the other node asks for its turn",
            seconds=120,
        )
        time.sleep(WAITS_SECONDS)
        assert second.at_work
        gate.lift()
        first.end()
        second.end()
