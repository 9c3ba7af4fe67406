"""When a closed gate opens, by a table; and that an opening ends with the gate."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymysql.err import OperationalError
from ring_node.base import paths
from ring_node.base.errors import NodeError
from ring_node.base.report import Report
from ring_node.host import files, gate
from ring_node.mysql import options, sql
from ring_node.mysql.shows import Coordinates
from ring_node.ring import admission, agent_state, opening
from ring_node.ring import documents as document
from ring_node.ring.opening import Facts, Peer, Verdict, decide, why
from states import OLD, PEER, THEIRS, slave

pytestmark = pytest.mark.unit

BEYOND = Coordinates("bin.000010", 4)
EARLIER = Coordinates(THEIRS.file, THEIRS.offset - 1)
READY = Facts(admitted=True, slave=slave(), follows=PEER, peer=Peer(PEER, joined=True, goal=THEIRS))
BEHIND = replace(READY, peer=Peer(PEER, joined=True, goal=BEYOND))
SILENT = replace(READY, peer=None, problem="no answer", patience_s=30.0, silent_s=30.0)
NEW = replace(READY, follows=OLD, peer=Peer(PEER, joined=False, goal=THEIRS), drained=True)

TABLE: dict[str, tuple[Facts, Verdict]] = {
    "has reached what the peer named": (READY, Verdict.CAUGHT_UP),
    "is beyond it": (
        replace(READY, peer=Peer(PEER, joined=True, goal=EARLIER)),
        Verdict.CAUGHT_UP,
    ),
    "the peer has not joined yet": (
        replace(READY, peer=Peer(PEER, joined=False, goal=THEIRS)),
        Verdict.CAUGHT_UP,
    ),
    "reached what was named long ago": (replace(READY, goal_age_s=2.1), Verdict.BEHIND),
    "behind": (BEHIND, Verdict.BEHIND),
    "behind, and all that it received is applied": (replace(BEHIND, drained=True), Verdict.BEHIND),
    "behind, after a long silence": (
        replace(BEHIND, silent_s=900.0, patience_s=30.0, drained=True),
        Verdict.BEHIND,
    ),
    "the peer writes no binary log": (
        replace(READY, peer=Peer(PEER, joined=True, goal=None)),
        Verdict.BEHIND,
    ),
    "has executed nothing of this peer yet": (
        replace(READY, slave=slave(executed=Coordinates("", 0))),
        Verdict.BEHIND,
    ),
    "connecting": (replace(BEHIND, slave=slave(io_running="Connecting")), Verdict.BEHIND),
    "an error stopped the SQL thread": (
        replace(BEHIND, slave=slave(sql_running="No", sql_errno=1062)),
        Verdict.BROKEN,
    ),
    "an error stopped the IO thread": (
        replace(BEHIND, slave=slave(io_running="No", io_errno=1236)),
        Verdict.BROKEN,
    ),
    "somebody stopped the slave": (replace(BEHIND, slave=slave(io_running="No")), Verdict.BROKEN),
    "somebody removed the slave": (replace(READY, slave=None), Verdict.NO_SLAVE),
    "not admitted": (replace(READY, admitted=False), Verdict.NOT_ADMITTED),
    "not admitted, and no peer": (replace(SILENT, admitted=False), Verdict.NOT_ADMITTED),
    "does not know its peer": (Facts(admitted=True, told=False), Verdict.NOT_TOLD),
    "set back": (replace(READY, set_back="its log ends early"), Verdict.SET_BACK),
    "no peer, and all is applied": (replace(SILENT, drained=True), Verdict.ALONE),
    "no peer, no slave": (replace(SILENT, slave=None, drained=True), Verdict.ALONE),
    "no peer for a while": (replace(SILENT, silent_s=29.9, drained=True), Verdict.PATIENT),
    "no peer, and still applying": (SILENT, Verdict.UNAPPLIED),
    "a peer that has no connection left, for long": (
        replace(SILENT, full=True, silent_s=900.0, drained=True),
        Verdict.FULL,
    ),
    "a peer that turns it away, for long": (
        replace(SILENT, turned_away=True, silent_s=900.0, drained=True),
        Verdict.TURNED_AWAY,
    ),
    "a peer that turns it away, in its turn": (
        replace(SILENT, turned_away=True, in_turn=True, drained=True),
        Verdict.ALONE,
    ),
    "a peer that turns it away, in its turn, for a while": (
        replace(SILENT, turned_away=True, in_turn=True, silent_s=29.9, drained=True),
        Verdict.PATIENT,
    ),
    "a peer that turns it away, in its turn, and still applying": (
        replace(SILENT, turned_away=True, in_turn=True),
        Verdict.UNAPPLIED,
    ),
    "no peer, in its turn": (replace(SILENT, in_turn=True, drained=True), Verdict.ALONE),
    "a new peer, and all of the former one is applied": (NEW, Verdict.PEER_IS_NEW),
    "a new peer, and the former one's slave is gone": (
        replace(NEW, slave=None, follows=None),
        Verdict.PEER_IS_NEW,
    ),
    "a new peer, and still applying": (replace(NEW, drained=False), Verdict.UNAPPLIED),
    "another peer, which may have served": (
        replace(NEW, peer=Peer(PEER, joined=True, goal=THEIRS)),
        Verdict.STRANGER,
    ),
}


@pytest.mark.parametrize(("facts", "verdict"), TABLE.values(), ids=TABLE)
def test_a_closed_gate_opens_only_when_nothing_of_the_peer_is_missing(
    facts: Facts, verdict: Verdict
) -> None:
    assert decide(facts) is verdict


def test_the_table_has_every_verdict() -> None:
    assert {verdict for _, verdict in TABLE.values()} == set(Verdict)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("set back", "its log ends early"),
        ("an error stopped the SQL thread", "SQL 1062"),
        ("somebody stopped the slave", "IO No, SQL Yes: no error, it was told to stop"),
        ("behind", f"at {THEIRS} on the way to {BEYOND}"),
        ("no peer for a while", "no answer; opens without it in 0 s"),
        ("a peer that turns it away, for long", "does not let this node ask it: no answer"),
    ],
)
def test_why_it_is_closed_names_what_somebody_can_do_something_about(name: str, said: str) -> None:
    facts, verdict = TABLE[name]
    assert said in why(verdict, facts)


@pytest.mark.parametrize(
    ("code", "said"),
    [(1045, True), (1129, True), (1130, False), (1040, False), (2003, False), (2013, False)],
)
def test_a_server_that_denies_the_log_in_or_blocks_the_host_turns_it_away(
    code: int, said: bool
) -> None:
    error = sql.refusal(OperationalError(code, "no"), "the peer")
    assert sql.turned_away(error) is said


def test_a_server_that_is_not_trusted_turns_this_node_away_and_a_broken_handshake_does_not() -> (
    None
):
    distrust = ssl.SSLCertVerificationError(1, "certificate verify failed")
    distrust.verify_message = "self-signed certificate"
    assert sql.turned_away(sql.untrusted(distrust, "the peer"))
    broken = ssl.SSLError(1, "wrong version number")
    broken.reason = "WRONG_VERSION_NUMBER"
    assert not sql.turned_away(sql.untrusted(broken, "the peer"))


class Server:
    def __init__(self, done: list[str]) -> None:
        self.done = done

    def do(self, statement: str) -> int:
        self.done.append(statement)
        return 0


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is done, in order, to a closed gate with the number 7 of an admitted node."""
    found: list[str] = []

    def open_(closed: int) -> bool:
        found.append(f"open {closed}")
        return True

    monkeypatch.setattr(paths, "AGENT_RUN", tmp_path)
    monkeypatch.setattr(paths, "GATE_LOCK", tmp_path / "gate.lock")
    monkeypatch.setattr(files, "folder", lambda *_, **__: False)
    monkeypatch.setattr(admission, "admitted", lambda: True)
    monkeypatch.setattr(admission, "revoke", lambda: found.append("revoke"))
    monkeypatch.setattr(options, "events_run", lambda: True)
    monkeypatch.setattr(gate, "number", lambda: 7)
    monkeypatch.setattr(gate, "open_", open_)
    monkeypatch.setattr(gate, "close", lambda: found.append("close"))
    return found


