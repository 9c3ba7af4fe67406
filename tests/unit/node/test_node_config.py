"""Verb `config`: what it does with the server when the file is in place."""

from __future__ import annotations

from pathlib import Path

import pytest
from ring_node.base import paths
from ring_node.base.errors import Exit, NodeError
from ring_node.mysql import datadir, lifecycle
from ring_node.mysql.tls import Keys
from ring_node.ring import restart
from ring_node.verbs import config, tls
from ring_node.verbs.config import Act

pytestmark = pytest.mark.unit

TEXT = f"[mysqld]\nserver-id = 1\n{config.END}\n"


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is done to a server that systemd calls running, with a file that is as wanted."""
    found: list[str] = []
    monkeypatch.setattr(paths, "CONFIG", tmp_path / "mysqld.cnf")
    monkeypatch.setattr(paths, "RESTART_DUE", tmp_path / "due")
    paths.CONFIG.write_text(TEXT)
    monkeypatch.setattr(datadir, "initialised", lambda: True)
    monkeypatch.setattr(lifecycle, "running", lambda: True)
    for name in ("start", "restart"):
        monkeypatch.setattr(lifecycle, name, lambda name=name: found.append(name))
    monkeypatch.setattr(restart, "in_turn", lambda *_, **__: found.append("in turns"))
    return found


@pytest.mark.parametrize(
    ("due", "greets", "what"),
    [
        (False, True, []),
        (True, True, ["in turns"]),
        (True, False, ["restart"]),
        (False, False, []),
    ],
    ids=["as it should be", "a restart is due", "left down by a killed restart", "starting"],
)
def test_a_server_that_a_killed_restart_left_down_waits_for_no_peer(
    monkeypatch: pytest.MonkeyPatch, done: list[str], due: bool, greets: bool, what: list[str]
) -> None:
    monkeypatch.setattr(lifecycle, "greets", lambda: greets)
    if due:
        paths.RESTART_DUE.touch()
    config.run(TEXT)
    assert done == what


def test_certificates_for_a_server_that_is_down_are_put_in_place_without_a_restart(
    monkeypatch: pytest.MonkeyPatch, done: list[str]
) -> None:
    written: list[Path] = []
    monkeypatch.setattr(lifecycle, "greets", lambda: False)
    monkeypatch.setattr(tls.documents, "keys", lambda _: Keys("ca", "certificate", "key"))
    monkeypatch.setattr(tls.tls, "check", lambda *_: None)
    monkeypatch.setattr(tls.records, "node", lambda: None)
    monkeypatch.setattr(tls.files, "read_bytes", lambda _: b"")
    monkeypatch.setattr(tls.files, "write_all", lambda wanted, **_: written.extend(wanted) or [])
    paths.RESTART_DUE.touch()
    tls.run({})
    assert (done, set(written)) == ([], {paths.CA, paths.CERTIFICATE, paths.KEY})


CASES = {
    # same, initialised, runs, left down, restart due
    "no data directory yet": ((False, False, False, False, False), Act.WRITE),
    "nor a new file": ((True, False, False, False, False), Act.NOTHING),
    "a due restart of nothing": ((True, False, False, False, True), Act.NOTHING),
    "runs with it": ((True, True, True, False, False), Act.NOTHING),
    "runs with the one before": ((True, True, True, False, True), Act.RESTART),
    "another file": ((False, True, True, False, False), Act.RESTART),
    "stopped": ((True, True, False, False, False), Act.START),
    "stopped, another file": ((False, True, False, False, False), Act.START),
    "stopped, a restart due": ((True, True, False, False, True), Act.START),
    "left down": ((True, True, True, True, True), Act.START_AGAIN),
    "left down, another file": ((False, True, True, True, True), Act.START_AGAIN),
    "left down, and systemd gave it up": ((True, True, False, True, True), Act.START_AGAIN),
}


@pytest.mark.parametrize(("state", "act"), CASES.values(), ids=CASES)
def test_a_running_server_is_restarted_in_its_turn_and_any_other_one_started(
    state: tuple[bool, ...], act: Act
) -> None:
    same, initialised, runs, left_down, due = state
    assert act is config.decide(
        same=same, initialised=initialised, runs=runs, left_down=left_down, due=due
    )


def test_a_my_cnf_that_came_in_part_is_refused_before_anything_is_read(done: list[str]) -> None:
    for length in range(len(TEXT) - 1):
        with pytest.raises(NodeError) as error:
            config.run(TEXT[:length])
        assert error.value.code is Exit.INPUT
    assert paths.CONFIG.read_text() == TEXT
    assert done == []


def test_the_program_ends_its_my_cnf_as_the_verb_expects() -> None:
    node = Path(__file__).parents[1] / "components/golden/node-1.cnf"
    assert node.read_text().splitlines()[-1] == config.END
