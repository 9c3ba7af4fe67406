"""What the bucket holds, put back: to a scratch server, as one table, as the whole ring."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hosts import Node
from labs import NODES, Lab, eventually
from load import Load
from steps import REFUSED, Steps

pytestmark = pytest.mark.restores

NODE, PEER = "node-1", "node-2"
CONFIRM = "lab/ring"
AS_IT_IS = {"as_it_is": True}
SCRATCH = "sudo mysql --no-defaults --skip-ssl --user=root --socket={} --batch --skip-column-names"
WHOLE = "sudo ls /srv/mysql-ring/restoring /srv/mysql-ring/restored"


@pytest.fixture
def load(steps: Steps, tmp_path: Path) -> Iterator[Load]:
    """A writer on each node."""
    with Load([Node(steps.lab, name) for name in NODES], tmp_path) as load:
        yield load


def backup(steps: Steps, node: str) -> str:
    """Its name, as a document has it."""
    parts = steps.run(node, "backup", "")["backup"]["key"].split("/")
    return f"{parts[1]}/{parts[3]}"


def archive(steps: Steps) -> None:
    """All that was written so far is in the bucket."""
    for node in NODES:
        steps.lab.sql(node, "FLUSH LOCAL BINARY LOGS")
        steps.run(node, "archive", "")


def restored(steps: Steps, node: str, name: str, document: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps({"name": name, **document})
    return steps.run(node, "restore-scratch", text)["restored"]


def on_scratch(lab: Lab, node: str, there: dict[str, Any], statement: str) -> list[str]:
    client = SCRATCH.format(there["socket"])
    return lab.ssh(node, f'{client} -e "{statement}"').splitlines()


@contextmanager
def scratch(
    steps: Steps, node: str, document: dict[str, Any], name: str = "a-test"
) -> Iterator[dict[str, Any]]:
    try:
        yield restored(steps, node, name, document)
    finally:
        steps.run(node, f"restore-scratch --remove {name}", "")


def a_moment(load: Load) -> tuple[dict[str, str], set[str], set[str]]:
    """A second that both writers wrote in, before and after: its document, what must be there and
    what must not."""
    load.advance()
    second = int(time.time())
    load.advance(200)
    load.stop()
    must, must_not = load.acknowledged_by(second + 1.0), load.begun_from(second + 1.0)
    assert must
    assert must_not
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
    return {"at": text}, must, must_not


# To a scratch server.


@pytest.mark.parametrize("taken_on", NODES)
def test_every_acknowledged_commit_up_to_the_moment_is_restored_and_none_after(
    steps: Steps, load: Load, taken_on: str
) -> None:
    load.advance()
    backup(steps, taken_on)
    moment, must, must_not = a_moment(load)
    archive(steps)
    with scratch(steps, PEER, {"moment": moment}) as there:
        assert there["backup"].startswith(taken_on)
        found = set(on_scratch(steps.lab, PEER, there, f"SELECT token FROM {load.table}"))
        assert must <= found
        assert not must_not & found
        assert on_scratch(steps.lab, PEER, there, "SHOW SLAVE STATUS") == []
    load.reckon()


def test_all_that_is_in_the_bucket_is_restored(steps: Steps, load: Load) -> None:
    load.advance()
    backup(steps, NODE)
    steps.lab.sql(NODE, "GRANT SELECT ON *.* TO came_later@localhost IDENTIFIED BY 'a password'")
    load.advance()
    load.stop()
    archive(steps)
    users = "SELECT User FROM mysql.user WHERE User = 'came_later'"
    with scratch(steps, NODE, {"moment": {"latest": True}}) as there:
        found = set(on_scratch(steps.lab, NODE, there, f"SELECT token FROM {load.table}"))
        assert found == load.acknowledged_by(time.time())
        assert on_scratch(steps.lab, NODE, there, users) == ["came_later"]
    steps.lab.sql(NODE, "DROP USER came_later@localhost")
    load.reckon()


def test_a_scratch_server_stays_until_it_is_removed_and_is_in_the_list(
    steps: Steps, table: str
) -> None:
    lab = steps.lab
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('in the backup')")
    name = backup(steps, NODE)
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('after it')")
    document = {"moment": AS_IT_IS, "backup": name}
    with scratch(steps, NODE, document) as there:
        notes = on_scratch(lab, NODE, there, f"SELECT note FROM {table}")
        assert notes == ["in the backup"]
        again = steps.run(NODE, "restore-scratch", json.dumps({"name": "a-test", **document}))
        assert again["changed"] is False
        listed = steps.run(NODE, "backups", "")
        assert [each["name"] for each in listed["restored"]] == ["a-test"]
        assert name in [f"{each['node']}/{each['name']}" for each in listed["backups"]]
        other = json.dumps({"name": "a-test", "moment": {"latest": True}})
        assert "a-test is there" in steps.run(NODE, "restore-scratch", other, REFUSED)["found"]
        lab.ssh(NODE, "sudo systemctl stop mysql-ring-restored-a-test.service")
        assert restored(steps, NODE, "a-test", document)["running"]
    assert lab.ssh(NODE, WHOLE).split() == [
        "/srv/mysql-ring/restored:",
        "/srv/mysql-ring/restoring:",
    ]


@pytest.mark.parametrize("after", ["backup.restore.fetch", "backup.restored._keep"])
def test_a_restore_that_is_killed_is_begun_anew_or_done(
    steps: Steps, table: str, after: str
) -> None:
    lab = steps.lab
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('in the backup')")
    document = {"name": "a-test", "moment": AS_IT_IS, "backup": backup(steps, NODE)}
    steps.killed(NODE, "restore-scratch", after, document=json.dumps(document))
    assert lab.status(NODE)["healthy"]
    with scratch(steps, NODE, {key: document[key] for key in ("moment", "backup")}) as there:
        assert on_scratch(lab, NODE, there, f"SELECT note FROM {table}") == ["in the backup"]
    assert lab.ssh(NODE, WHOLE).split() == [
        "/srv/mysql-ring/restored:",
        "/srv/mysql-ring/restoring:",
    ]


def test_a_volume_without_room_is_refused_before_anything_comes(steps: Steps, table: str) -> None:
    lab = steps.lab
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('in the backup')")
    name = backup(steps, NODE)
    lab.ssh(
        NODE,
        "free=$(df --output=avail --block-size=1M /srv/mysql-ring | tail -1);"
        " sudo fallocate --length $((free - 500))M /srv/mysql-ring/filler",
    )
    try:
        document = {"name": "a-test", "moment": AS_IT_IS, "backup": name}
        problem = steps.run(NODE, "restore-scratch", json.dumps(document), REFUSED)
        assert "MiB free in /srv/mysql-ring" in problem["found"]
    finally:
        lab.ssh(NODE, "sudo rm /srv/mysql-ring/filler")


def test_a_drill_of_the_newest_backup_is_kept_and_listed(steps: Steps, table: str) -> None:
    lab = steps.lab
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('in the backup')")
    name = backup(steps, NODE)
    done = steps.run(PEER, "drill", "")["drill"]
    assert (done["backup"], done["good"]) == (name, True)
    assert done["tables_compared"] > 0
    assert steps.run(NODE, "backups", "")["drills"][0] == done
    assert lab.status(PEER)["backups"]["drill"]["problem"] is None


# One table.


def test_a_table_that_was_dropped_comes_back_on_both_nodes(steps: Steps, table: str) -> None:
    lab = steps.lab
    lost = f"{table}_lost"
    lab.sql(
        NODE,
        f"CREATE TABLE {lost} (id INT AUTO_INCREMENT PRIMARY KEY, f FLOAT,"
        " note VARCHAR(40) CHARACTER SET latin1) ENGINE=InnoDB;"
        f" INSERT INTO {lost} (f, note) VALUES (1.1234567, _utf8 0xE282AC), (0.1, NULL)",
    )
    backup(steps, NODE)
    lab.sql(NODE, f"INSERT INTO {lost} (f, note) VALUES (3.4e38, 'behind the backup')")
    wanted = lab.sql(NODE, f"CHECKSUM TABLE {lost}")[0][1]
    time.sleep(1)  # the drop is in a later second
    moment = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))}
    lab.sql(NODE, f"DROP TABLE {lost}")
    archive(steps)
    try:
        document = {"table": lost, "into": lost, "moment": moment}
        done = steps.run(NODE, "restore-table", json.dumps(document))["table"]
        assert done["rows"] == 3
        for node in NODES:
            found = eventually(
                lambda node=node: lab.sql(node, f"CHECKSUM TABLE {lost}")[0][1],
                lambda found: found == wanted,
                f"{lost} on {node}",
            )
            assert found == wanted
        problem = steps.run(NODE, "restore-table", json.dumps(document), REFUSED)
        assert "is there" in problem["found"]
    finally:
        lab.sql(NODE, f"DROP TABLE IF EXISTS {lost}")


def test_a_table_whose_restore_was_killed_leaves_nothing_under_its_name_and_comes_whole(
    steps: Steps, table: str
) -> None:
    lab = steps.lab
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('in the backup')")
    into = f"{table}_before"
    document = json.dumps(
        {"table": table, "into": into, "moment": AS_IT_IS, "backup": backup(steps, NODE)}
    )
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'app'"
    steps.killed(NODE, "restore-table", "backup.tables._rows", document=document)
    assert into not in [f"app.{row[0]}" for row in lab.sql(NODE, tables)]
    try:
        assert steps.run(NODE, "restore-table", document)["table"]["rows"] == 1
        assert not [row for row in lab.sql(NODE, tables) if "restoring" in row[0]]
    finally:
        lab.sql(NODE, f"DROP TABLE IF EXISTS {into}")


# The whole ring.


def put_back(steps: Steps, node: str, document: dict[str, Any]) -> dict[str, Any]:
    """All of it, as a person types it. What the node that was restored says."""
    (peer,) = (each for each in NODES if each != node)
    steps.run(peer, "restore-ring", json.dumps({"gives_way": CONFIRM}))
    done = steps.run(node, "restore-ring", json.dumps({**document, "destroys": CONFIRM}))
    steps.run(peer, f"rejoin --discard {peer}", "")
    steps.run(node, "rejoin", "")
    steps.wait_until_whole()
    return done["restored"]


def test_the_ring_is_put_back_to_a_moment(steps: Steps, load: Load) -> None:
    lab = steps.lab
    load.advance()
    backup(steps, PEER)
    moment, must, must_not = a_moment(load)
    archive(steps)
    before = {node: lab.value(node, "SELECT @@server_uuid") for node in NODES}
    done = put_back(steps, NODE, {"moment": moment})
    assert done["server_uuid"] not in before.values()
    sums = set()
    for node in NODES:
        found = {row[0] for row in lab.sql(node, f"SELECT token FROM {load.table}")}
        assert must <= found
        assert not must_not & found
        sums.add(lab.sql(node, f"CHECKSUM TABLE {load.table}")[0][1])
    assert len(sums) == 1
    assert lab.ssh(NODE, f"sudo ls {done['former']} 2>&1 || true").startswith("ls: cannot access")
    lab.sql(NODE, f"INSERT INTO {load.table} (node, token) VALUES ('node-1', 'a new one')")
    eventually(
        lambda: lab.value(PEER, f"SELECT COUNT(*) FROM {load.table} WHERE token = 'a new one'"),
        lambda count: count == "1",
        "a row that was written after it",
    )
    lab.sql(NODE, f"DROP TABLE {load.table}")
    assert lab.status(NODE)["healthy"]
    assert lab.status(PEER)["healthy"]


def test_nothing_is_put_back_while_the_peer_serves_or_without_its_name_typed_out(
    steps: Steps, table: str
) -> None:
    lab = steps.lab
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('stays')")
    document = {"moment": AS_IT_IS, "backup": backup(steps, NODE)}
    for destroys, said in ((CONFIRM, "serves clients"), ("lab/other", "is to be given up")):
        text = json.dumps({**document, "destroys": destroys})
        assert said in steps.run(NODE, "restore-ring", text, REFUSED)["found"]
    assert lab.status(NODE)["gate"] == "open"
    assert lab.value(NODE, f"SELECT COUNT(*) FROM {table}") == "1"


def test_a_ring_that_gave_way_for_nothing_serves_again_as_it_was(steps: Steps, table: str) -> None:
    lab = steps.lab
    steps.run(PEER, "restore-ring", json.dumps({"gives_way": CONFIRM}))
    assert lab.status(PEER)["gate"] == "closed"
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('meanwhile')")
    steps.run(PEER, "rejoin", "")
    steps.wait_until_whole()
    assert lab.value(PEER, f"SELECT COUNT(*) FROM {table}") == "1"


@pytest.mark.parametrize(
    ("after", "old"), [("ring.opening.shut", True), ("mysql.incarnations.take_place", False)]
)
def test_a_ring_whose_restore_was_killed_is_restored_by_the_next_run(
    steps: Steps, table: str, after: str, old: bool
) -> None:
    lab = steps.lab
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('in the backup')")
    document = {"moment": AS_IT_IS, "backup": backup(steps, NODE)}
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('after it')")
    eventually(
        lambda: lab.value(PEER, f"SELECT COUNT(*) FROM {table}"),
        lambda count: count == "2",
        "both rows on the peer",
    )
    steps.run(PEER, "restore-ring", json.dumps({"gives_way": CONFIRM}))
    steps.killed(
        NODE, "restore-ring", after, document=json.dumps({**document, "destroys": CONFIRM})
    )
    assert lab.status(NODE)["gate"] == "closed"
    if old:
        assert lab.value(NODE, f"SELECT COUNT(*) FROM {table}") == "2"
    put_back(steps, NODE, document)
    for node in NODES:
        assert lab.sql(node, f"SELECT note FROM {table}") == [["in the backup"]]
    kept = lab.ssh(NODE, "sudo ls /srv/mysql-ring/incarnations").split()
    assert len(kept) == 1


# What is refused.


class Objects:
    """The ring's bucket, by the API; what a test changed is put back."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab, self._folder = lab, folder
        self._bucket = lab.outputs()["bucket"]["name"]
        self._changed: list[tuple[str, str]] = []

    def get(self, key: str) -> bytes:
        place = self._folder / "object"
        self._lab.aws("s3api", "get-object", "--bucket", self._bucket, "--key", key, str(place))
        return place.read_bytes()

    def put(self, key: str, content: bytes) -> None:
        place = self._folder / "changed"
        place.write_bytes(content)
        done = self._lab.aws(
            "s3api", "put-object", "--bucket", self._bucket, "--key", key, "--body", str(place)
        )
        self._changed.append((key, done["VersionId"]))

    def remove(self, key: str) -> None:
        done = self._lab.aws("s3api", "delete-object", "--bucket", self._bucket, "--key", key)
        self._changed.append((key, done["VersionId"]))

    def put_back(self) -> None:
        for key, version in reversed(self._changed):
            self._lab.aws(
                "s3api", "delete-object", "--bucket", self._bucket, "--key", key,
                "--version-id", version,
            )  # fmt: skip
        self._changed.clear()


