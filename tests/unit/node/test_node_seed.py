"""What a node that begins empty takes over from a peer that is empty too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ring_node.base import paths
from ring_node.base.errors import Exit, NodeError
from ring_node.base.lock import held
from ring_node.base.report import Report
from ring_node.host import files
from ring_node.mysql import sql
from ring_node.mysql.shows import Coordinates
from ring_node.ring import (
    content,
    copying,
    documents,
    generation,
    opening,
    peer_accounts,
    relay,
    schema,
    seeding,
)
from ring_node.ring.join import GivenUp
from states import ME, MINE, OLD, PEER, born, node, slave

pytestmark = pytest.mark.unit

PAIR = documents.Pair(
    documents.Node("node-1", 1, "192.168.100.10", "10.10.1.10"),
    documents.Peer("node-2", 2, "10.10.1.11", "vol-2"),
)
LATER = Coordinates(MINE.file, MINE.offset + 100)


class Server:
    """A session that does what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def do(self, statement: str, _parameters: Any = ()) -> int:
        self.told.append(statement)
        return 0

    def connect_anew(self) -> None:
        self.told.append("anew")


@pytest.mark.parametrize(
    ("begun", "logged_until", "taken"),
    [
        (None, MINE, True),
        (born(PEER, OLD), LATER, True),
        (born(PEER, ME), MINE, True),
        (born(PEER, ME), LATER, False),
    ],
    ids=["not begun", "begun with another", "begun", "begun, and something logged since"],
)
def test_accounts_made_by_hand_on_one_empty_node_come_to_the_other_one_way_only(
    monkeypatch: pytest.MonkeyPatch, begun: Any, logged_until: Coordinates, taken: bool
) -> None:
    own, other = Server(), Server()
    accounts: list[Any] = []
    places = {own: MINE, other: logged_until}
    monkeypatch.setattr(content, "create_databases", lambda *_: [])
    monkeypatch.setattr(peer_accounts, "copy", lambda *given: accounts.append(given[:2]))
    monkeypatch.setattr(content, "databases", lambda _: {})
    monkeypatch.setattr(content, "found", lambda _: [])
    monkeypatch.setattr(schema, "write_origin", lambda *_: None)
    monkeypatch.setattr(schema, "generation", lambda *_: 0)
    monkeypatch.setattr(schema, "go_on_from", lambda *_: None)
    monkeypatch.setattr(seeding, "show_master_status", lambda session: places[session])
    session: Any = own
    peer_session: Any = other
    seeding._begin(session, peer_session, node(ME), node(PEER, origin=begun), Report("seed"))
    assert accounts == ([(own, other)] if taken else [])


