"""Which binary logs may go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ring_node.mysql.shows import Coordinates
from ring_node.ring import retention
from ring_node.ring.join import State
from ring_node.ring.retention import Disk, Facts, Log, Need, Verdict, Why
from ring_node.ring.schema import Origin, Source
from states import ME, OLD, PEER, born, copied, node, slave

pytestmark = pytest.mark.unit

HOUR = 3600.0
KEEP = 24 * HOUR
MIB = 1 << 20
ROOMY = Disk(used=500 * MIB, size=1000 * MIB, warn=80, critical=92)
WARNED = replace(ROOMY, used=850 * MIB)
FULL = replace(ROOMY, used=950 * MIB)
NUMBERS = (1, 2, 3, 4, 5)  # the last one is open


def name(number: int) -> str:
    return f"bin.{number:06d}"


def at(number: int, why: str = "node-2 has executed", *, yields: bool = False) -> Need:
    return Need(Coordinates(name(number), 120), why, yields)


UNKNOWN = Need(None, "the peer cannot be asked", yields=True)
DEAD = at(2, "its slave does not run", yields=True)


def logs(age: float = 48 * HOUR, size: int = 100 * MIB) -> tuple[Log, ...]:
    """Four that were closed that long ago, and the open one."""
    closed = tuple(Log(name(number), size, age) for number in NUMBERS[:-1])
    return (*closed, Log(name(NUMBERS[-1]), size, None))


def facts(**changes: Any) -> Facts:
    """Everything safe, old, and read up to the open log."""
    usual = Facts(
        logs=logs(),
        safe=frozenset(map(name, NUMBERS[:-1])),
        needs=(at(5),),
        keep_seconds=KEEP,
        disk=ROOMY,
    )
    return replace(usual, **changes)


def went(verdict: Verdict) -> list[int]:
    return [log.number for log in verdict.goes]


def aged(*hours: float) -> tuple[Log, ...]:
    """Closed that many hours ago, the oldest first, and the open one."""
    closed = [Log(name(number + 1), 100 * MIB, age * HOUR) for number, age in enumerate(hours)]
    return (*closed, Log(name(len(hours) + 1), 100 * MIB, None))


@pytest.mark.parametrize(
    ("changes", "goes", "why"),
    [
        ({}, [1, 2, 3, 4], Why.OPEN),
        ({"keep_seconds": 0.0, "logs": logs(0.0)}, [1, 2, 3, 4], Why.OPEN),
        ({"logs": logs()[-1:], "safe": frozenset()}, [], Why.OPEN),
        ({"logs": logs()[-1:], "safe": frozenset({name(5)})}, [], Why.OPEN),
        # not safe in the bucket
        ({"safe": frozenset()}, [], Why.NOT_SAFE),
        ({"safe": frozenset(map(name, (2, 3, 4)))}, [], Why.NOT_SAFE),
        ({"safe": frozenset(map(name, (1, 2, 4)))}, [1, 2], Why.NOT_SAFE),
        ({"safe": frozenset(), "silent_bucket": "S3 is away"}, [], Why.NOT_SAFE),
        # the peer's place, and other places
        ({"needs": (at(1),)}, [], Why.READ),
        ({"needs": (at(3),)}, [1, 2], Why.READ),
        ({"needs": (at(4),)}, [1, 2, 3], Why.READ),
        ({"needs": (at(5), at(2))}, [1], Why.READ),
        ({"needs": (at(6),)}, [1, 2, 3, 4], Why.OPEN),
        ({"needs": (UNKNOWN,)}, [], Why.READ),
        ({"needs": (at(5), UNKNOWN)}, [], Why.READ),
        ({"needs": (DEAD,)}, [1], Why.READ),
        # a copy that runs
        ({"copying": "a copy is sent"}, [], Why.COPY),
        ({"copying": "a copy is sent", "safe": frozenset()}, [], Why.COPY),
        # kept for a time
        ({"logs": logs(23.9 * HOUR)}, [], Why.YOUNG),
        ({"logs": logs(24.1 * HOUR)}, [1, 2, 3, 4], Why.OPEN),
        ({"logs": aged(30, 25, 23, 1)}, [1, 2], Why.YOUNG),
        ({"logs": logs(-HOUR)}, [], Why.YOUNG),  # a clock that was set back
        ({"logs": (Log(name(1), MIB, None), *logs()[1:])}, [], Why.YOUNG),
        # a disk of which somebody is told is no reason
        ({"disk": WARNED, "needs": (DEAD,)}, [1], Why.READ),
        ({"disk": WARNED, "logs": logs(HOUR)}, [], Why.YOUNG),
    ],
)
def test_a_log_goes_when_it_is_safe_and_old_and_nobody_reads_on_from_it(
    changes: dict[str, Any], goes: list[int], why: Why
) -> None:
    verdict = retention.retention(facts(**changes))
    assert went(verdict) == goes
    assert verdict.held is not None
    assert verdict.held.why is why
    assert verdict.given_up == ()


@pytest.mark.parametrize(
    ("changes", "goes", "given_up", "why"),
    [
        # 950 of 1000 MiB, 100 MiB each: two logs bring it to 75 percent, below the warning
        ({"needs": (DEAD,)}, [1, 2], [2], Why.READ),
        ({"needs": (UNKNOWN,)}, [1, 2], [1, 2], Why.READ),
        ({"needs": (UNKNOWN,), "logs": logs(size=10 * MIB)}, [1, 2, 3, 4], [1, 2, 3, 4], Why.OPEN),
        ({"needs": (UNKNOWN,), "logs": logs(size=500 * MIB)}, [1], [1], Why.READ),
        ({"logs": logs(HOUR)}, [1, 2], [], Why.YOUNG),
        ({"logs": aged(25, 25, 23, 1)}, [1, 2], [], Why.YOUNG),
        ({}, [1, 2, 3, 4], [], Why.OPEN),  # what may go does so in any case
        # what is not safe never goes, nor what is behind it
        ({"needs": (UNKNOWN,), "safe": frozenset()}, [], [], Why.NOT_SAFE),
        ({"needs": (UNKNOWN,), "safe": frozenset(map(name, (1, 3, 4)))}, [1], [1], Why.NOT_SAFE),
        ({"needs": (UNKNOWN,), "safe": frozenset(map(name, (2, 3, 4)))}, [], [], Why.NOT_SAFE),
        # who reads now is not cut off
        ({"needs": (at(2),)}, [1], [], Why.READ),
        ({"needs": (UNKNOWN, at(2))}, [1], [1], Why.READ),
        ({"needs": (at(2), at(1, yields=True))}, [1], [1], Why.READ),
        ({"copying": "a copy is sent", "needs": (UNKNOWN,)}, [], [], Why.COPY),
    ],
)
def test_at_a_critically_full_disk_what_is_safe_goes_before_its_time_as_far_as_it_must(
    changes: dict[str, Any], goes: list[int], given_up: list[int], why: Why
) -> None:
    verdict = retention.retention(facts(disk=FULL, **changes))
    assert went(verdict) == goes
    assert [log.number for log in verdict.given_up] == given_up
    assert verdict.held is not None
    assert verdict.held.why is why


@pytest.mark.parametrize("percent", range(60, 101))
@pytest.mark.parametrize("need", [at(1), at(3), at(5), UNKNOWN, DEAD], ids=lambda need: need.why)
@pytest.mark.parametrize("safe", [(), (1,), (1, 2, 4), (2, 3, 4), (1, 2, 3, 4), (5,)], ids=str)
def test_no_fullness_lets_go_what_is_not_safe_nor_what_is_read_now(
    percent: int, need: Need, safe: tuple[int, ...]
) -> None:
    disk = replace(ROOMY, used=percent * 10 * MIB)
    verdict = retention.retention(
        facts(disk=disk, needs=(need,), safe=frozenset(map(name, safe)), logs=logs(HOUR))
    )
    assert set(went(verdict)) <= set(safe) - {5}
    assert went(verdict) == list(range(1, len(verdict.goes) + 1))
    if not need.yields:
        assert not any(need.has(log) for log in verdict.goes)
    if percent < disk.critical:
        assert verdict.given_up == ()


@pytest.mark.parametrize(
    ("used", "size", "given_up"),
    [
        (940 * MIB, 3 * MIB, True),  # four of them: more than a hundredth of 1000 MiB
        (940 * MIB, 2 * MIB, False),
        (940 * MIB, 1024, False),
        (959 * MIB, 1024, False),
        (961 * MIB, 1024, True),  # little room is left
    ],
)
def test_a_peer_is_not_given_up_for_next_to_nothing(used: int, size: int, given_up: bool) -> None:
    disk = replace(FULL, used=used)
    assert (disk.size, disk.critical) == (1000 * MIB, 92)
    verdict = retention.retention(facts(disk=disk, needs=(UNKNOWN,), logs=logs(size=size)))
    assert bool(verdict.given_up) == given_up


def test_the_purge_keeps_the_first_log_that_stays() -> None:
    assert retention.retention(facts(needs=(at(3),))).purge_to == name(3)
    assert retention.retention(facts()).purge_to == name(5)
    assert retention.retention(facts(safe=frozenset())).purge_to is None
    assert retention.retention(facts(logs=())).purge_to is None


@pytest.mark.parametrize(
    ("changes", "late"),
    [
        ({"logs": logs(26 * HOUR), "safe": frozenset()}, False),
        ({"logs": logs(28 * HOUR), "safe": frozenset()}, True),
        ({"logs": logs(28 * HOUR), "needs": (UNKNOWN,)}, True),
        ({"logs": logs(28 * HOUR), "copying": "a copy is sent"}, True),
        ({"logs": logs(23 * HOUR), "safe": frozenset()}, False),
        ({"logs": logs(28 * HOUR)}, False),
    ],
)
def test_a_log_that_stays_beyond_its_time_is_late_and_the_reason_is_said(
    changes: dict[str, Any], late: bool
) -> None:
    held = retention.retention(facts(**changes)).held
    assert held is not None
    assert held.late is late
    assert held.text


def test_the_reason_of_who_cannot_be_asked_is_in_the_verdict() -> None:
    silent = retention.retention(facts(safe=frozenset(), silent_bucket="S3 is away")).held
    assert silent is not None
    assert "S3 is away" in silent.text
    needs = retention.needs(node(ME), None, "connection refused")
    dead = retention.retention(facts(needs=needs)).held
    assert dead is not None
    assert "connection refused" in dead.text


def follower(**changes: Any) -> State:
    """The peer as it follows this node, executed up to bin.000003."""
    executed = Coordinates(name(3), 500)
    wired = Source(PEER, ME, "wired", Coordinates(name(1), 120))
    own = slave(host="10.10.1.10", master_uuid=ME, executed=executed, read=executed)
    return node(PEER, source=wired, slave=replace(own, **changes))


@pytest.mark.parametrize(
    ("peer", "place", "yields"),
    [
        (follower(), Coordinates(name(3), 500), False),
        (follower(sql_running="No"), Coordinates(name(3), 500), True),
        (follower(io_running="No"), Coordinates(name(3), 500), True),
        (follower(io_running="Connecting"), Coordinates(name(3), 500), True),
        # what it has received and not executed it would ask for again
        (follower(read=Coordinates(name(9), 4)), Coordinates(name(3), 500), False),
        # a slave that was pointed here and has not begun
        (follower(executed=Coordinates("", 0)), Coordinates(name(1), 120), False),
        (None, None, True),
        # it follows a server that was here before, or nobody
        (
            replace(follower(), source=Source(PEER, OLD, "wired", Coordinates(name(1), 120))),
            None,
            True,
        ),
        (node(PEER), None, True),
        # a copy of this node, as of a place, that does not follow yet
        (node(PEER, origin=copied(PEER, ME)), copied(PEER, ME).copied_at, True),
        (node(PEER, origin=copied(PEER, ME, "ready")), copied(PEER, ME).copied_at, True),
        (node(PEER, origin=copied(PEER, OLD)), None, True),
        (node(PEER, origin=Origin(PEER, ME, "copying", "copied", None, None)), None, True),
    ],
)
def test_the_peer_needs_what_it_has_not_executed_or_what_is_written_down_for_it(
    peer: State | None, place: Coordinates | None, yields: bool
) -> None:
    (need,) = retention.needs(node(ME), peer, "it is dead")
    assert (need.place, need.yields) == (place, yields)


def test_a_place_that_was_written_down_for_a_new_peer_is_needed_until_it_follows() -> None:
    written = Coordinates(name(2), 345)
    me = node(ME, origin=born(ME, PEER, written))
    (waiting,) = retention.needs(me, node(PEER), "")
    assert waiting.place == written
    (followed,) = retention.needs(me, follower(), "")
    assert followed.place == Coordinates(name(3), 500)
