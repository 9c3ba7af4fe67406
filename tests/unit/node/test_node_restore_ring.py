"""A ring that is put back to a moment: what is refused before anything changes, and what is there
after an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ring_node.backup import restore, whole
from ring_node.backup.moment import Latest
from ring_node.backup.restore import Wanted
from ring_node.backup.whole import Asked
from ring_node.base import paths
from ring_node.base.errors import Exit, NodeError, refused
from ring_node.base.report import Report
from ring_node.host import gate
from ring_node.mysql import binlogs, lifecycle, shows, sql
from ring_node.mysql.shows import Coordinates
from ring_node.ring import admission, opening, reach, records, relay
from ring_node.ring.admission import Admission
from ring_node.ring.documents import Node, Pair, Peer
from stores import PLACE, MemoryStore

pytestmark = pytest.mark.unit

PAIR = Pair(
    Node("node-1", 1, "10.0.0.10", "10.10.1.10"), Peer("node-2", 2, "10.10.1.20", "vol-00000001")
)
ASKED: dict[str, Any] = {"moment": {"latest": True}, "destroys": "dev/ring"}
FIRST = Coordinates("bin.001020", 4)
FORMER = Admission("0f3e2d1c-aaaa-bbbb-cccc-000000000001", "vol-00000001")


def test_a_document_says_whether_this_node_is_restored_or_gives_way() -> None:
    assert whole.parse({"gives_way": "dev/ring"}) == "dev/ring"
    assert whole.parse(ASKED) == Asked(Wanted(Latest(), None), "dev/ring", None)
    assert whole.parse({**ASKED, "without_peer": "node-2"}) == Asked(
        Wanted(Latest(), None), "dev/ring", "node-2"
    )


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"moment": {"latest": True}},
        {"destroys": "dev/ring"},
        {"gives_way": "dev/ring", "moment": {"latest": True}},
        {"gives_way": ""},
        {**ASKED, "force": True},
    ],
)
def test_another_document_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(NodeError) as caught:
        whole.parse(document)
    assert caught.value.code is Exit.INPUT


@pytest.mark.parametrize("given", ["dev", "ring", "dev/other", "prod/ring", "DEV/ring"])
def test_what_is_destroyed_is_typed_out(given: str) -> None:
    whole.refuse_unnamed("dev/ring", PLACE)
    with pytest.raises(NodeError, match="a node of dev/ring") as caught:
        whole.refuse_unnamed(given, PLACE)
    assert caught.value.code is Exit.REFUSED


def unreachable(*_: Any, **__: Any) -> Any:
    raise NodeError(Exit.UNREACHABLE, "it does not answer", "an answer", "")


def slave(io_running: str = "Yes", sql_running: str = "Yes") -> Any:
    return SimpleNamespace(
        io_running=io_running,
        io_stopped=io_running == "No",
        both_run=io_running == sql_running == "Yes",
    )


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the peer's server answers."""
    seen: dict[str, Any] = {"read_only": True, "slave": slave("No", "No"), "answers": True}

    @contextmanager
    def session(*_: Any, **__: Any) -> Iterator[Any]:
        if not seen["answers"]:
            unreachable()
        yield "peer"

    monkeypatch.setattr(reach, "peer", session)
    monkeypatch.setattr(records, "credentials", lambda: SimpleNamespace(peer=None))
    monkeypatch.setattr(
        shows,
        "identity",
        lambda _: SimpleNamespace(read_only=seen["read_only"], uuid="a new one"),
    )
    monkeypatch.setattr(shows, "show_slave_status", lambda _: seen["slave"])
    return seen


@pytest.mark.parametrize(
    ("read_only", "its_slave", "good"),
    [
        (True, None, True),
        (True, slave("No", "No"), True),
        (True, slave("No", "Yes"), True),
        (True, slave("Yes", "Yes"), False),
        (True, slave("Connecting", "Yes"), False),
        (False, None, False),
        (False, slave("No", "No"), False),
    ],
)
def test_nothing_changes_while_the_peer_serves_or_reads_this_nodes_log(
    peer: dict[str, Any], read_only: bool, its_slave: Any, good: bool
) -> None:
    peer.update(read_only=read_only, slave=its_slave)
    asked = Asked(Wanted(Latest(), None), "dev/ring", None)
    if good:
        whole.refuse_serving_peer(PAIR, asked)
        return
    with pytest.raises(NodeError, match="node-2 serves clients") as caught:
        whole.refuse_serving_peer(PAIR, asked)
    assert '"gives_way": "dev/ring"' in caught.value.next_step