@pytest.fixture
def objects(ring: Lab, tmp_path: Path) -> Iterator[Objects]:
    found = Objects(ring, tmp_path)
    yield found
    found.put_back()


def test_what_is_no_good_backup_is_refused_by_its_name_and_an_older_one_is_named(
    steps: Steps, table: str, objects: Objects
) -> None:
    lab = steps.lab
    lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('in the backup')")
    older, name = backup(steps, NODE), backup(steps, PEER)
    node, _, identity = name.partition("/")
    folder = f"mysql/{node}/backups/{identity}"
    manifest, data = f"{folder}/manifest.json", f"{folder}/data.tar.zst"
    kept = objects.get(manifest)
    foreign = json.dumps({**json.loads(kept), "stack": "prod"}).encode()
    document = json.dumps({"name": "a-test", "moment": AS_IT_IS})
    for spoil, said in (
        (lambda: objects.put(manifest, kept[:200]), "it was cut or is none"),
        (lambda: objects.put(manifest, foreign), "of stack prod"),
        (lambda: objects.remove(data), "is not in the bucket"),
        (lambda: objects.put(data, b"wrong"), "bytes with ETag"),
    ):
        spoil()
        problem = steps.run(NODE, "restore-scratch", document, REFUSED)
        assert said in problem["found"]
        assert identity in problem["found"]
        assert older in problem["next_step"]
        objects.put_back()
    objects.remove(data)
    listed = steps.run(NODE, "backups", "")["backups"]
    assert [each["problem"] is None for each in listed[:2]] == [False, True]
    with scratch(steps, NODE, {"moment": AS_IT_IS, "backup": older}) as there:
        assert on_scratch(lab, NODE, there, f"SELECT note FROM {table}") == ["in the backup"]


