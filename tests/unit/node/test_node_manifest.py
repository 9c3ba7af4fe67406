"""What a backup says of itself, and what is refused as one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from ring_node.backup import manifest
from ring_node.backup.manifest import Checked, Manifest, Object
from ring_node.base.errors import Exit, NodeError
from ring_node.mysql.shows import Coordinates

pytestmark = pytest.mark.unit

UUID = "0f3e2d1c-aaaa-bbbb-cccc-000000000001"
PEER = "0f3e2d1c-aaaa-bbbb-cccc-000000000002"
NAME = "20261126T031500Z"
KEY = f"mysql/node-1/backups/{NAME}/manifest.json"
WHOLE = Manifest(
    stack="prod",
    ring="ring",
    node="node-1",
    server_uuid=UUID,
    server_id=1,
    peer_uuid=PEER,
    mysql_version="5.6.24-log",
    taken_at=datetime(2026, 11, 26, 3, 15, tzinfo=UTC),
    master=Coordinates("bin.000012", 345),
    slave=Coordinates("bin.000007", 120),
    innodb=Coordinates("bin.000012", 314),
    bytes=1 << 40,
    files=312,
    seconds=61.5,
    checked=Checked(40, 12.5, ("`app`.`large`",)),
    checksums={"`app`.`t`": 4294967295, "`app`.`empty`": 0},
    data=Object(f"mysql/node-1/backups/{NAME}/data.tar.zst", 9, "a" * 64, "b-2"),
    export=Object(f"mysql/node-1/backups/{NAME}/export.tar.zst", 8, "c" * 64, "d"),
    inexact=("FLOAT",),
)


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert manifest.from_json(manifest.to_json(WHOLE), KEY) == WHOLE


def test_a_server_without_slave_commits_and_export_has_a_manifest_too() -> None:
    document = json.loads(manifest.to_json(WHOLE))
    document.update(peer_uuid=None, slave=None, innodb=None, export=None, inexact=[])
    made = manifest.from_json(json.dumps(document).encode(), KEY)
    assert (made.peer_uuid, made.slave, made.innodb, made.export) == (None, None, None, None)


def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
    document = json.loads(manifest.to_json(WHOLE))
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("master"), "master is null"),
        (lambda d: d.update(master=["bin.000012"]), "master is"),
        (lambda d: d.update(master=["../bin.000012", 4]), "master is"),
        (lambda d: d.update(master=None), "master is null"),
        (lambda d: d.update(server_id=True), "server_id is true"),
        (lambda d: d.update(server_uuid=UUID.upper()), "server_uuid is"),
        (lambda d: d.update(taken_at="2026-11-26"), "taken_at is"),
        (lambda d: d.update(bytes=-1), "bytes is -1"),
        (lambda d: d.update(checksums={"`app`.`t`": None}), "checksums is"),
        (lambda d: d.update(data=None), "data is null"),
        (lambda d: d["data"].pop("etag"), "data.etag is null"),
        (lambda d: d["data"].update(sha256="a"), "data.sha256 is"),
        (lambda d: d["checked"].update(left_out="x"), "checked.left_out is"),
        (lambda d: d.pop("export"), "export is null"),
        (lambda d: d.update(more=1), "more is no field"),
        (lambda d: d.update(format=2), "format 2, and this release reads 1"),
        (lambda d: d.update(node="node-2"), "it says that it is mysql/node-2/"),
        (lambda d: d["data"].update(key="mysql/node-2/x"), "its data is mysql/node-2/x"),
        (lambda d: d.update(export=None), "names what an export lacks"),
    ],
)
def test_a_manifest_that_says_what_it_cannot_mean_is_refused(
    change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    with pytest.raises(NodeError) as caught:
        manifest.from_json(changed(change), KEY)
    assert caught.value.code is Exit.REFUSED
    assert said in caught.value.found
    assert KEY in caught.value.found


def test_every_mistake_of_a_manifest_is_in_one_error() -> None:
    def change(document: dict[str, Any]) -> None:
        document.update(server_id=0, files="many")
        document["data"].update(bytes=0)

    with pytest.raises(NodeError, match=r"server_id is 0.*files is \"many\".*data.bytes is 0"):
        manifest.from_json(changed(change), KEY)


@pytest.mark.parametrize("size", [0, 1, 200, len(manifest.to_json(WHOLE)) - 2])
def test_a_manifest_that_was_cut_is_refused(size: int) -> None:
    with pytest.raises(NodeError, match="not JSON"):
        manifest.from_json(manifest.to_json(WHOLE)[:size], KEY)


def test_a_backup_is_named_by_when_it_was_taken() -> None:
    assert WHOLE.identity == NAME
    assert manifest.manifest_key("node-1", NAME) == KEY
    assert manifest.folder("node-1") == "mysql/node-1/backups/"