@pytest.mark.parametrize(
    ("without", "good"), [(None, False), ("node-2", True), ("node-1", False), ("yes", False)]
)
def test_a_peer_that_cannot_be_asked_is_named_by_who_says_that_it_is_gone(
    peer: dict[str, Any], without: str | None, good: bool
) -> None:
    peer["answers"] = False
    asked = Asked(Wanted(Latest(), None), "dev/ring", without)
    if good:
        whole.refuse_serving_peer(PAIR, asked)
        return
    with pytest.raises(NodeError, match="cannot be asked") as caught:
        whole.refuse_serving_peer(PAIR, asked)
    assert '"without_peer": "node-2"' in caught.value.next_step


def test_naming_the_peer_does_not_pass_over_one_that_answers(peer: dict[str, Any]) -> None:
    peer["read_only"] = False
    with pytest.raises(NodeError, match="serves clients"):
        whole.refuse_serving_peer(PAIR, Asked(Wanted(Latest(), None), "dev/ring", "node-2"))


@pytest.fixture
def node(tmp_path: Path, peer: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A node that serves, on folders; what was done to it, in order."""
    seen: dict[str, Any] = {"did": [], "runs": True, "admitted": True, "fails": None, "peer": peer}
    for name in ("INCARNATIONS", "CURRENT", "VOLUME", "RESTORING"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    for folder in (tmp_path / "volume", tmp_path / "incarnations" / "old", tmp_path / "new"):
        folder.mkdir(parents=True)
    paths.CURRENT.symlink_to(tmp_path / "incarnations" / "old")
    peer["slave"] = None

    def step(name: str, **changes: Any) -> Any:
        def take(*_: Any, **__: Any) -> None:
            seen["did"].append(name)
            if seen["fails"] == name:
                seen["fails"] = None
                raise refused(f"{name} failed", "", "see to it")
            seen.update(changes)

        return take

    class Session:
        def do(self, statement: str, _parameters: Any = ()) -> int:
            step(statement)()
            return 0

    @contextmanager
    def own(*_: Any, **__: Any) -> Iterator[Any]:
        if not seen["runs"]:
            unreachable()
        yield Session()

    monkeypatch.setattr(sql, "own", own)
    monkeypatch.setattr(opening, "shut", step("shut", admitted=False))
    monkeypatch.setattr(opening, "alone", lambda _: own())
    monkeypatch.setattr(gate, "close", step("close"))
    monkeypatch.setattr(admission, "read", lambda: FORMER if seen["admitted"] else None)
    monkeypatch.setattr(admission, "revoke", step("revoke", admitted=False))
    monkeypatch.setattr(admission, "give_back", step("give back", admitted=True))
    monkeypatch.setattr(relay, "stop", step("stop slave"))
    monkeypatch.setattr(lifecycle, "running", lambda: seen["runs"])
    monkeypatch.setattr(lifecycle, "stop", step("stop", runs=False))
    monkeypatch.setattr(lifecycle, "start", step("start", runs=True))
    monkeypatch.setattr(binlogs, "highest", lambda _: 19)
    monkeypatch.setattr(whole.archiving, "run", step("archive"))
    monkeypatch.setattr(whole.turning, "keep", step("turn"))
    monkeypatch.setattr(restore, "nodes", lambda: ("node-1", "node-2"))
    monkeypatch.setattr(paths, "ARCHIVE_LOCK", tmp_path / "archive.lock")
    monkeypatch.setattr(whole.incarnations.files, "sync_file_system", lambda _: None)
    return seen


def take_place(tmp_path: Path, *, runs: bool = True) -> Path:
    source = SimpleNamespace(backup="node-1/20261126T031500Z")
    made: Any = SimpleNamespace(folder=tmp_path / "new", source=source)
    asked = Asked(Wanted(Latest(), None), "dev/ring", None)
    return whole.take_place(
        MemoryStore(), made, PAIR, asked, FIRST, Report("restore-ring"), runs=runs
    )


def current() -> str:
    return paths.CURRENT.resolve().name


def test_the_gate_is_closed_before_the_server_stops_and_the_old_data_stays(
    tmp_path: Path, node: dict[str, Any]
) -> None:
    assert take_place(tmp_path).name == "old"
    assert node["did"] == ["shut", "FLUSH LOCAL BINARY LOGS", "archive", "turn", "stop", "start"]
    assert current() != "old"
    assert (paths.INCARNATIONS / "old" / "kept").exists()
    assert not node["admitted"]


@pytest.mark.parametrize("breaks", [False, True])
def test_a_node_gives_way_also_when_its_server_does_not_start(
    node: dict[str, Any], breaks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if breaks:
        node.update(runs=False, fails="start")
        monkeypatch.setattr(opening, "alone", lambda _: nullcontext())
    report = Report("restore-ring")
    assert whole.give_way(MemoryStore(), "dev/ring", report) is not breaks
    assert not node["admitted"]
    assert ("close" if breaks else "shut") in node["did"]


@pytest.mark.parametrize("fails", ["shut", "turn", "stop", "start"])
def test_after_an_error_the_node_serves_what_it_served(
    tmp_path: Path, node: dict[str, Any], fails: str
) -> None:
    node["fails"] = fails
    with pytest.raises(NodeError, match=f"{fails} failed") as caught:
        take_place(tmp_path)
    assert (current(), node["runs"], node["admitted"]) == ("old", True, True)
    assert "this node is as it was" in caught.value.next_step
    turned = fails in ("stop", "start")
    assert ("until there is a new backup" in caught.value.next_step) == turned


def test_a_slave_that_was_stopped_for_it_goes_on_after_an_error(
    tmp_path: Path, node: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "refuse_serving_peer", lambda *_: unreachable())
    node["peer"]["slave"] = slave()
    with pytest.raises(NodeError, match="does not answer"):
        take_place(tmp_path)
    assert node["did"][-2:] == ["give back", "START SLAVE"]
    assert current() == "old"


def test_a_peer_that_began_to_serve_meanwhile_stops_it(
    tmp_path: Path, node: dict[str, Any]
) -> None:
    node["peer"]["read_only"] = False
    with pytest.raises(NodeError, match="serves clients"):
        take_place(tmp_path)
    assert "stop" not in node["did"]
    assert (current(), node["admitted"]) == ("old", True)


def test_a_log_that_reached_the_new_one_meanwhile_stops_it(
    tmp_path: Path, node: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binlogs, "highest", lambda _: 1020)
    with pytest.raises(NodeError, match=r"has reached bin\.001020"):
        take_place(tmp_path)
    assert (current(), node["runs"], node["admitted"]) == ("old", True, True)


def test_a_bucket_that_takes_no_more_of_the_old_logs_is_noted(
    tmp_path: Path, node: dict[str, Any]
) -> None:
    node["fails"] = "archive"
    take_place(tmp_path)
    assert current() != "old"


def test_a_server_that_does_not_run_is_not_asked(tmp_path: Path, node: dict[str, Any]) -> None:
    node["runs"] = False
    opened: list[str] = []

    @contextmanager
    def alone(what: str) -> Iterator[None]:
        opened.append(what)
        yield

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(opening, "alone", alone)
        take_place(tmp_path, runs=False)
    assert node["did"] == ["revoke", "close", "turn", "stop", "start"]
    assert opened == ["closing"]


def test_what_a_killed_run_moved_and_did_not_use_goes_before_anything_comes(
    node: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "pair", lambda: PAIR)
    for name in ("unused", "earlier"):
        (paths.INCARNATIONS / name).mkdir()
    (paths.INCARNATIONS / "earlier" / "kept").touch()
    left: list[str] = []

    def look(*_: Any) -> None:
        left.extend(sorted(each.name for each in paths.INCARNATIONS.iterdir()))
        raise refused("no backup", "", "")

    monkeypatch.setattr(restore, "look", look)
    asked = Asked(Wanted(Latest(), None), "dev/ring", None)
    with pytest.raises(NodeError, match="no backup"):
        whole.restore_ring(MemoryStore(), asked, Report("restore-ring"))
    assert (left, current()) == (["earlier", "old"], "old")
    assert node["did"] == []


def test_a_node_gives_way_by_its_gate_and_its_slave(node: dict[str, Any]) -> None:
    node["peer"]["slave"] = slave()
    report = Report("restore-ring")
    whole.give_way(MemoryStore(), "dev/ring", report)
    assert node["did"] == ["shut", "stop slave", "FLUSH LOCAL BINARY LOGS", "archive"]
    assert report.changed


def test_one_that_is_not_named_does_not_give_way(node: dict[str, Any]) -> None:
    with pytest.raises(NodeError):
        whole.give_way(MemoryStore(), "prod/ring", Report("restore-ring"))
    assert node["did"] == []


def test_nothing_is_fetched_while_the_peer_serves(
    node: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    node["peer"]["read_only"] = False
    monkeypatch.setattr(records, "pair", lambda: PAIR)
    store = MemoryStore()
    with pytest.raises(NodeError, match="serves clients"):
        whole.restore_ring(
            store, Asked(Wanted(Latest(), None), "dev/ring", None), Report("restore-ring")
        )
    assert (store.gets, node["did"]) == ([], [])
    assert not restore.paths.RESTORING.exists()