def test_the_gate_opens_after_the_server_takes_writes_and_closes_before_it_stops_to(
    done: list[str],
) -> None:
    server: Any = Server(done)
    assert opening.lift(server, 7)
    writes, events = "SET GLOBAL read_only = {}", "SET GLOBAL event_scheduler = {}"
    assert done == [writes.format(0), events.format("ON"), "open 7"]
    done.clear()
    opening.shut(server, Report("seed"))
    assert done == ["revoke", "close", writes.format(1), events.format("OFF")]


def test_an_opening_of_a_gate_that_was_closed_anew_does_nothing(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Any = Server(done)
    assert not opening.lift(server, 6)
    monkeypatch.setattr(admission, "admitted", lambda: False)
    assert not opening.lift(server, 7)
    assert done == []


def test_no_gate_is_opened_while_somebody_holds_it_as_it_is(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Any = Server(done)
    monkeypatch.setattr(opening, "LOCK_SECONDS", 0.0)
    with opening.alone("asking"), pytest.raises(NodeError, match="asking"):
        opening.lift(server, 7)
    assert done == []
    assert opening.lift(server, 7)


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ("--user=mysql --event_scheduler=ON --port=3306", True),
        ("--event-scheduler=1", True),
        ("--event-scheduler", True),
        ("--loose_event_scheduler=on", True),
        ("--event_scheduler=ON --event_scheduler=OFF", False),
        ("--event_scheduler=DISABLED", False),
        ("--skip-event-scheduler", False),
        ("--port=3306", False),
        ("--not-event-scheduler=ON", False),
    ],
)
def test_events_run_when_my_cnf_says_so_last(arguments: str, asked: bool) -> None:
    assert options.events_asked(f"started with:\n{arguments} \n") is asked


