"""What a slave's status says about following its master, and about leaving it."""

from __future__ import annotations

from typing import Any

import pytest
from ring_node.base.errors import NodeError
from ring_node.mysql.shows import NOTHING_MORE, Coordinates
from ring_node.ring.follow import Threads, check, threads
from ring_node.ring.schema import Source
from states import ME, OLD, PEER, THEIRS, TORN_LOG, node, slave

pytestmark = pytest.mark.unit

READ = Coordinates("bin.000002", 900)
LEFT = {"io_running": "No", "read": READ, "sql_state": "Reading event from the relay log"}
WAITING = f"{NOTHING_MORE}; waiting for the slave I/O thread to update it"


@pytest.mark.parametrize(
    ("changes", "drained"),
    [
        ({}, False),
        ({"executed": READ}, True),
        ({"sql_state": WAITING}, True),
        ({"sql_state": WAITING, "sql_running": "No"}, False),
        ({"read": Coordinates("", 4), "executed": Coordinates("", 0)}, True),
    ],
    ids=["at work", "all applied", "half a transaction", "stopped by an error", "reset by hand"],
)
def test_everything_is_applied_or_not(changes: dict[str, Any], drained: bool) -> None:
    assert slave(**{**LEFT, **changes}).drained is drained


@pytest.mark.parametrize(("followed", "former"), [(OLD, True), (PEER, False)])
def test_a_slave_of_the_peers_predecessor_is_known(followed: str, former: bool) -> None:
    me = node(ME, source=Source(ME, followed, "wired", THEIRS), slave=slave())
    assert me.follows_former(node(PEER)) is former


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, Threads.RUN),
        ({"io_running": "Connecting"}, Threads.COMING),
        ({"io_running": "Connecting", "io_errno": 2003}, Threads.COMING),
        ({"io_running": "No", "sql_running": "No"}, Threads.COMING),
        ({"io_running": "No", "io_errno": 1236}, Threads.BROKEN),
        ({"io_running": "No", "io_errno": 1593}, Threads.BROKEN),
        ({"io_running": "Connecting", "io_errno": 1045}, Threads.COMING),
        ({"sql_running": "No", "sql_errno": 1062}, Threads.BROKEN),
        ({"sql_running": "No"}, Threads.COMING),
    ],
    ids=[
        "run", "connecting", "the peer is away", "stopped", "log gone", "fatal", "refused once",
        "a row", "stopped by hand",
    ],
)  # fmt: skip
def test_only_an_error_that_stays_is_the_end_of_the_wait_for_both_threads(
    changes: dict[str, Any], found: Threads
) -> None:
    assert threads(slave(**changes)) is found


@pytest.mark.parametrize(
    ("number", "running", "passed_over"),
    [(1050, "No", True), (1091, "No", True), (1396, "No", True), (1050, "Yes", False),
     (1205, "No", False), (1062, "No", False), (1146, "No", False), (0, "No", False)],
)  # fmt: skip
def test_only_a_statement_whose_outcome_may_be_there_is_to_be_passed_over(
    number: int, running: str, passed_over: bool
) -> None:
    """A row that is passed over is lost here."""
    stopped = slave(sql_running=running, sql_errno=number, sql_error="said", io_running="No")
    with pytest.raises(NodeError) as caught:
        check(stopped, node(ME), node(PEER))
    assert ("sql_slave_skip_counter" in caught.value.next_step) is passed_over


@pytest.mark.parametrize(
    ("said", "next_log"),
    [
        (TORN_LOG, True),
        ("'Could not find first log file name in binary log index file'", False),
        ("'Client requested master to start replication from position > file size'", False),
    ],
    ids=["torn", "purged", "beyond the end"],
)
def test_a_node_is_given_up_for_a_log_that_is_gone_and_not_for_one_that_is_torn_at_its_end(
    said: str, next_log: bool
) -> None:
    stopped = slave(io_running="No", io_errno=1236, io_error=said)
    with pytest.raises(NodeError) as caught:
        check(stopped, node(ME), node(PEER))
    step = caught.value.next_step
    assert ("MASTER_LOG_FILE = 'bin.000003', MASTER_LOG_POS = 4" in step) is next_log
    assert ("--discard" in step) is not next_log


@pytest.mark.parametrize(
    ("file", "following"),
    [("bin.000009", "bin.000010"), ("bin.999999", "bin.1000000"), ("a.b.000001", "a.b.000002")],
)
def test_the_log_after_another_one_has_the_next_number(file: str, following: str) -> None:
    torn = slave(io_error=TORN_LOG, read=Coordinates(file, 314))
    assert torn.behind_the_torn == Coordinates(following, 4)
