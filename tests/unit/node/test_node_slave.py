"""What a slave's status says about leaving its master."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ring_node.join import State
from ring_node.ring_schema import Source
from ring_node.shows import NOTHING_MORE, Position, SlaveStatus

pytestmark = pytest.mark.unit

READ, APPLIED = Position("bin.000002", 900), Position("bin.000002", 345)
SLAVE = SlaveStatus(
    host="10.10.1.11",
    user="repuser",
    io_running="No",
    sql_running="Yes",
    read=READ,
    executed=APPLIED,
    ssl_allowed=True,
    seconds_behind=0,
    io_error="",
    sql_error="",
    io_errno=0,
    sql_errno=0,
    master_uuid="uuid-of-former",
    master_server_id=2,
    sql_state="Reading event from the relay log",
)
WAITING = f"{NOTHING_MORE}; waiting for the slave I/O thread to update it"


@pytest.mark.parametrize(
    ("slave", "drained"),
    [
        (SLAVE, False),
        (replace(SLAVE, executed=READ), True),
        (replace(SLAVE, sql_state=WAITING), True),
        (replace(SLAVE, sql_state=WAITING, sql_running="No"), False),
        (replace(SLAVE, read=Position("", 4), executed=Position("", 0)), True),
    ],
    ids=["at work", "all applied", "half a transaction", "stopped by an error", "reset by hand"],
)
def test_everything_is_applied_or_not(slave: SlaveStatus, drained: bool) -> None:
    assert slave.drained is drained


@pytest.mark.parametrize(
    ("followed", "former"), [("uuid-of-former", True), ("uuid-of-peer", False)]
)
def test_a_slave_of_the_peers_predecessor_is_known(followed: str, former: bool) -> None:
    none = frozenset[str]()
    source = Source("uuid-of-me", followed, "wired", APPLIED)
    me = State("node-1", "uuid-of-me", 1, (), None, source, SLAVE, none)
    peer = State("node-2", "uuid-of-peer", 2, (), None, None, None, none)
    assert me.follows_former(peer) is former
