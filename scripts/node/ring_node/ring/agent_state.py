"""What the agent says of this node, in the file that it writes about once a second.

Its times are seconds of CLOCK_BOOTTIME, which no change of the host's clock moves, and which is the
same for every process of the host.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..host import files

SILENT_SECONDS = 5.0  # it writes every second


@dataclass(frozen=True)
class AgentState:
    written: float
    server_uuid: str | None
    gate_open: bool
    gate_why: str
    beat_done: float | None
    beat_problem: str | None
    peer_asked: float | None
    peer_problem: str | None
    beat_seen: str | None
    beat_changed: float | None  # when this host saw the peer's row change here
    clock_difference: float | None  # seconds that the peer's clock is ahead of this host's


def clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def read(path: Path) -> AgentState | None:
    """None: there is none, or it is not what an agent writes."""
    try:
        return _state(json.loads(files.read_bytes(path) or b"{}"))
    except (ValueError, KeyError, TypeError):
        return None


def _state(value: dict[str, Any]) -> AgentState:
    gate, beat, peer = value["gate"], value["beat"], value["peer"]
    return AgentState(
        float(value["written"]),
        value["server_uuid"],
        bool(gate["open"]),
        str(gate["why"]),
        _seconds(beat["done"]),
        beat["problem"],
        _seconds(peer["asked"]),
        peer["problem"],
        peer["beat_seen"],
        _seconds(peer["beat_changed"]),
        _seconds(peer["clock_difference_s"]),
    )


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)
