"""A my.cnf that is brought in on a server that runs: what becomes of its slave."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ring_node.base.report import Report
from ring_node.mysql import server_files, shows
from ring_node.ring import live, records
from states import slave

pytestmark = pytest.mark.unit


class Own:
    """A server that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def do(self, statement: str, *_: object) -> None:
        self.told.append(statement)

    def rows(self, *_: object) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("status", "exchanged", "told"),
    [
        (slave(), False, False),
        (slave(io_running="Connecting", io_errno=2003), False, False),
        (slave(sql_running="No", sql_errno=1062), False, False),
        (slave(sql_running="No"), False, True),
        (slave(io_running="No"), False, True),
        (slave(io_running="No", sql_running="No", sql_errno=1062), False, True),
        (slave(io_running="No", sql_running="No"), True, False),
        (None, False, False),
    ],
    ids=["runs", "connects", "an error", "SQL thread", "IO thread", "IO thread beside an error",
         "by a killed run", "no slave"],
)  # fmt: skip
def test_a_slave_that_somebody_stopped_stays_stopped(
    monkeypatch: pytest.MonkeyPatch, status: Any, exchanged: bool, told: bool
) -> None:
    own: Any = Own()
    login = SimpleNamespace(user="repuser")
    monkeypatch.setattr(records, "credentials", lambda: SimpleNamespace(replication=login))
    monkeypatch.setattr(records, "heartbeat_login", lambda: login)
    monkeypatch.setattr(shows, "show_slave_status", lambda _: status)
    monkeypatch.setattr(live.relay, "stop", lambda _: None)
    monkeypatch.setattr(server_files, "exchanged", lambda: exchanged)
    report = Report("restart")
    assert live._told_to_stop(own) is told
    live._begin_anew(own, report, told)
    assert own.told == ([] if told or status is None else ["START SLAVE"])
