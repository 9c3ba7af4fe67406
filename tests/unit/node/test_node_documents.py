"""Documents on standard input: what is wrong is named, and never a password."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from ring_node import cli
from ring_node.base.errors import Exit, NodeError
from ring_node.base.fields import parse_json
from ring_node.ring import documents

pytestmark = pytest.mark.unit

NODE = {
    "name": "node-1",
    "server_id": 1,
    "client_address": "192.168.100.10",
    "replication_address": "10.10.1.10",
}
PEER = {
    "name": "node-2",
    "server_id": 2,
    "replication_address": "10.10.1.11",
    "volume_id": "vol-1",
}


def test_a_pair_is_read() -> None:
    assert documents.pair({"node": NODE, "peer": PEER}).peer.server_id == 2


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"node": {**NODE, "server_id": 2}}, "same server_id"),
        ({"node": {**NODE, "server_id": True}}, "server_id is True"),
        ({"node": {**NODE, "client_address": "192.168.100"}}, "'192.168.100'"),
        ({"node": {**NODE, "colour": "red"}}, "colour"),
        ({"peer": {}}, "no 'name'"),
        ({"peer": []}, "peer is list"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_pair_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(NodeError) as caught:
        documents.pair({"node": NODE, "peer": PEER, **changes})
    assert caught.value.code is Exit.INPUT
    assert named in caught.value.found


@pytest.mark.parametrize("password", ["", "x" * 33, 'quo"te', "back\\slash", "a b", "pässword"])
def test_a_password_that_a_client_file_would_change_is_refused_unquoted(password: str) -> None:
    with pytest.raises(NodeError) as caught:
        documents.password(password, "root_password")
    assert not password or password not in caught.value.render()


@pytest.mark.parametrize(
    ("url", "checksum"),
    [
        ("ftp://host/x.tar.gz", "md5:" + "0" * 32),
        ("https://host/x.tar.gz", "md5:" + "0" * 31),
        ("https://host/x.tar.gz", "0" * 64),
        ("https://host/x.tar.gz x.tar.gz", "md5:" + "0" * 32),
    ],
)
def test_a_malformed_archive_is_refused(url: str, checksum: str) -> None:
    with pytest.raises(NodeError):
        documents.archive({"url": url, "checksum": checksum})


def test_json_that_is_none_is_not_quoted() -> None:
    with pytest.raises(NodeError) as caught:
        parse_json('{"root_password": "hidden-word"')
    assert "hidden-word" not in caught.value.render()


@pytest.mark.parametrize("arguments", [[], ["dance"], ["seed", "--force"]])
def test_a_wrong_command_line_ends_with_the_code_for_input(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == Exit.INPUT
    shown = capsys.readouterr()
    assert shown.out == ""
    assert all(word in shown.err for word in ("found:", "expected:", "next step:"))


def test_a_verb_without_root_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
    assert cli.main(["tls"]) == Exit.INPUT
    assert "sudo" in capsys.readouterr().err


def test_the_table_of_exit_codes_has_each_of_them_once() -> None:
    text = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    table = text.partition("`ring-node` ends with:")[2].partition("\n## ")[0]
    codes = re.findall(r"^\| (\d+) \|", table, re.MULTILINE)
    assert codes == [str(code.value) for code in Exit]
