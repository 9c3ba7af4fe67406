"""What the agent says of this node, in a file that it writes about once a second.

Times are seconds of the clock in base/clock.py.
"""

from __future__ import annotations

import json
from typing import Any

from ..base import paths
from ..base.clock import boottime
from ..host import files

STALE_SECONDS = 10.0
CLOSED_SINCE = "it was closed since the agent last looked, as at each start of the server"


def read() -> dict[str, Any] | None:
    """None without an agent that has run since the host booted."""
    content = files.read_bytes(paths.AGENT_STATE)
    return None if content is None else json.loads(content)


def silence(state: dict[str, Any] | None, server_uuid: str | None) -> str | None:
    """Why what it says does not count; None when it does. `server_uuid`: of the server that runs
    here, if it could be asked."""
    if state is None:
        return "it has not run since this host booted"
    age = boottime() - state["written"]
    if age > STALE_SECONDS:
        return f"it was last heard of {age:.0f} s ago"
    if server_uuid is not None and state["server_uuid"] not in (None, server_uuid):
        return "it speaks of a server that was here before"
    return None


def why_closed() -> str:
    state = read()
    silent = silence(state, None)
    if silent is not None or state is None:
        return f"{paths.AGENT_SERVICE} says nothing: {silent}"
    return why_not_open(state)


def why_not_open(state: dict[str, Any]) -> str:
    """Why a gate that is closed now is closed. What the agent said of an open one is no reason."""
    return CLOSED_SINCE if state["gate"]["open"] else state["gate"]["why"]
