"""Verb `status`: all that a table of the ring needs, also when the server is down."""

from __future__ import annotations

from typing import Any

from ..base import paths
from ..base.errors import NodeError
from ..base.report import Report
from ..host import gate, room, systemd
from ..mysql import datadir, lifecycle, shows
from ..ring import admission, agent_state, records, schema

UPTIME = "SHOW GLOBAL STATUS LIKE 'Uptime'"
ANSWER_SECONDS = 10  # a server whose log's disk is full does not answer until there is room again


def run() -> Report:
    report = Report("status")
    node, peer = records.node(), records.peer()
    server = systemd.state(paths.MYSQL_SERVICE)[0] if lifecycle.installed() else "absent"
    facts: dict[str, Any] = {
        "node": node.name if node else None,
        "peer": peer.name if peer else None,
        "client_address": node.client_address if node else None,
        "replication_address": node.replication_address if node else None,
        "service": server,
        "agent_service": systemd.state(paths.AGENT_SERVICE)[0],
        "gate": gate.state(),
        "agent": agent_state.read(),
        "initialised": datadir.initialised(),
        "admitted": admission.admitted(),
        "free_mib": {str(path): room.free(path) >> 20 for path in (paths.DATA, paths.LOGS)},
        "unknown": None,
    }
    try:
        facts.update(_server(node, peer))
    except ModuleNotFoundError:
        facts["unknown"] = "the server cannot be asked: python3-pymysql is not installed"
    except NodeError as error:
        facts["unknown"] = f"the server cannot be asked: {error.found}"
    report.facts.update(facts)
    return report


def _server(node: Any, peer: Any) -> dict[str, Any]:
    from ..mysql import sql
    from ..ring import content

    with sql.own(patience=ANSWER_SECONDS) as session:
        identity = shows.identity(session)
        slave = shows.show_slave_status(session)
        master = shows.show_master_status(session)
        facts: dict[str, Any] = {
            "server_id": identity.server_id,
            "server_uuid": identity.uuid,
            "version": identity.version,
            "have_ssl": identity.have_ssl,
            "read_only": identity.read_only,
            "uptime_s": int((session.row(UPTIME) or {"Value": 0})["Value"]),
            "binary_log": str(master) if master else None,
            "slave": _slave(slave),
            "empty": not content.found(session),
        }
        if schema.exists(session):
            origin, source = schema.read_origin(session), schema.read_source(session)
            facts["origin"] = origin and {
                "state": origin.state,
                "basis": origin.basis,
                "peer_uuid": origin.peer_uuid,
                "position": str(origin.coordinates) if origin.coordinates else None,
            }
            facts["source"] = source and {
                "state": source.state,
                "peer_uuid": source.peer_uuid,
                "position": str(source.coordinates),
            }
            for name, who in (("heartbeat_age_ms", peer), ("own_heartbeat_age_ms", node)):
                age = schema.beat_age(session, who.server_id) if who else None
                facts[name] = None if age is None else round(age * 1000, 1)
        return facts


def _slave(slave: shows.SlaveStatus | None) -> dict[str, Any] | None:
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
