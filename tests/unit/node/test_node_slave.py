"""What a slave's status says about leaving its master."""

from __future__ import annotations

from typing import Any

import pytest
from ring_node.mysql.shows import NOTHING_MORE, Position
from ring_node.ring.schema import Source
from states import ME, OLD, PEER, THEIRS, node, slave

pytestmark = pytest.mark.unit

READ = Position("bin.000002", 900)
LEFT = {"io_running": "No", "read": READ, "sql_state": "Reading event from the relay log"}
WAITING = f"{NOTHING_MORE}; waiting for the slave I/O thread to update it"


@pytest.mark.parametrize(
    ("changes", "drained"),
    [
        ({}, False),
        ({"executed": READ}, True),
        ({"sql_state": WAITING}, True),
        ({"sql_state": WAITING, "sql_running": "No"}, False),
        ({"read": Position("", 4), "executed": Position("", 0)}, True),
    ],
    ids=["at work", "all applied", "half a transaction", "stopped by an error", "reset by hand"],
)
def test_everything_is_applied_or_not(changes: dict[str, Any], drained: bool) -> None:
    assert slave(**{**LEFT, **changes}).drained is drained


@pytest.mark.parametrize(("followed", "former"), [(OLD, True), (PEER, False)])
def test_a_slave_of_the_peers_predecessor_is_known(followed: str, former: bool) -> None:
    me = node(ME, source=Source(ME, followed, "wired", THEIRS), slave=slave())
    assert me.follows_former(node(PEER)) is former
