"""A restart by hand: what the slave has received and not applied is not dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from ring_node.mysql import shows, sql
from ring_node.mysql.shows import Coordinates
from ring_node.ring import reach, records, restart
from states import ME, PEER, THEIRS, slave

pytestmark = pytest.mark.unit

BEHIND = Coordinates(THEIRS.file, THEIRS.offset - 1)


@contextmanager
def session(*_: object) -> Iterator[None]:
    yield None


@pytest.mark.parametrize(
    ("uuid", "logs", "end", "has"),
    [
        (PEER, {THEIRS.file: 0}, THEIRS, True),
        (PEER, {THEIRS.file: 0}, BEHIND, False),
        (PEER, {THEIRS.file: 0}, None, False),
        (PEER, {"bin.000009": 0}, Coordinates("bin.000009", 4), False),
        (ME, {THEIRS.file: 0}, THEIRS, False),
    ],
    ids=["has it", "lost the end of its log", "writes no log", "purged it", "another server"],
)
def test_a_peer_counts_as_having_what_is_not_applied_only_up_to_the_end_of_its_log(
    monkeypatch: pytest.MonkeyPatch, uuid: str, logs: dict[str, int], end: Any, has: bool
) -> None:
    monkeypatch.setattr(sql, "own", session)
    monkeypatch.setattr(reach, "peer", session)
    monkeypatch.setattr(records, "credentials", lambda: SimpleNamespace(peer=None))
    monkeypatch.setattr(shows, "show_slave_status", lambda _: slave())
    monkeypatch.setattr(shows, "identity", lambda _: SimpleNamespace(uuid=uuid))
    monkeypatch.setattr(shows, "show_binary_logs", lambda _: logs)
    monkeypatch.setattr(shows, "show_master_status", lambda _: end)
    peer: Any = SimpleNamespace(replication_address="10.10.1.11")
    assert restart._has_what_is_not_applied(peer) is has
