"""Verb `seed`: decide where this node's data comes from, and fetch it."""

from __future__ import annotations

from typing import Any

from ..base.errors import Exit, NodeError
from ..base.report import Report
from ..mysql import sql
from ..ring import documents, reach, records, schema, seeding

PEER_SECONDS = 60.0
PEER_SECONDS_JOINED = 5.0  # a node that has joined needs nothing of it


def run(document: Any) -> Report:
    report = Report("seed")
    pair = documents.pair(document)
    records.remember_peer(pair, report)
    login = records.credentials().peer
    with sql.own(report) as own:
        if schema.exists(own) and schema.add_rows(own, pair.node.server_id, pair.peer.server_id):
            report.did("rows of both nodes in the ring's schema")
        joined = seeding.joined(own, pair)
        patience = PEER_SECONDS_JOINED if joined else PEER_SECONDS
        try:
            with reach.peer(
                pair.peer.replication_address, login, report, seconds=patience
            ) as other:
                seeding.seed(own, other, pair, report)
        except NodeError as error:
            if error.code != Exit.UNREACHABLE or not joined:
                raise
            report.note(f"this node has joined; the peer cannot be asked now: {error.found}")
            report.facts["outcome"] = "joined"
    return report
