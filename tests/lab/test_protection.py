"""What holds data is deleted by no update and no destroy while `protectData` is true."""

import re
from typing import Any

import pytest
from hosts import Node
from labs import NODES, Lab, resource, wait_until_whole

pytestmark = pytest.mark.lab

LOST = NODES[1]
UP = ("up", "--yes", "--non-interactive")
VOLUME, BUCKET = f"**::{resource(LOST, 'data-volume')}", "**::ring-bucket"
PROTECTED = {
    VOLUME: r"mysql-ring:protectData:DataVolume\$aws:ebs/volume:Volume::ring-node-2-data-volume",
    BUCKET: r"mysql-ring:protectData:Bucket\$aws:s3/bucket:Bucket::ring-bucket",
}


def stands(ring: Lab) -> dict[str, Any]:
    """What there is by the API's word, the servers that run, and the stack."""
    kinds = {
        "instances": "Reservations[].Instances[].[InstanceId, State.Name]",
        "volumes": "Volumes[].[VolumeId, State]",
        "network-interfaces": "NetworkInterfaces[].[NetworkInterfaceId, Status]",
    }
    found: dict[str, Any] = {
        kind: sorted(ring.aws("ec2", f"describe-{kind}", "--query", query))
        for kind, query in kinds.items()
    }
    found["buckets"] = ring.aws("s3api", "list-buckets", "--query", "Buckets[].Name")
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


def test_no_update_and_no_destroy_takes_data_away_until_the_setting_says_so(ring: Lab) -> None:
    protected = ("--config-file", str(ring.settings_with(protectData=True)))
    ring.pulumi(*UP, *protected)
    before = stands(ring)
    for target, urn in PROTECTED.items():
        for command in (("preview",), UP, (*UP, "--skip-preview")):
            printed = refused(ring, *command, "--replace", target, *protected)
            assert re.search(urn, printed), printed[-4000:]
            assert "protect" in printed
            assert stands(ring) == before, command
    printed = refused(ring, "destroy", "--yes", "--non-interactive")
    for urn in PROTECTED.values():
        assert re.search(urn, printed), printed[-4000:]
    assert stands(ring) == before
    wait_until_whole(ring)
    assert "pulumi config set protectData false" in ring.outputs()["protection"]

    ring.up()  # with protectData false, as the lab has it
    assert ring.outputs()["protection"] == ""
    preview = ("--preview-only", "--non-interactive", "--color", "never")
    printed = ring.pulumi("destroy", *preview).stdout
    assert "ring-node-1-data-volume" in printed
    assert ring.pulumi("preview", "--replace", VOLUME, "--color", "never").returncode == 0