def test_no_server_ends_the_session_of_who_copies_however_long_that_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By default it does after eight idle hours, which a copy may take."""
    own, other = Server(), Server()
    at_the_copy: list[Any] = []
    for place, name in (
        (opening, "shut"),
        (relay, "stop"),
        (schema, "write_origin"),
        (schema, "generation"),
        (seeding, "_wait_until_quiet"),
        (seeding, "known"),
    ):
        monkeypatch.setattr(place, name, lambda *_: None)
    monkeypatch.setattr(
        copying, "copy", lambda *_: at_the_copy.extend((list(own.told), list(other.told)))
    )
    session: Any = own
    peer_session: Any = other
    me, peer = node(ME, content=("app.t",)), node(PEER)
    seeding._copy(session, peer_session, me, peer, PAIR, Report("seed"))
    assert at_the_copy == [[sql.PATIENT]] * 2


@pytest.mark.parametrize(
    ("found", "number"),
    [
        (None, 0),
        (slave(), 2),
        (slave(read=Coordinates("bin.000041", 4)), 41),
        (slave(executed=Coordinates("bin.1000000", 4)), 1000000),
        (slave(read=Coordinates("", 4), executed=Coordinates("", 0)), 0),
        (slave(read=Coordinates("mysql-bin.000041", 4)), 2),
    ],
    ids=["no slave", "both alike", "read further", "seven digits", "never begun", "another name"],
)
def test_the_peers_slave_knows_a_log_up_to_what_it_has_read_or_applied(
    monkeypatch: pytest.MonkeyPatch, found: Any, number: int
) -> None:
    monkeypatch.setattr(seeding, "show_slave_status", lambda _: found)
    other: Any = None
    assert seeding.known(other) == number


class Own:
    """The own server, and whether it runs or can be started; whether its gate could be opened when
    it began to run and when it ceased to."""

    def __init__(self, running: bool = True, starts: bool = True, answers: bool = True) -> None:
        self.up, self.starts, self.answers = running, starts, answers
        self.could_open: list[bool] = []

    def running(self) -> bool:
        return self.up

    def start(self) -> None:
        self.could_open.append(not held(paths.GATE_LOCK))
        if not self.starts:
            raise NodeError(Exit.SERVER, "it does not start", "", "")
        self.up = True

    def stop(self) -> None:
        self.could_open.append(not held(paths.GATE_LOCK))
        self.up = False

    @contextmanager
    def session(self, _report: Report) -> Iterator[Server]:
        if not (self.up and self.answers):
            raise NodeError(Exit.UNREACHABLE, "no answer", "", "")
        yield Server()


@pytest.mark.parametrize(
    ("server", "asked"),
    [
        ({}, True),
        ({"running": False}, True),
        ({"running": False, "starts": False}, False),
        ({"answers": False}, False),
    ],
    ids=["runs", "stopped", "does not start", "does not answer"],
)
@pytest.mark.parametrize("content_found", [[], ["base table app.t"]])
@pytest.mark.usefixtures("gate_lock")
def test_whoever_discards_asks_its_own_server_whether_the_peer_was_set_back(
    monkeypatch: pytest.MonkeyPatch,
    server: dict[str, bool],
    asked: bool,
    content_found: list[str],
) -> None:
    own = Own(**server)
    monkeypatch.setattr(seeding, "lifecycle", own)
    monkeypatch.setattr(sql, "own", own.session)
    monkeypatch.setattr(generation, "set_back", lambda *given: f"{given[2]} is a day old")
    monkeypatch.setattr(content, "found", lambda _: content_found)
    monkeypatch.setattr(schema, "exists", lambda _: True)
    monkeypatch.setattr(schema, "generation", lambda _, server_id: 240 + server_id)
    other: Any = None
    said = seeding._asked(other, PAIR, Report("rejoin"))
    if asked:
        assert said == GivenUp(bool(content_found), "2 is a day old", 241)
    else:
        assert said.holds
        assert said.unasked


@pytest.fixture
def gate_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "AGENT_RUN", tmp_path)
    monkeypatch.setattr(paths, "GATE_LOCK", tmp_path / "gate.lock")
    monkeypatch.setattr(files, "folder", lambda *_, **__: False)


@pytest.mark.parametrize(
    "server",
    [{}, {"starts": False}, {"answers": False}],
    ids=["answers", "does not start", "does not answer"],
)
@pytest.mark.usefixtures("gate_lock")
def test_a_server_that_is_started_to_be_asked_serves_nobody_and_is_down_again(
    monkeypatch: pytest.MonkeyPatch, server: dict[str, bool]
) -> None:
    own = Own(running=False, **server)
    monkeypatch.setattr(seeding, "lifecycle", own)
    monkeypatch.setattr(sql, "own", own.session)
    monkeypatch.setattr(generation, "set_back", lambda *_: None)
    monkeypatch.setattr(content, "found", lambda _: [])
    monkeypatch.setattr(schema, "exists", lambda _: False)
    other: Any = None
    seeding._asked(other, PAIR, Report("rejoin"))
    assert not own.up
    assert own.could_open == [False, False]
    assert not held(paths.GATE_LOCK)


@pytest.mark.usefixtures("gate_lock")
def test_a_server_that_runs_is_asked_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Own()
    monkeypatch.setattr(seeding, "lifecycle", own)
    monkeypatch.setattr(sql, "own", own.session)
    monkeypatch.setattr(generation, "set_back", lambda *_: None)
    monkeypatch.setattr(content, "found", lambda _: [])
    monkeypatch.setattr(schema, "exists", lambda _: False)
    other: Any = None
    assert seeding._asked(other, PAIR, Report("rejoin")) == GivenUp(holds=False)
    assert own.up
    assert own.could_open == []


class Peer:
    """A peer whose slave shows what it is told, look after look, and then as at the last one."""

    def __init__(self, *looks: Any) -> None:
        self.looks = list(looks)


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        ([None], ""),
        ([slave(io_running="No")], ""),
        ([slave(io_running="Connecting")], ""),
        ([slave(), slave(io_running="Connecting")], ""),
        ([slave(read=LATER, io_running="Connecting"), slave(io_running="Connecting")], ""),
        ([slave(read=LATER, io_running="No", sql_errno=1146, sql_error="no table")], "1146"),
        ([*[slave(read=LATER, io_running="No", sql_state="Slave has read all relay log")] * 2,
          slave(read=LATER, io_running="No", sql_errno=1146, sql_error="no table")], "1146"),
        ([slave(read=LATER, io_running="No", sql_running="No")], "its SQL thread is stopped"),
        ([slave()], "still at work"),
    ],
    ids=["no slave", "stopped", "connecting", "told a moment later", "applied a moment later",
         "an error", "an error after it said for a moment that it had all",
         "stopped before its end", "reads on"],
)  # fmt: skip
def test_the_peer_is_copied_when_it_has_applied_all_of_this_node(
    monkeypatch: pytest.MonkeyPatch, looks: list[Any], said: str
) -> None:
    monkeypatch.setattr(seeding, "QUIET_SECONDS", 0.2)
    peer: Any = Peer(*looks)
    for place in (seeding, relay):
        monkeypatch.setattr(
            place,
            "show_slave_status",
            lambda other: other.looks.pop(0) if len(other.looks) > 1 else other.looks[0],
        )
    if not said:
        seeding._wait_until_applied(peer, PAIR)
        return
    with pytest.raises(NodeError, match=said):
        seeding._wait_until_applied(peer, PAIR)
