"""The reconciler's decision for one pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from cloud.hosts.plan import END_SECONDS, REBOOT_SECONDS, STOP_SECONDS, Action, Fact, decide
from cloud.wanted import Host, Interface

pytestmark = pytest.mark.unit

ID = "i-1"


def interface(index: int = 0, eni: str = "eni-0") -> Interface:
    return Interface(eni, "02:00:00:00:00:01", "192.168.100.10", "subnet-1", "vpc-1", ID, index)


def host(state: str = "running", **more: Any) -> Host:
    values: dict[str, Any] = {"reboots": 0, "parts": (interface(),), **more}
    return Host(id=ID, state=state, region="r", zone="ra", hostname="h", **values)


def plan(desired: Host | None, fact: Fact | None, now: float = 1000.0) -> list[tuple[str, str]]:
    actions = decide({ID: desired} if desired else {}, {ID: fact} if fact else {}, now)
    assert all(action.host == ID for action in actions)
    return [(action.kind, action.detail) for action in actions]


UP = {"eni-0": interface()}


def test_a_new_instance_boots() -> None:
    assert plan(host("pending"), None) == [("boot", "")]


def test_a_host_that_runs_as_asked_is_left_alone() -> None:
    assert plan(host(), Fact(running=True, fitted=UP)) == []


def test_a_pending_instance_whose_host_runs_is_running() -> None:
    assert plan(host("pending"), Fact(running=True, fitted=UP)) == [("settle", "running")]


def test_an_attached_interface_is_put_in_and_a_detached_one_is_taken_out() -> None:
    second = interface(1, "eni-1")
    both = host(parts=(interface(), second))
    assert plan(both, Fact(running=True, fitted=UP)) == [("fit", "eni-1")]
    assert plan(host(), Fact(running=True, fitted={**UP, "eni-1": second})) == [("unfit", "eni-1")]


def test_an_interface_at_another_index_is_put_in_anew() -> None:
    moved = host(parts=(interface(), interface(2, "eni-1")))
    assert plan(moved, Fact(running=True, fitted={**UP, "eni-1": interface(1, "eni-1")})) == [
        ("unfit", "eni-1"),
        ("fit", "eni-1"),
    ]


def test_an_interface_with_another_address_stays_where_it_is() -> None:
    held = host(parts=(replace(interface(), secondary=("192.168.100.50",)),))
    assert plan(held, Fact(running=True, fitted=UP)) == []


@dataclass(frozen=True)
class Disk:
    """A part of a kind that the plan has not heard of."""

    id: str
    mark: str


def test_any_part_is_put_in_anew_when_its_mark_is_another() -> None:
    wanted = host(parts=(interface(), Disk("vol-1", "/dev/sdf")))
    for mark, expected in (
        ("/dev/sdf", []),
        ("/dev/sdg", [("unfit", "vol-1"), ("fit", "vol-1")]),
    ):
        there = {**UP, "vol-1": Disk("vol-1", mark)}
        assert plan(wanted, Fact(running=True, fitted=there)) == expected


def test_a_stop_asks_then_waits_then_switches_off() -> None:
    stopping = host("stopping")
    assert plan(stopping, Fact(running=True, fitted=UP)) == [("shutdown", "")]
    asked = Fact(running=True, asked="shutdown", since=1000, fitted=UP)
    assert plan(stopping, asked, 1000 + STOP_SECONDS - 1) == []
    assert plan(stopping, asked, 1000 + STOP_SECONDS + 1) == [("kill", "slow to stop")]
    assert plan(stopping, Fact(running=False)) == [("settle", "stopped")]


def test_a_terminated_host_has_less_time_than_a_stopped_one() -> None:
    asked = Fact(running=True, asked="shutdown", since=1000, fitted=UP)
    assert plan(host("shutting-down"), asked, 1000 + END_SECONDS + 1) == [("kill", "slow to stop")]
    assert plan(host("shutting-down"), None) == [("settle", "terminated")]


def test_a_reboot_is_asked_for_once_and_bounded() -> None:
    rebooted = host(reboots=1)
    assert plan(rebooted, Fact(running=True, fitted=UP)) == [("reboot", "")]
    asked = Fact(running=True, asked="reboot", since=1000, reboots=1, fitted=UP)
    assert plan(rebooted, asked, 1001) == []
    assert plan(rebooted, asked, 1000 + REBOOT_SECONDS + 1) == [("kill", "slow to reboot")]
    assert plan(rebooted, Fact(running=False, asked="reboot", reboots=1)) == [("boot", "")]


def test_a_host_that_switched_itself_off_is_not_started_again() -> None:
    assert plan(host(), Fact(running=False, halted=True)) == [("halt", "")]


def test_a_host_that_fails_is_started_again_ever_more_slowly() -> None:
    once = Fact(running=False, since=1000, failures=1)
    assert plan(host(), once, 1000.5) == []
    assert plan(host(), once, 1001.5) == [("boot", "")]
    often = Fact(running=False, since=1000, failures=9)
    assert plan(host(), often, 1010) == []
    assert plan(host(), often, 1016) == [("boot", "")]


def test_a_host_that_no_instance_wants_is_forgotten() -> None:
    assert plan(None, Fact(running=True)) == [("forget", "")]


def test_a_stopped_instance_has_no_host() -> None:
    assert plan(host("stopped"), None) == []
    assert plan(host("stopped"), Fact(running=True)) == [("kill", "it is stopped")]


def test_hosts_are_decided_apart() -> None:
    other = Host("i-2", "stopping", 0, "r", "ra", "h", ())
    actions = decide({ID: host("pending"), "i-2": other}, {"i-2": Fact(running=True)}, 1.0)
    assert actions == [Action("boot", ID), Action("shutdown", "i-2")]
