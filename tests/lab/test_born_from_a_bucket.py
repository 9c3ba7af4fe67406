"""Both instances and both volumes are gone: the ring is born again from what its bucket has, and so
is a new one of another ring's bucket."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sameness
from hosts import Node
from labs import NODES, UP_SECONDS, Lab, eventually, wait_until_whole
from load import Load
from steps import Steps
from test_restore import a_moment, archive, backup

pytestmark = pytest.mark.restores

NODE, PEER = NODES
REGION = "eu-central-1"
RESTORE = "ring-birth-node-1-restore-new"
ACCESS = "ring-birth-node-1-access"
RINGS_OWN = ("root", "repuser", "follower", "ring_peer", "ring_heartbeat")


def lose(lab: Lab) -> None:
    """Both instances and both data volumes, by the API."""
    nodes = lab.outputs()["nodes"].values()
    instances = [each["instanceId"] for each in nodes]
    volumes = [each["dataVolumeId"] for each in nodes]
    lab.aws("ec2", "terminate-instances", "--instance-ids", *instances)

    def states() -> set[str]:
        told = lab.aws("ec2", "describe-volumes", "--volume-ids", *volumes)["Volumes"]
        return {each["State"] for each in told}

    eventually(states, lambda found: found == {"available"}, "the volumes let go of", 120)
    for volume in volumes:
        lab.aws("ec2", "delete-volume", "--volume-id", volume)


def up(lab: Lab, *more: str, expect: int = 0, **changes: Any) -> str:
    """With the lab's settings, some of them changed: what it printed."""
    settings = str(lab.settings_with(**changes))
    done = lab.pulumi(
        "up", "--yes", "--skip-preview", "--config-file", settings, *more,
        expect=None, timeout=UP_SECONDS,
    )  # fmt: skip
    text = done.stdout + done.stderr
    assert (done.returncode != 0) == (expect != 0), text[-6000:]
    return text


def changed_by_an_up(lab: Lab, **changes: Any) -> dict[str, str]:
    """By a preview: what would be done to which resource."""
    settings = str(lab.settings_with(**changes))
    steps = json.loads(lab.pulumi("preview", "--json", "--config-file", settings).stdout)["steps"]
    return {each["urn"].rpartition("::")[2]: each["op"] for each in steps if each["op"] != "same"}


def restored_by(lab: Lab) -> dict[str, Any]:
    """What the step printed."""
    (step,) = [each for each in lab.resources() if each["urn"].endswith(f"::{RESTORE}")]
    return json.loads(step["outputs"]["stdout"])


def tokens(node: Node, table: str) -> set[str]:
    return {row["token"] for row in node.rows(f"SELECT token FROM {table}")}


def assert_same(lab: Lab) -> None:
    """Both nodes hold the same, down to definitions and accounts."""
    with ExitStack() as stack:
        cursors = [stack.enter_context(Node(lab, name).session()) for name in NODES]
        both = [sameness.everything(each.connection, accounts=RINGS_OWN) for each in cursors]
    assert sameness.differences(*both) == {}


def assert_healthy(lab: Lab) -> None:
    wait_until_whole(lab)
    for node in NODES:
        eventually(
            lambda node=node: lab.status(node)["problems"],
            lambda problems: problems == [],
            f"{node} healthy",
            seconds=60,
        )


def assert_served(lab: Lab, table: str) -> None:
    """The application logs in with the password that this stack has; what it writes travels."""
    for node, peer in ((NODE, PEER), (PEER, NODE)):
        token = f"{node} after"
        said = Steps(lab).application(
            node, f"INSERT INTO {table} (node, token) VALUES ('{node}', '{token}')"
        )
        assert said == ""
        eventually(
            lambda peer=peer: tokens(Node(lab, peer), table),
            lambda found, token=token: token in found,
            f"a row of {node} on {peer}",
        )


@pytest.fixture
def keepsake(steps: Steps) -> Iterator[str]:
    """A table that was there before, with an event of each node."""
    lab, name = steps.lab, f"app.kept{time.time_ns()}"
    lab.sql(NODE, f"CREATE TABLE {name} (id INT PRIMARY KEY); INSERT INTO {name} VALUES (7)")
    for node in NODES:
        lab.sql(node, f"CREATE EVENT app.of_{node[-1]} ON SCHEDULE EVERY 1 YEAR DO SET @a = 1")
    yield name
    lab.sql(NODE, "DROP EVENT IF EXISTS app.of_1; DROP EVENT IF EXISTS app.of_2")
    lab.sql(NODE, f"DROP TABLE IF EXISTS {name}")


