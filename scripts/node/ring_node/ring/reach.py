"""The connection to the peer's server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..base.report import Report
from ..mysql import sql
from ..mysql.login import Login
from ..mysql.sql import Session


@contextmanager
def peer(
    address: str,
    login: Login,
    report: Report | None = None,
    *,
    seconds: float = sql.CONNECT_SECONDS,
    patience: float = sql.STATEMENT_SECONDS,
) -> Iterator[Session]:
    """The ring's account on the peer, over TLS, its certificate checked against the ring's CA."""
    who = f"the peer's server at {address}"
    with sql.over_tls(who, address, login, report, seconds=seconds, patience=patience) as session:
        yield session