UUID = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data directory with the marker of the server in it."""

    def write(path: Path, content: bytes, **_: Any) -> bool:
        path.write_bytes(content)
        return True

    monkeypatch.setattr(paths, "DATA", tmp_path)
    monkeypatch.setattr(files, "write", write)
    (tmp_path / "auto.cnf").write_text(f"[auto]\nserver-uuid={UUID}\n")
    peer = document.Peer("node-2", 2, "10.10.1.11", "vol-2")
    admission.admit(UUID, peer, Report("replicate"))
    return tmp_path


@pytest.mark.usefixtures("data")
def test_a_server_is_admitted_until_that_is_revoked() -> None:
    assert admission.read() == admission.Admission(UUID, "vol-2")
    assert admission.revoke()
    assert not admission.admitted()
    assert not admission.revoke()


@pytest.mark.parametrize("content", [f"[auto]\nserver-uuid={OTHER}\n", "[auto]\n", None])
def test_a_copy_of_an_admitted_servers_data_is_not_admitted(
    data: Path, content: str | None
) -> None:
    (data / "auto.cnf").unlink()
    if content is not None:
        (data / "auto.cnf").write_text(content)
    assert not admission.admitted()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", f'{{"server_uuid": "{UUID}"}}'])
def test_a_marker_that_cannot_be_understood_admits_nobody(data: Path, content: str) -> None:
    (data / paths.ADMISSION).write_text(content)
    assert not admission.admitted()


def test_the_gate_lets_the_host_and_the_peer_through() -> None:
    golden = Path(__file__).with_name("golden") / "gate.nft"
    assert gate.rules("10.10.1.10", 3306) == golden.read_text()


def test_the_gate_closes_before_the_server_starts_and_after_other_filters() -> None:
    lines = gate.unit("mysql.service").splitlines()
    for line in (
        "After=nftables.service",
        "Before=mysql.service",
        "ExecStart=/usr/sbin/nft -f /etc/mysql-ring/gate.nft",
        "RemainAfterExit=yes",
    ):
        assert line in lines


def test_an_agent_that_does_not_run_is_no_reason_to_believe_what_it_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "AGENT_STATE", tmp_path / "agent.json")
    assert "has not run" in agent_state.why_closed()
    said = '{"written": %s, "gate": {"open": false, "why": "the slave catches up"}}'
    (tmp_path / "agent.json").write_text(said % "100.0")
    monkeypatch.setattr(agent_state, "boottime", lambda: 101.0)
    assert agent_state.why_closed() == "the slave catches up"
    monkeypatch.setattr(agent_state, "boottime", lambda: 190.0)
    assert "says nothing: it was last heard of 90 s ago" in agent_state.why_closed()


def test_what_the_agent_said_of_the_open_gate_is_no_reason_why_it_is_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "AGENT_STATE", tmp_path / "agent.json")
    monkeypatch.setattr(agent_state, "boottime", lambda: 101.0)
    said = '{"written": 100.0, "gate": {"open": true, "why": "opened: all is applied"}}'
    (tmp_path / "agent.json").write_text(said)
    assert agent_state.why_closed() == agent_state.CLOSED_SINCE