def test_a_gap_in_the_logs_is_refused_with_what_can_be_had(
    steps: Steps, table: str, objects: Objects
) -> None:
    lab = steps.lab
    name = backup(steps, NODE)
    logs = list[str]()
    for note in ("before the gap", "in the gap", "after it"):
        logs.append(lab.sql(NODE, "SHOW MASTER STATUS")[0][0])
        lab.sql(NODE, f"INSERT INTO {table} (note) VALUES ('{note}'); FLUSH LOCAL BINARY LOGS")
    archive(steps)
    server = lab.value(NODE, "SELECT @@server_uuid")
    objects.remove(f"mysql/{NODE}/logs/{server}/{logs[1]}.zst")
    document = {"name": "a-test", "moment": {"latest": True}, "backup": name}
    problem = steps.run(NODE, "restore-scratch", json.dumps(document), REFUSED)
    gap = f"between {logs[0]} and {logs[2]}"
    assert gap in problem["found"]
    assert logs[0] in problem["next_step"]
    spans = steps.run(NODE, "backups", "")["logs"]
    (span,) = (each for each in spans if each["server_uuid"] == server)
    assert gap in span["gaps"]
    end = next(int(row[1]) for row in lab.sql(NODE, "SHOW BINARY LOGS") if row[0] == logs[0])
    place = {"node": NODE, "file": logs[0], "position": end}
    with scratch(steps, NODE, {"moment": place, "backup": name}) as there:
        assert on_scratch(lab, NODE, there, f"SELECT note FROM {table}") == ["before the gap"]