def test_a_ring_whose_instances_and_volumes_are_gone_is_born_again_as_it_was_at_a_moment(
    steps: Steps, keepsake: str, tmp_path: Path
) -> None:
    lab = steps.lab
    steps.wait_until_whole()
    with Load([Node(lab, name) for name in NODES], tmp_path) as load:
        taken = backup(steps, PEER)
        moment, must, must_not = a_moment(load)
    lab.sql(NODE, f"DROP TABLE {keepsake}")
    archive(steps)
    bucket = lab.outputs()["bucket"]["name"]
    before = {node: lab.value(node, "SELECT @@server_uuid") for node in NODES}
    lose(lab)

    # Nobody makes an empty ring of it unasked, whatever the state has of it.
    for more in ((), ("--refresh",)):
        said = up(lab, *more, expect=1)
        assert "the data volumes of both nodes gone" in said
        assert bucket in said
    wanted = {"bucket": bucket, "moment": moment["at"]}
    up(lab, "--refresh", restoreFrom=wanted)

    printed = restored_by(lab)["restored"]
    assert (printed["backup"], printed["moment"]) == (taken, moment["at"])
    for node in NODES:
        found = tokens(Node(lab, node), load.table)
        assert must - found == set()
        assert must_not & found == set()
        assert lab.value(node, f"SELECT id FROM {keepsake}") == "7"
        assert lab.value(node, "SELECT @@server_uuid") not in before.values()
        rows = lab.sql(node, "SELECT name, status FROM mysql.event WHERE db = 'app'")
        assert dict(rows)[f"of_{node[-1]}"] == "ENABLED"
        assert list(dict(rows).values()).count("ENABLED") == 1
    assert_healthy(lab)
    assert_same(lab)
    assert_served(lab, load.table)

    # The setting may stay, be another one, or go.
    assert changed_by_an_up(lab, restoreFrom=wanted) == {}
    assert changed_by_an_up(lab, restoreFrom={**wanted, "moment": "latest"}) == {}
    assert changed_by_an_up(lab) == {}
    lab.sql(NODE, f"DROP TABLE {load.table}")


def copied(lab: Lab, own: str) -> str:
    """A bucket with what that one has, of which no stack knows. Each object in parts, as it was put
    there: by a plain copy it would have another ETag, and not count."""
    name = f"old-{time.time_ns()}"
    aws = lab.aws
    region = f"LocationConstraint={REGION}"
    aws("s3api", "create-bucket", "--bucket", name, "--create-bucket-configuration", region)
    for each in aws("s3api", "list-objects-v2", "--bucket", own)["Contents"]:
        to = ("--bucket", name, "--key", each["Key"])
        upload = ("--upload-id", aws("s3api", "create-multipart-upload", *to)["UploadId"])
        source = ("--copy-source", f"{own}/{each['Key']}", "--part-number", "1")
        part = aws("s3api", "upload-part-copy", *to, *upload, *source)["CopyPartResult"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        whole = ("--multipart-upload", json.dumps(parts))
        made = aws("s3api", "complete-multipart-upload", *to, *upload, *whole)
        assert made["ETag"] == each["ETag"], each["Key"]
    return name


def test_a_new_stack_is_born_from_the_bucket_of_one_that_is_gone(
    steps: Steps, tmp_path: Path
) -> None:
    lab = steps.lab
    with Load([Node(lab, name) for name in NODES], tmp_path) as load:
        taken = backup(steps, NODE)
        load.advance()
    written = set().union(*(writer.tokens() for writer in load.writers))
    passwords = lab.outputs()["passwords"]
    archive(steps)
    old_bucket = copied(lab, lab.outputs()["bucket"]["name"])
    lab.suspect = True  # from here on it is another stack
    lab.pulumi("destroy", "--yes", "--skip-preview")

    # Whose backups they are has to be said, and is looked at before anything is fetched.
    wanted = {"bucket": old_bucket, "moment": "latest"}
    renamed = {"replicationUser": "follower", "databases": ["app", "more"]}
    said = up(lab, expect=1, restoreFrom={**wanted, "stack": "prod"}, **renamed)
    assert re.search(r"found: \S+ is a backup of ring ring of stack lab", said), said[-6000:]
    assert lab.ssh(NODE, "sudo ls /srv/mysql-ring/restoring") == ""
    up(lab, restoreFrom=wanted, **renamed)

    assert restored_by(lab)["restored"]["backup"] == taken
    assert lab.outputs()["passwords"]["root"] != passwords["root"]
    for node in NODES:
        assert tokens(Node(lab, node), load.table) == written
        assert "more" in [row[0] for row in lab.sql(node, "SHOW DATABASES")]
    assert_healthy(lab)
    assert_same(lab)
    assert_served(lab, load.table)

    # One node may read there, nobody may write, and that ends with the setting.
    key = f"s3://{old_bucket}/mysql/{NODE}/x"
    s3cmd = "sudo s3cmd --config=/etc/mysql-ring/s3cfg --no-progress"
    listing = f"{s3cmd} ls s3://{old_bucket}/mysql/"
    assert NODE in lab.ssh(NODE, listing)
    assert lab.run_on(PEER, listing, expect=None).returncode != 0
    put = f"{s3cmd} put /etc/hostname {key}"
    assert lab.run_on(NODE, put, expect=None).returncode != 0
    assert changed_by_an_up(lab, restoreFrom=wanted, **renamed) == {}
    assert changed_by_an_up(lab, **renamed) == {ACCESS: "delete"}
