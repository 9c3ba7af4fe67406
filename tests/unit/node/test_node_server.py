"""What a run that ends in the middle leaves, and what a restart that failed says."""

from __future__ import annotations

from pathlib import Path

import pytest
from ring_node.base import paths
from ring_node.base.errors import NodeError, refused
from ring_node.base.report import Report
from ring_node.mysql import datadir, lifecycle
from ring_node.ring import records, restart
from ring_node.verbs import server

pytestmark = pytest.mark.unit

BACK = "have_ssl is DISABLED; what was there before is back and the server runs with it"
NOT_BACK = "have_ssl is DISABLED; with what was there before: have_ssl is DISABLED"


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


@pytest.mark.parametrize(
    ("judged", "said"), [([False, True], BACK), ([False, False], NOT_BACK)], ids=["good", "a mix"]
)
def test_after_a_failed_change_it_says_what_the_server_does_with_the_old_files(
    monkeypatch: pytest.MonkeyPatch, judged: list[bool], said: str
) -> None:
    done: list[str] = []

    def after() -> None:
        if not judged.pop(0):
            raise refused("have_ssl is DISABLED", "have_ssl=YES", "give another key")

    monkeypatch.setattr(records, "node", lambda: None)
    monkeypatch.setattr(records, "peer", lambda: None)
    monkeypatch.setattr(lifecycle, "note_restart_due", lambda: None)
    monkeypatch.setattr(lifecycle, "restart", lambda: done.append("restart"))
    with pytest.raises(NodeError) as caught:
        restart.in_turn(
            "new certificates", Report("tls"), after=after, undo=lambda: done.append("undo")
        )
    assert done == ["restart", "undo", "restart"]
    assert caught.value.found == said
    assert caught.value.next_step == "give another key"


def test_a_server_that_starts_with_neither_is_told_with_both_reasons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reasons = ["unknown variable", "no room"]

    def fail() -> None:
        raise refused(reasons.pop(0), "a start", "read the log")

    monkeypatch.setattr(records, "node", lambda: None)
    monkeypatch.setattr(records, "peer", lambda: None)
    monkeypatch.setattr(lifecycle, "note_restart_due", lambda: None)
    monkeypatch.setattr(lifecycle, "restart", fail)
    with pytest.raises(NodeError) as caught:
        restart.in_turn("a changed my.cnf", Report("config"))
    assert caught.value.found == "unknown variable; with what was there before: no room"
