"""Wrong settings, as a person meets them: one list in the real preview, and nothing is changed."""

import copy
import re
from typing import Any

import pytest
import yaml
from labs import ROOT, Lab

pytestmark = pytest.mark.lab

MANY = {
    "adminCidrs": ["0.0.0.0/0", "198.51.100.7"],
    "adminCidr": ["198.51.100.0/24"],
    "clientCidr": "0.0.0.0/0",
    "replicationCidr": "10.10.1.1/24",
    "availabilityZone": "us-east-1a",
    "nodes": [
        {
            "name": "node-1",
            "clientAddress": "192.168.100.10",
            "replicationAddress": "10.10.1.10",
            "serverId": 7,
            "autoIncrementOffset": 1,
        },
        {
            "name": "node-2",
            "clientAddress": "192.168.100.11",
            "replicationAddress": "10.10.1.10",
            "serverId": 7,
            "autoIncrementOffset": 1,
        },
    ],
    "instanceType": "t4g.nano",
    "rootVolumeGib": 1,
    "dataVolumeGib": 1,
    "dataVolumeIops": 9,
    "openWithoutPeerSeconds": 0,
    "mysqlArchiveUrl": "ftp://example.org/mysql.tar.gz",
    "mysqlArchiveChecksum": "sha1:0000",
    "mysqlSettings": {"server-id": 9, "tmp_table_sice": "1M", "wait_timeout": "1 # second"},
    "databases": ["mysql", "my shop"],
    "users": [{"name": "root", "databases": ["elsewhere"], "privileges": ["SELCT"]}],
    "replicationUser": "a-name-that-is-too-long",
    "passwords": {"app": "hush"},
    "tags": {"aws:owner": "me"},
}
NAMED = [
    "adminCidrs[0]",
    "adminCidrs[1]",
    "adminCidr",
    "clientCidr",
    "replicationCidr",
    "availabilityZone",
    "nodes.replicationAddress",
    "nodes.serverId",
    "nodes.autoIncrementOffset",
    "nodes[0].serverId",
    "nodes[1].serverId",
    "nodes[1].autoIncrementOffset",
    "instanceType",
    "rootVolumeGib",
    "dataVolumeGib",
    "dataVolumeIops",
    "openWithoutPeerSeconds",
    "mysqlArchiveUrl",
    "mysqlArchiveChecksum",
    "mysqlSettings.server-id",
    "mysqlSettings.tmp_table_sice",
    "mysqlSettings.wait_timeout",
    "databases[0]",
    "databases[1]",
    "users[0].name",
    "users[0].databases",
    "users[0].privileges",
    "replicationUser",
    "passwords",
    "tags.aws:owner",
]


def nodes(first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    """Both nodes as they stand, with some values changed."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]["nodes"]["default"]
    one, two = copy.deepcopy(declared)
    return [one | first, two | second]


# What a ring that holds data cannot take, and the settings that the list names.
CHANGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "another zone": (
        {
            "clientCidr": "192.168.7.0/24",
            "availabilityZone": "eu-central-1b",
            "nodes": nodes({"clientAddress": "192.168.7.10"}, {"clientAddress": "192.168.7.11"}),
        },
        ["availabilityZone"],
    ),
    "what a server with data keeps": (
        {
            "rootVolumeGib": 8,
            "dataVolumeGib": 4,
            "nodes": nodes(
                {"autoIncrementOffset": 2},
                {"serverId": 7, "autoIncrementOffset": 1},
            ),
        },
        [
            "dataVolumeGib",
            "nodes[0].autoIncrementOffset",
            "nodes[1].autoIncrementOffset",
            "nodes[1].serverId",
            "rootVolumeGib",
        ],
    ),
    "another name": ({"nodes": nodes({}, {"name": "db-2"})}, ["nodes.name"]),
}


def refused(lab: Lab, command: str, **settings: object) -> tuple[str, list[str]]:
    """What the command prints, and the settings that its list names."""
    file = lab.settings_with(**settings)
    arguments = [command, "--color", "never", "--config-file", str(file)]
    if command == "up":
        arguments.append("--yes")
    done = lab.pulumi(*arguments, expect=None)
    assert done.returncode != 0
    printed = done.stdout + done.stderr
    assert "Traceback" not in printed
    return printed, re.findall(r"^ *- (\S+): found .+, expected .+$", printed, re.M)


def test_a_preview_names_every_mistake_once_and_changes_nothing(ring: Lab) -> None:
    before = ring.pulumi("stack", "export").stdout
    printed, named = refused(ring, "preview", **MANY)
    assert sorted(named) == sorted(NAMED)
    assert f"{len(NAMED)} mistakes in the settings, nothing was changed" in printed
    assert "hush" not in printed
    assert ring.pulumi("stack", "export").stdout == before


@pytest.mark.parametrize("command", ["preview", "up"])
def test_a_single_mistake_stops_before_anything_is_changed(ring: Lab, command: str) -> None:
    before = ring.resources()
    settings = {"mysqlSettings": {"log-bin": "elsewhere"}}
    printed, named = refused(ring, command, **settings)
    assert named == ["mysqlSettings.log-bin"]
    assert "1 mistake in the settings, nothing was changed" in printed
    assert ring.resources() == before


def test_a_missing_setting_does_not_hide_a_misspelt_one(ring: Lab) -> None:
    _, named = refused(ring, "preview", adminCidrs=[], instanceTyp="t3.small")
    assert sorted(named) == ["adminCidrs", "instanceTyp"]


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_that_would_lose_data_is_refused_in_the_preview(ring: Lab, what: str) -> None:
    settings, expected = CHANGES[what]
    printed, named = refused(ring, "preview", **settings)
    assert sorted(named) == expected
    assert "nothing was changed" in printed


def test_an_up_that_would_take_both_volumes_away_touches_none(ring: Lab) -> None:
    before = ring.outputs()["nodes"]
    settings, expected = CHANGES["another zone"]
    _, named = refused(ring, "up", **settings)
    assert named == expected
    ring.pulumi("refresh", "--yes", "--expect-no-changes")
    assert ring.outputs()["nodes"] == before
