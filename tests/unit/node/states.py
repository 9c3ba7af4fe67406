"""States of two nodes, for the tests of what is decided from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ring_node.mysql.shows import Coordinates, SlaveStatus
from ring_node.ring.join import State
from ring_node.ring.schema import Origin, Source

ME, PEER, OLD = "uuid-of-me", "uuid-of-peer", "uuid-of-former"
MINE = Coordinates("bin.000001", 120)
THEIRS = Coordinates("bin.000002", 345)
TORN_LOG = (
    "Got fatal error 1236 from master when reading data from binary log: 'binlog truncated in the"
    " middle of event; consider out of disk space on master; the first event 'bin.000002' at 120,"
    " the last event read from './bin.000002' at 314, the last byte read from './bin.000002' at"
    " 325.'"
)
"""As 5.6.24 says it."""
LOGS = frozenset({"bin.000001", "bin.000002"})


def slave(**changes: Any) -> SlaveStatus:
    """A slave that runs and has applied everything."""
    healthy = SlaveStatus(
        host="10.10.1.11",
        user="repuser",
        io_running="Yes",
        sql_running="Yes",
        read=THEIRS,
        executed=THEIRS,
        ssl_allowed=True,
        seconds_behind=0,
        io_error="",
        sql_error="",
        io_errno=0,
        sql_errno=0,
        master_uuid=PEER,
        master_server_id=2,
    )
    return replace(healthy, **changes)


def node(whose: str, **changes: Any) -> State:
    """A node of the ring that nothing has been done to."""
    server_id, name = (1, "node-1") if whose == ME else (2, "node-2")
    return replace(State(name, whose, server_id, (), None, None, None, LOGS), **changes)


def born(uuid: str, peer: str, coordinates: Coordinates = MINE) -> Origin:
    return Origin(uuid, peer, "ready", "empty", coordinates, None)


def copying(uuid: str, peer: str) -> Origin:
    return Origin(uuid, peer, "copying", "copied", None, None)


def copied(uuid: str, peer: str, state: str = "copied") -> Origin:
    return Origin(uuid, peer, state, "copied", MINE, THEIRS)


def wired(uuid: str, peer: str, state: str = "wired") -> dict[str, Any]:
    return {"source": Source(uuid, peer, state, THEIRS), "slave": slave()}
