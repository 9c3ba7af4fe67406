"""What a first run that ends in the middle leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from ring_node.base import paths
from ring_node.mysql import datadir
from ring_node.verbs import server

pytestmark = pytest.mark.unit


def test_the_password_of_a_data_directory_is_known_before_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    remembered: list[str] = []

    def killed(_password: str) -> None:
        assert remembered == ["first-word"]
        raise SystemExit

    monkeypatch.setattr(paths, "DATA", tmp_path / "mysql")
    for module, name in (
        (server, "_prerequisites"),
        (datadir, "refuse_foreign_data"),
    ):
        monkeypatch.setattr(module, name, lambda *_: None)
    monkeypatch.setattr(server, "keep_root_password", remembered.append)
    monkeypatch.setattr(datadir, "initialise", killed)
    with pytest.raises(SystemExit):
        server.run({"root_password": "first-word"})
