"""What holds data is deleted by no update and no destroy while `protectData` is true."""

import re
from typing import Any

import pytest
from hosts import Node
from labs import NODES, Lab, wait_until_whole

pytestmark = pytest.mark.lab

UP = ("up", "--yes", "--non-interactive")


def stands(ring: Lab) -> dict[str, Any]:
    """What there is by the API's word, the servers that run, and the stack."""
    kinds = {
        "instances": "Reservations[].Instances[].[InstanceId, State.Name]",
        "volumes": "Volumes[].[VolumeId, State]",
        "network-interfaces": "NetworkInterfaces[].[NetworkInterfaceId, Status]",
    }
    aws = ring.aws
    found: dict[str, Any] = {
        kind: sorted(aws("ec2", f"describe-{kind}", "--query", query))
        for kind, query in kinds.items()
    }
    found["buckets"] = aws("s3api", "list-buckets", "--query", "Buckets[].Name")
    found["servers"] = [Node(ring, name).mysqld() for name in NODES]
    found["stack"] = sorted(
        (each["urn"], each.get("id", ""), each.get("protect", False))
        for each in ring.state()["resources"]
    )
    return found


def refused(ring: Lab, *words: str) -> str:
    done = ring.pulumi(*words, "--color", "never", expect=None)
    printed = done.stdout + done.stderr
    assert done.returncode != 0, printed[-4000:]
    return printed


def holders(ring: Lab) -> list[str]:
    """The URNs of what holds data, as the stack knows them."""
    kinds = ("aws:ebs/volume:Volume", "aws:s3/bucket:Bucket")
    return [each["urn"] for each in ring.state()["resources"] if each["type"] in kinds]


def test_no_update_and_no_destroy_takes_data_away_until_the_setting_says_so(ring: Lab) -> None:
    protected = ("--config-file", str(ring.settings_with(protectData=True)))
    ring.pulumi(*UP, *protected)
    before = stands(ring)
    volume, other, bucket = sorted(holders(ring), key=lambda urn: ("Bucket" in urn, urn))
    replace = ("--replace", volume, "--replace", bucket)
    for words, named in (
        (("preview", *replace[:2], *protected), [volume]),
        (("preview", *replace[2:], *protected), [bucket]),
        ((*UP, "--skip-preview", *replace, *protected), []),
        (("destroy", "--yes", "--non-interactive"), [volume, other, bucket]),
    ):
        printed = refused(ring, *words)
        assert re.search(r"mysql-ring:protectData:\w+\$aws", printed), printed[-4000:]
        assert "protect" in printed
        assert all(urn in printed for urn in named), printed[-4000:]
        assert stands(ring) == before, words
    wait_until_whole(ring)
    assert "pulumi config set protectData false" in ring.outputs()["protection"]

    ring.up()  # with protectData false, as the lab has it
    assert ring.outputs()["protection"] == ""
    said = ring.pulumi("preview", *replace, "--color", "never").stdout
    assert "ring-node-1-data-volume replace" in said
    said = ring.pulumi("destroy", "--preview-only", "--color", "never").stdout
    for urn in (volume, other, bucket):
        assert f"{urn.rpartition('::')[2]} delete" in said
