"""Gathers the facts of a node. Nothing here hangs: each look has a deadline of its own.

Also on a host that has no server yet, nor the library to ask one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.clock import boottime
from ..base.errors import NodeError
from ..base.later import Later
from ..host import gate, room, systemd, volumes
from ..mysql import conflicts, datadir, lifecycle, server_files
from ..mysql.conflicts import Conflicts
from . import admission, agent_state, records
from .documents import Peer
from .health import Beats, Disk, Facts

HOST_SECONDS = 3.0
PEER_SECONDS = 3.0


def look() -> tuple[Facts, dict[str, Any]]:
    """The facts that are judged, and more that is only shown."""
    node, peer = records.node(), records.peer()
    host = Later("looking at the host", _host, HOST_SECONDS)
    passed_over = Later("reading the error log", _conflicts, HOST_SECONDS)
    agent = agent_state.read()
    shown: dict[str, Any] = {"agent": agent}
    silent = agent_state.silence(agent, None)
    volume = _volume()
    admitted = volume["admitted"]
    watch = silent is not None and admitted
    there = None
    if peer is not None and watch:
        there = Later("an answer of the peer", lambda: _peers_clock(peer), PEER_SECONDS)
    facts: dict[str, Any] = {
        "node": node.name if node else "this node",
        "peer": peer.name if peer else None,
        "installed": lifecycle.installed(),
        **volume,
        "restart_due": server_files.restart_due(),
        "edited": server_files.edited(),
    }
    if facts["installed"]:
        try:
            from .questions import ask_server
        except ModuleNotFoundError:
            facts["silent"] = "python3-pymysql is not installed"
        else:
            ask_server(node, peer, facts, shown, watch)
    server = facts.get("server")
    facts["agent_silent"] = agent_state.silence(agent, server.server_uuid if server else None)
    if facts["agent_silent"] is None and agent is not None:
        _from_agent(agent, facts)
    try:
        facts.update(host.get())
    except NodeError as error:
        facts["host_silent"] = error.found
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


def _volume() -> dict[str, Any]:
    """What is written on the data volume; of one that does not answer, why."""
    broken = volumes.problem()
    try:
        if broken is None:
            return {
                "initialised": datadir.initialised(),
                "mounted": volumes.is_mounted(),
                "admitted": admission.admitted(),
            }
    except OSError as error:
        broken = str(error)
    return {"initialised": False, "mounted": False, "admitted": False, "volume_broken": broken}


def _host() -> dict[str, Any]:
    service = systemd.state(paths.MYSQL_SERVICE)[0] if lifecycle.installed() else "absent"
    return {
        "service": service,
        "agent_service": systemd.state(paths.AGENT_SERVICE)[0],
        "gate": gate.state(),
        "disks": disks(),
    }


def disks() -> tuple[Disk, ...]:
    root = Path("/")
    found: dict[int, Disk] = {}
    for path in (root, paths.VOLUME):
        try:
            device, state = path.stat().st_dev, os.statvfs(path)
        except OSError:
            continue  # it is not there, or does not answer: a problem of its own says so
        if device not in found:
            setting = "rootVolumeGib" if path == root else "dataVolumeGib"
            found[device] = Disk(
                str(path), room.free(path), state.f_blocks * state.f_frsize, setting
            )
    return tuple(found.values())


def _conflicts() -> Conflicts:
    return conflicts.count(paths.ERROR_LOG, paths.CONFLICTS)


def _from_agent(agent: dict[str, Any], facts: dict[str, Any]) -> None:
    now = boottime()
    own, peer = agent["beat"], agent["peer"]
    facts["gate_why"] = agent_state.why_not_open(agent)
    facts["beats"] = Beats(
        None if own["done"] is None else now - own["done"],
        None if peer["beat_changed"] is None else now - peer["beat_changed"],
        own_problem=own["problem"],
    )
    facts["clock_difference"] = peer["clock_difference_s"]
    facts["peer_problem"] = peer["problem"]


def _peers_clock(peer: Peer) -> float:
    from .questions import peers_clock

    return peers_clock(peer)
