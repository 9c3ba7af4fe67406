"""Gathers the facts of a node. Nothing here hangs: each look has a deadline of its own.

Also on a host that has no server yet, nor the library to ask one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import NodeError
from ..base.later import Later
from ..host import room, systemd
from ..mysql import conflicts, datadir, lifecycle
from ..mysql.conflicts import Conflicts
from . import agent_state, fence, records
from .agent_state import AgentState
from .documents import Peer
from .health import Beats, Disk, Facts, Gate

HOST_SECONDS = 3.0
PEER_SECONDS = 3.0


def look() -> tuple[Facts, dict[str, Any]]:
    """The facts that are judged, and more that is only shown."""
    node, peer = records.node(), records.peer()
    shown: dict[str, Any] = {}
    host = Later("a look at the host", _host, HOST_SECONDS)
    passed_over = Later("reading the error log", _conflicts, HOST_SECONDS)
    agent = agent_state.read(paths.AGENT_STATE)
    now = agent_state.clock()
    if agent is not None and now - agent.written > agent_state.SILENT_SECONDS:
        silent = f"its last word is {now - agent.written:.0f} s old"
    else:
        silent = None
    listening = agent is not None and silent is None
    joined = datadir.initialised() and not fence.stands() and peer is not None
    there = None
    if peer is not None and joined and not listening:
        there = Later("asking the peer", lambda: _peers_clock(peer), PEER_SECONDS)
    facts: dict[str, Any] = {
        "node": node.name if node else "this node",
        "peer": peer.name if peer else None,
        "installed": lifecycle.installed(),
        "initialised": datadir.initialised(),
        "joined": joined,
        "agent_silent": silent,
        "restart_due": lifecycle.restart_due(),
    }
    try:
        facts.update(host.get())
    except NodeError as error:
        facts["host_silent"] = error.found
    if facts["installed"]:
        try:
            from .questions import ask_server
        except ModuleNotFoundError:
            facts["silent"] = "python3-pymysql is not installed"
        else:
            ask_server(node, peer, facts, shown, watch=joined and not listening)
    if listening and agent is not None:
        _from_agent(agent, facts)
    if there is not None:
        try:
            facts["clock_difference"] = there.get()
        except NodeError as error:
            facts["peer_problem"] = error.found
    try:
        facts["conflicts"] = passed_over.get()
    except (NodeError, OSError) as error:
        missed = f"the error log was not searched for conflicts: {error}"
        facts["not_looked_at"] = (*facts.get("not_looked_at", ()), missed)
    return Facts(**facts), shown


def _host() -> dict[str, Any]:
    service = systemd.state(paths.MYSQL_SERVICE)[0] if lifecycle.installed() else "absent"
    return {
        "service": service,
        "agent_service": systemd.state(paths.HEARTBEAT_SERVICE)[0],
        "disks": disks(),
    }


def disks() -> tuple[Disk, ...]:
    root = Path("/")
    found: dict[int, Disk] = {}
    for path in (root, paths.DATA, paths.LOGS):
        existing = next(each for each in (path, *path.parents) if each.exists())
        device = existing.stat().st_dev
        if device not in found:
            state = os.statvfs(existing)
            setting = "rootVolumeGib" if path == root else "dataVolumeGib"
            found[device] = Disk(
                str(path), room.free(path), state.f_blocks * state.f_frsize, setting
            )
    return tuple(found.values())


def _conflicts() -> Conflicts:
    return conflicts.count(paths.ERROR_LOG, paths.CONFLICTS)


def _from_agent(agent: AgentState, facts: dict[str, Any]) -> None:
    now = agent_state.clock()
    server = facts.get("server")
    if server is not None and agent.server_uuid not in (None, server.server_uuid):
        facts["agent_silent"] = "it speaks of a server that was here before"
        return
    facts["gate"] = Gate(agent.gate_open, agent.gate_why)
    facts["beats"] = Beats(
        None if agent.beat_done is None else now - agent.beat_done,
        None if agent.beat_changed is None else now - agent.beat_changed,
        own_problem=agent.beat_problem,
    )
    facts["clock_difference"] = agent.clock_difference
    facts["peer_problem"] = agent.peer_problem


def _peers_clock(peer: Peer) -> float:
    from .questions import peers_clock

    return peers_clock(peer)
