"""What the agent's loops know, for all who read its file."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass, field

from ..base import paths
from ..base.clock import boottime


@dataclass
class Gate:
    open: bool = False
    why: str = "the agent has not looked yet"


@dataclass
class Beat:
    done: float | None = None  # when this node's own row was last written
    problem: str | None = None


@dataclass
class Peer:
    asked: float | None = None  # when the peer last answered
    problem: str | None = None  # why it cannot be asked
    beat_seen: str | None = None  # its newest heartbeat that has come here, as it wrote it
    beat_changed: float | None = None  # when this host saw that change
    clock_difference_s: float | None = None  # its clock minus this host's


@dataclass
class State:
    """Each part is written by one loop only."""

    server_uuid: str | None = None
    gate: Gate = field(default_factory=Gate)
    beat: Beat = field(default_factory=Beat)
    peer: Peer = field(default_factory=Peer)


class Board:
    """The state, one loop at a time, and the file that says it."""

    def __init__(self) -> None:
        self._state = State()
        self._lock = threading.Lock()
        self._news = threading.Event()

    def wait(self, seconds: float) -> None:
        """Until the file is due: that long, or until the gate was opened or closed."""
        self._news.wait(seconds)
        self._news.clear()

    def wake(self) -> None:
        self._news.set()

    def gate(self, *, is_open: bool, why: str, server_uuid: str | None) -> None:
        with self._lock:
            if self._state.gate.open != is_open:
                self._news.set()
            self._state.gate = Gate(is_open, why)
            self._state.server_uuid = server_uuid

    def beat_done(self, at: float) -> None:
        with self._lock:
            self._state.beat = Beat(at, None)

    def no_beat(self, problem: str) -> None:
        with self._lock:
            self._state.beat.problem = problem

    def peer_answered(self, at: float, clock_difference_s: float) -> None:
        with self._lock:
            self._state.peer.asked, self._state.peer.problem = at, None
            self._state.peer.clock_difference_s = clock_difference_s

    def peer_silent(self, problem: str) -> None:
        with self._lock:
            self._state.peer.problem = problem

    def beat_seen(self, beat: str | None, changed: float | None) -> None:
        with self._lock:
            self._state.peer.beat_seen = beat
            self._state.peer.beat_changed = changed

    def write(self) -> None:
        """Readers see the former file or the new one. It need not outlast the host."""
        with self._lock:
            document = {"written": boottime(), **asdict(self._state)}
        temporary = paths.AGENT_STATE.with_name(f".{paths.AGENT_STATE.name}.new")
        temporary.write_text(json.dumps(document) + "\n")
        os.replace(temporary, paths.AGENT_STATE)
