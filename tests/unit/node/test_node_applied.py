"""When all that a slave has received counts as applied."""

from __future__ import annotations

from typing import Any

import pytest
from ring_node.mysql.shows import Coordinates, SlaveStatus
from ring_node.ring import relay
from states import THEIRS, slave

pytestmark = pytest.mark.unit

MORE = Coordinates(THEIRS.file, THEIRS.offset + 100)
AT_WORK = slave(io_running="No", read=MORE, sql_state="Reading event from the relay log")
SAYS_DONE = slave(io_running="No", read=MORE, sql_state="Slave has read all relay log; waiting")
STOPPED = slave(io_running="No", read=MORE, sql_running="No")
DONE = slave(io_running="No")


def applied(looks: list[SlaveStatus | None], monkeypatch: pytest.MonkeyPatch) -> tuple[bool, int]:
    """Whether it counts, and after how many looks. The last look stays."""
    seen: list[SlaveStatus | None] = []

    def look(_: Any) -> SlaveStatus | None:
        seen.append(looks[min(len(seen), len(looks) - 1)])
        return seen[-1]

    session: Any = None
    monkeypatch.setattr(relay, "show_slave_status", look)
    monkeypatch.setattr(relay, "CERTAIN_SECONDS", 0.05)
    return relay.applied(session, 0.5, lambda status: status.sql_running == "No"), len(seen)


def test_equal_coordinates_count_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert applied([DONE], monkeypatch) == (True, 1)
    assert applied([None], monkeypatch) == (True, 1)


def test_a_thread_that_says_once_that_it_is_done_may_not_have_woken_up_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert applied([SAYS_DONE, AT_WORK, STOPPED], monkeypatch) == (False, 3)
    done, looks = applied([SAYS_DONE, AT_WORK, AT_WORK, SAYS_DONE], monkeypatch)
    assert done, "the beginning of a transaction whose end never came"
    assert looks > 4


def test_a_slave_that_is_at_work_until_the_deadline_has_not_applied_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert applied([AT_WORK], monkeypatch)[0] is False
