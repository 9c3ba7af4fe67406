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


def read() -> dict[str, Any] | None:
    """None without an agent that has run since the host booted."""
    content = files.read_bytes(paths.AGENT_STATE)
    return None if content is None else json.loads(content)


def why_closed() -> str:
    state = read()
    if state is None:
        return f"{paths.AGENT_SERVICE} has not run since this host booted"
    age = boottime() - state["written"]
    if age > STALE_SECONDS:
        return f"{paths.AGENT_SERVICE} does not run: it was last heard of {age:.0f} s ago"
    return state["gate"]["why"]
