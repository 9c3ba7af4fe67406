"""Verb `verify`: rows travel both ways, and how long they take."""

from __future__ import annotations

import secrets
import time
from typing import Any

from ..base.errors import refused, too_late
from ..base.report import Report
from ..base.waiting import Deadline, poll
from ..mysql import shows, sql
from ..mysql.sql import Session
from ..ring import beats, documents, reach, records, schema
from ..ring.documents import Pair

FRESH_SECONDS = 30.0
ROW_SECONDS = 30.0
QUICK = 0.01


def run(document: Any) -> Report:
    report = Report("verify")
    pair = documents.pair(document)
    login = records.credentials().peer
    with (
        sql.own(report) as own,
        reach.peer(pair.peer.replication_address, login, report, seconds=FRESH_SECONDS) as other,
    ):
        watch = beats.Watch(own, other, pair.node.server_id, pair.peer.server_id)
        _slave(own)
        there = _travel(own, other, pair, written_on=pair.node.server_id)
        back = _travel(other, own, pair, written_on=pair.peer.server_id)
        ways = _fresh(watch)
    report.facts.update(
        {
            "both_threads": True,
            "master_ssl": True,
            "lag_to_peer_ms": there,
            "lag_from_peer_ms": back,
            "row_written_here_read_on_peer_ms": there,
            "row_written_on_peer_read_here_ms": back,
            "heartbeats_behind": {
                "peer_here": ways.peer_here.behind,
                "own_there": ways.own_there.behind,
            },
        }
    )
    return report


def _slave(own: Session) -> None:
    def running() -> shows.SlaveStatus | None:
        status = shows.show_slave_status(own)
        return status if status is not None and status.both_run else None

    status = poll(running, Deadline(FRESH_SECONDS))
    if status is None:
        last = shows.show_slave_status(own)
        found = "no slave is configured"
        if last is not None:
            found = f"IO {last.io_running}, SQL {last.sql_running}: {last.errors or 'no error'}"
        raise refused(found, "both threads Yes", "run `sudo ring-node rejoin` on this node")
    if not status.ssl_allowed:
        raise refused("Master_SSL_Allowed is No", "Yes", "run `sudo ring-node rejoin` on this node")


def _fresh(watch: beats.Watch) -> beats.Ways:
    ways = watch.until_fresh(FRESH_SECONDS)
    if not ways.fresh:
        raise too_late(
            str(ways),
            f"both to change, and to be fewer than {beats.BEHIND_BEATS} beats behind, within "
            f"{FRESH_SECONDS:.0f} s",
            "run `ring-node status` on both nodes: threads may say Yes over a dead link",
        )
    return ways


def _travel(writer: Session, reader: Session, pair: Pair, *, written_on: int) -> float:
    """Milliseconds from a row's commit on one server until the other one shows it.

    Both ends are read by this host's clock, so a difference of clocks does not enter.
    """
    token = secrets.token_hex(16)
    key = [pair.node.server_id, written_on]
    if writer.do(schema.PROBE, [token, *key]) != 1:
        raise refused(
            f"no row {key} in {schema.SCHEMA}.probe",
            "one",
            "run `sudo ring-node rejoin` on both nodes",
        )
    begin = time.monotonic()

    def arrived() -> float | None:
        if reader.value(schema.PROBED, key) != token:
            return None
        return round((time.monotonic() - begin) * 1000, 1)

    took = poll(arrived, Deadline(ROW_SECONDS), longest_pause=QUICK)
    if took is None:
        raise too_late(
            f"a row written on {writer.who} did not arrive on {reader.who}",
            f"it within {ROW_SECONDS:.0f} s",
            "run `ring-node status` on both nodes",
        )
    return took
