"""What a slave has received is applied before anything drops its relay logs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from pymysql.err import OperationalError
from ring_node.base.errors import Exit, NodeError
from ring_node.base.report import Report
from ring_node.host import gate
from ring_node.mysql import lifecycle, master, server_files, shows, sql, statements
from ring_node.mysql.login import Login
from ring_node.mysql.shows import Coordinates, SlaveStatus
from ring_node.ring import (
    admission,
    agent_state,
    follow,
    opening,
    reach,
    records,
    relay,
    restart,
    schema,
)
from ring_node.ring.beats import Way, Ways
from ring_node.ring.documents import Node, Pair, Peer
from ring_node.ring.records import Credentials
from states import slave

pytestmark = pytest.mark.unit

PAIR = Pair(
    Node("node-1", 1, "192.168.100.10", "10.10.1.10"), Peer("node-2", 2, "10.10.1.11", "i-2")
)
RECEIVED = slave(read=Coordinates("bin.000002", 900))
FAILED = slave(
    read=Coordinates("bin.000002", 900), sql_running="No", sql_errno=1049, sql_error="no database"
)
STOP, START = "STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD"


class Server:
    """A server whose slave stands as told, look after look, and then as at the last one."""

    def __init__(self, *looks: SlaveStatus) -> None:
        self.looks = list(looks)
        self.done: list[str] = []

    def do(self, statement: str, _parameters: Any = ()) -> int:
        self.done.append(statement)
        return 0

    def rows(self, statement: str, _parameters: Any = ()) -> list[dict[str, Any]]:
        assert statement == statements.OPEN
        row = {"id": 9, "user": "app", "host": "192.168.100.5:40000", "info": None, "seconds": 77}
        return [row]

    def look(self) -> SlaveStatus:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    found = Server(slave())

    @contextmanager
    def own(*_: Any, **__: Any) -> Iterator[Server]:
        yield found

    for module in (relay, shows):
        monkeypatch.setattr(module, "show_slave_status", Server.look)
    monkeypatch.setattr(relay, "DRAIN_SECONDS", 0.05)
    monkeypatch.setattr(sql, "own", own)
    monkeypatch.setattr(records, "node", lambda: PAIR.node)
    monkeypatch.setattr(records, "peer", lambda: PAIR.peer)
    monkeypatch.setattr(admission, "admitted", lambda: True)
    monkeypatch.setattr(opening, "wait_until_open", lambda _: found.done.append("open"))
    monkeypatch.setattr(agent_state, "silence", lambda *_: None)
    monkeypatch.setattr(server_files, "exchange", lambda _: found.done.append("exchange"))
    monkeypatch.setattr(server_files, "settle", lambda: found.done.append("settle"))
    monkeypatch.setattr(restart, "_refuse_a_server_without_tls", lambda: None)
    monkeypatch.setattr(lifecycle, "restart", lambda: found.done.append("restart"))
    monkeypatch.setattr(restart, "wait_until_healthy", lambda *_, **__: None)
    return found


def test_it_is_waited_until_all_that_was_received_is_applied(server: Any) -> None:
    server.looks = [RECEIVED, RECEIVED, slave()]
    relay.drain(server)
    assert server.done == [STOP]


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (FAILED, Exit.REFUSED, "SQL 1049: no database"),
        (slave(read=RECEIVED.read, sql_running="No"), Exit.REFUSED, "its SQL thread is stopped"),
        (RECEIVED, Exit.DEADLINE, "still at work after 0 s"),
    ],
    ids=["error", "stopped", "too slow"],
)
def test_a_slave_that_cannot_apply_it_is_refused_and_receives_again(
    server: Any, status: SlaveStatus, code: Exit, said: str
) -> None:
    server.looks = [status]
    with pytest.raises(NodeError) as caught:
        relay.drain(server)
    assert caught.value.code is code
    assert said in caught.value.found
    assert server.done == [STOP, START]


HELD_UP = slave(sql_state="Waiting for table metadata lock", read=RECEIVED.read)


def test_a_slave_that_a_lock_holds_up_is_not_told_to_stop_and_who_holds_it_is_named(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "STOP_SECONDS", 0.05)
    server.looks = [HELD_UP]
    with pytest.raises(NodeError) as caught:
        relay.stop(server)
    assert caught.value.code is Exit.DEADLINE
    assert "Waiting for table metadata lock" in caught.value.found
    assert "an open transaction of app@192.168.100.5, 77 s old (process 9)" in caught.value.found
    assert server.done == []
    server.looks = [HELD_UP, HELD_UP, slave()]
    relay.stop(server)
    assert server.done == ["STOP SLAVE"]
    server.looks = [HELD_UP]
    with pytest.raises(NodeError) as caught:
        relay.drain(server)
    assert "still at work after 0 s, Waiting for table metadata lock" in caught.value.found
    assert "(process 9)" in caught.value.found


@pytest.mark.parametrize("code", sql.STOP_INCOMPLETE)
def test_a_stop_that_gave_up_waiting_is_tried_again(
    server: Any, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    incomplete = sql.refusal(OperationalError(code, "STOP SLAVE is incomplete"), "this server")
    errors: list[Exception] = [incomplete, incomplete]

    def do(statement: str) -> int:
        server.done.append(statement)
        if errors:
            raise errors.pop()
        return 0

    monkeypatch.setattr(server, "do", do)
    relay.stop(server)
    assert server.done == ["STOP SLAVE"] * 3
    errors[:] = [sql.refusal(OperationalError(1227, "you need SUPER"), "this server")]
    with pytest.raises(NodeError, match="1227"):
        relay.stop(server)


def test_a_statement_is_quoted_on_one_line_without_the_texts_in_it() -> None:
    assert (
        statements.plain("SELECT *\n FROM t WHERE a = 'it\\'s' AND b = \"x\" AND c = 1")
        == "SELECT * FROM t WHERE a = '...' AND b = '...' AND c = 1"
    )
    assert statements.plain("SET PASSWORD = 'unfinished") == "SET PASSWORD = '...'"
    assert statements.plain("SELECT " + "a, " * 90).endswith(" ...")


def test_an_io_thread_that_somebody_stopped_stays_stopped(server: Any) -> None:
    server.looks = [slave(read=RECEIVED.read, sql_running="No", io_running="No")]
    with pytest.raises(NodeError):
        relay.drain(server)
    assert START not in server.done


def test_a_slave_is_not_pointed_anew_over_what_it_has_not_applied(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master, "stored", lambda _: {"Host": ""})
    monkeypatch.setattr(master, "differs", lambda *_: ["User_password"])
    target = follow.connection(PAIR, Login("repuser", "word"))
    server.looks = [FAILED]
    with pytest.raises(NodeError):
        follow.adjust(server, target, Report("accounts"))
    assert server.done == [STOP, START]
    server.looks, server.done = [slave()], []
    assert follow.adjust(server, target, Report("accounts"))
    assert server.done[:2] == [STOP, "STOP SLAVE"]
    assert server.done[2].startswith("CHANGE MASTER TO ")


@pytest.mark.parametrize(
    ("status", "started"),
    [
        (slave(), False),
        (slave(io_running="No", sql_running="No"), True),
        (slave(io_running="No"), True),
        (slave(io_running="No", io_errno=1236), False),
        (slave(sql_running="No"), False),
    ],
    ids=["runs", "stopped", "draining", "an error", "the SQL thread alone"],
)
def test_a_slave_that_a_killed_run_of_accounts_left_stopped_is_started(
    server: Any, monkeypatch: pytest.MonkeyPatch, status: SlaveStatus, started: bool
) -> None:
    server.looks = [status]
    wired = schema.Source("here", "there", "wired", Coordinates("bin.000001", 4))
    monkeypatch.setattr(schema, "read_source", lambda _: wired)
    monkeypatch.setattr(master, "stored", lambda _: {"Host": ""})
    monkeypatch.setattr(master, "differs", lambda *_: [])
    login = Login("repuser", "word")
    follow.tell_password(login, Report("accounts"))
    assert server.done == (["START SLAVE"] if started else [])


FRESH, LOST = Way(True, 0), Way(False, 90)


def turn(monkeypatch: pytest.MonkeyPatch, ways: Ways | None) -> None:
    @contextmanager
    def given(*_: Any) -> Iterator[Ways | None]:
        yield ways

    monkeypatch.setattr(restart, "_turn", given)


@pytest.mark.parametrize("ways", [None, Ways(FRESH, LOST)], ids=["cannot be asked", "is another"])
def test_a_server_whose_peer_may_be_lost_is_not_restarted_over_what_it_has_not_applied(
    server: Any, monkeypatch: pytest.MonkeyPatch, ways: Ways | None
) -> None:
    turn(monkeypatch, ways)
    server.looks = [FAILED]
    with pytest.raises(NodeError):
        restart.in_turn("new certificates", Report("tls"), peer_must_be_healthy=False)
    assert server.done == [STOP, START]
    server.looks, server.done = [RECEIVED, slave()], []
    restart.in_turn("new certificates", Report("tls"), peer_must_be_healthy=False)
    assert server.done == [STOP, "exchange", "restart", "open", "settle"]


def test_a_whole_ring_is_not_held_up_by_a_restart(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn(monkeypatch, Ways(FRESH, FRESH))
    server.looks = [RECEIVED]
    restart.in_turn("a changed my.cnf", Report("config"))
    assert server.done == ["exchange", "restart", "open", "settle"]


def test_a_restart_that_does_not_come_about_leaves_the_slave_receiving(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Any) -> None:
        raise OSError("no space left")

    turn(monkeypatch, None)
    monkeypatch.setattr(server_files, "exchange", full)
    with pytest.raises(OSError, match="no space"):
        restart.in_turn("new certificates", Report("tls"))
    assert server.done == [STOP, START]


@pytest.mark.parametrize(
    ("beats", "is_open", "exchanged", "restarted"),
    [
        (1, True, False, True),
        (0, True, False, False),
        (1, False, False, False),
        (1, False, True, True),
    ],
    ids=["beats", "silent", "beats, and the own gate is closed", "goes on with a killed restart"],
)
def test_beside_a_peer_that_has_another_password_a_server_restarts_only_while_both_serve(
    server: Any,
    monkeypatch: pytest.MonkeyPatch,
    beats: int,
    is_open: bool,
    exchanged: bool,
    restarted: bool,
) -> None:
    @contextmanager
    def denied(*_: Any, **__: Any) -> Iterator[Server]:
        raise sql.ServerError(1045, Exit.SERVER, "Access denied", "a log-in", "correct it")
        yield

    login, generations = Login("ring_peer", "word"), itertools.count(7, beats)
    monkeypatch.setattr(reach, "peer", denied)
    monkeypatch.setattr(records, "credentials", lambda: Credentials(login, login, "10.10.1.11"))
    monkeypatch.setattr(records, "opening", lambda: 30)
    monkeypatch.setattr(restart, "FRESH_SECONDS", 0.05)
    monkeypatch.setattr(schema, "generation", lambda *_: next(generations))
    monkeypatch.setattr(restart, "_greets", lambda _: True)
    monkeypatch.setattr(restart, "wait_for_peers_turn", lambda: None)
    monkeypatch.setattr(gate, "is_open", lambda: is_open)
    monkeypatch.setattr(server_files, "exchanged", lambda: exchanged)
    with nullcontext() if restarted else pytest.raises(NodeError, match="not healthy"):
        restart.in_turn("a changed my.cnf", Report("config"))
    assert ("restart" in server.done) is restarted


def test_a_server_is_not_restarted_where_no_agent_would_open_its_gate(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn(monkeypatch, None)
    monkeypatch.setattr(restart, "FRESH_SECONDS", 0.05)
    monkeypatch.setattr(agent_state, "silence", lambda *_: "it was last heard of 77 s ago")
    with pytest.raises(NodeError, match="77 s ago"):
        restart.in_turn("new certificates", Report("tls"), peer_must_be_healthy=False)
    assert server.done == []
