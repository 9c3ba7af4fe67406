"""Verb `status`: the facts of this node and the verdict, also when its server is down."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..backup import verdict
from ..base import paths
from ..base.errors import Exit
from ..base.report import Report
from ..host import room
from ..ring import health, look, records
from ..ring.health import Facts
from ..ring.schema import Origin, Source


def run() -> Report:
    report = Report("status")
    facts, shown = look.look()
    volume = next((disk for disk in facts.disks if disk.path == str(paths.VOLUME)), None)
    kept = verdict.look(volume)
    problems = [*health.problems(facts), *verdict.problems(kept)]
    report.facts.update(
        healthy=not problems,
        problems=[asdict(problem) for problem in problems],
        **_node(facts),
        agent=shown["agent"],
        backups=verdict.shown(kept),
    )
    if facts.server is None:
        report.facts["unknown"] = f"the server cannot be asked: {facts.silent or facts.service}"
    else:
        report.facts.update(_server(facts, shown))
    for note in (*health.notes(facts), *verdict.notes(kept)):
        report.note(note)
    report.code = Exit.UNHEALTHY if problems else Exit.OK
    return report


def _node(facts: Facts) -> dict[str, Any]:
    node = records.node()
    return {
        "node": node.name if node else None,
        "peer": facts.peer,
        "client_address": node.client_address if node else None,
        "replication_address": node.replication_address if node else None,
        "service": facts.service,
        "agent_service": facts.agent_service,
        "initialised": facts.initialised,
        "admitted": facts.admitted,
        "gate": facts.gate,
        "gate_why": None if facts.gate == "open" else facts.gate_why,
        "free_mib": {str(path): _free(path) for path in (paths.DATA, paths.LOGS)},
        "disks": [
            {"path": disk.path, "free_mib": disk.free >> 20, "size_mib": disk.size >> 20}
            for disk in facts.disks
        ],
        "clock_difference_s": _rounded(facts.clock_difference),
        "conflicts": {
            "count": facts.conflicts.total,
            "by_error_and_table": facts.conflicts.counts,
            "last": facts.conflicts.last and asdict(facts.conflicts.last),
        },
        "unknown": None,
    }


def _server(facts: Facts, shown: dict[str, Any]) -> dict[str, Any]:
    server = facts.server
    assert server is not None
    result = {
        **asdict(server),
        "binary_log": str(facts.log_end) if facts.log_end else None,
        "slave": _slave(facts),
        "unapplied_bytes": facts.unapplied,
        "empty": shown.get("empty"),
    }
    if "origin" in shown:
        origin: Origin | None = shown["origin"]
        source: Source | None = shown["source"]
        result["origin"] = origin and {
            "state": origin.state,
            "basis": origin.basis,
            "peer_uuid": origin.peer_uuid,
            "position": str(origin.coordinates) if origin.coordinates else None,
        }
        result["source"] = source and {
            "state": source.state,
            "peer_uuid": source.peer_uuid,
            "position": str(source.coordinates),
        }
        result.update(_ages(facts, shown))
    return result


def _ages(facts: Facts, shown: dict[str, Any]) -> dict[str, Any]:
    """As the agent saw the rows change. Without it by the time in the row, which has the difference
    of the hosts' clocks in it and is not judged."""
    beats = facts.beats
    if beats is None or beats.watched is not None:
        names = ("heartbeat_age_ms", "own_heartbeat_age_ms")
        return {name: shown[name] for name in names}
    return {
        "heartbeat_age_ms": _milliseconds(beats.peer),
        "own_heartbeat_age_ms": _milliseconds(beats.own),
    }


def _slave(facts: Facts) -> dict[str, Any] | None:
    slave = facts.slave
    if slave is None:
        return None
    return {
        "master": slave.host,
        "master_uuid": slave.master_uuid,
        "io": slave.io_running,
        "sql": slave.sql_running,
        "ssl_allowed": slave.ssl_allowed,
        "seconds_behind_master": slave.seconds_behind,
        "read": str(slave.read),
        "executed": str(slave.executed),
        "errors": slave.errors or None,
    }


def _free(path: Path) -> int | None:
    """MiB; None when the disk does not answer."""
    try:
        return room.free(path) >> 20
    except OSError:
        return None


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
