"""The reconciler's passes, with hosts and namespaces that only write down what is asked of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cloud.hosts import reconciler as module
from cloud.hosts.complaints import Complaints
from cloud.hosts.fittings import Cables
from cloud.hosts.guest import REBOOT_STATUS, Guest
from cloud.hosts.plan import STOP_SECONDS
from cloud.hosts.reconciler import BUSY_SECONDS, IDLE_SECONDS, Reconciler
from cloud.names import Names, cable_end
from cloud.network.router import Routers
from cloud.wanted import Host, Interface, Snapshot, Subnet, Vpc

pytestmark = pytest.mark.unit

NAMES = Names("abcdef")
RUNS: Any = "a process"


class Clock:
    """The monotonic clock, which stands still between what a test does."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Recorded(Guest):
    """A host whose parts of the machine are not there."""

    log: list[str]
    clock: Clock
    broken: set[str]
    """Hosts that cannot be prepared."""

    def poll(self) -> None:
        pass

    def prepare(self, host: Host) -> None:
        self.log.append(f"prepare {host.id}")
        if host.id in self.broken:
            raise RuntimeError(f"{host.id} cannot be prepared")

    def boot(self, lower: list[Path], more: list[str]) -> None:
        assert lower == []
        assert f"--network-namespace-path=/run/netns/{self.namespace}" in more
        self.log.append(f"boot {self.id}")
        self.process, self.asked, self.ended = RUNS, None, None

    def ask(self, what: str) -> None:
        self.log.append(f"{what} {self.id}")
        self.asked, self.since = what, self.clock.monotonic()

    def kill(self) -> None:
        self.log.append(f"kill {self.id}")
        self.process = None

    def unplug_namespace(self) -> None:
        self.log.append(f"namespace of {self.id} deleted")
        self.fitted.clear()

    def remove(self) -> None:
        self.log.append(f"disk of {self.id} removed")


def interface(host_id: str, number: int, index: int = 0, vpc_id: str = "vpc-1") -> Interface:
    return Interface(
        f"eni-{number:017}", f"02:00:00:00:00:{number:02}", f"10.0.0.{10 + number}", "subnet-1",
        vpc_id, host_id, index,
    )  # fmt: skip


def host(host_id: str, *parts: Interface, state: str = "pending") -> Host:
    return Host(host_id, state, 0, "r", "ra", "h", parts)


@dataclass
class Api:
    """What instances are asked for, and what was said of them."""

    hosts: dict[str, Host] = field(default_factory=dict)
    settled: list[tuple[str, str]] = field(default_factory=list)
    off: list[str] = field(default_factory=list)
    due: float | None = None

    def ask(self, *hosts: Host) -> None:
        self.hosts |= {each.id: each for each in hosts}

    def carry_out_due(self) -> float | None:
        return self.due

    def snapshot(self) -> Snapshot:
        interfaces = [each for found in self.hosts.values() for each in found.interfaces]
        vpcs = {
            vpc_id: Vpc(
                vpc_id, "r", (Subnet("subnet-1", "10.0.0.0/24", False),),
                tuple(each for each in interfaces if each.vpc_id == vpc_id), (),
            )
            for vpc_id in {each.vpc_id for each in interfaces}
        }  # fmt: skip
        return Snapshot(vpcs, dict(self.hosts))

    def settle(self, instance_id: str, expected: str, state: str) -> bool:
        assert self.hosts[instance_id].state == expected
        self.settled.append((instance_id, state))
        if state == "terminated":
            del self.hosts[instance_id]
        else:
            self.hosts[instance_id] = replace(self.hosts[instance_id], state=state)
        return True

    def halted(self, instance_id: str) -> None:
        self.off.append(instance_id)
        self.hosts[instance_id] = replace(self.hosts[instance_id], state="stopping")


@dataclass
class Services:
    """What runs in the VPCs; `broken` is what an error of it says."""

    log: list[str]
    broken: str = ""

    def apply(self, vpc: Vpc) -> None:
        if self.broken:
            raise RuntimeError(f"{vpc.id}: {self.broken}")

    def remove(self, vpc_id: str) -> None:
        self.log.append(f"services of {vpc_id} removed")


class Lab:
    """A reconciler with its surroundings."""

    def __init__(self, kernel: Any, clock: Clock, folder: Path) -> None:
        self.kernel, self.clock, self.api = kernel, clock, Api()
        self.log: list[str] = []
        Recorded.log, Recorded.clock, Recorded.broken = self.log, clock, set()
        self.services = Services(self.log)
        complaints = Complaints()
        cables = Cables(Routers(NAMES), self.services, complaints)
        self.reconciler = Reconciler(
            self.api, NAMES, {Interface: cables}, complaints, folder, [], threading.Event()
        )

    def step(self) -> float:
        return self.reconciler.step()

    def happened(self) -> list[str]:
        """What was done to hosts and services since the last time."""
        found = list(self.log)
        self.log.clear()
        return found

    def guest(self, host_id: str) -> Guest:
        return self.reconciler.guests[host_id]


@pytest.fixture
def lab(kernel: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "Guest", Recorded)
    return Lab(kernel, clock, tmp_path)


@pytest.fixture
def running(lab: Lab) -> Lab:
    """A host with one interface runs, and all that has happened is forgotten."""
    lab.api.ask(host("i-1", interface("i-1", 1)))
    lab.step()
    assert lab.api.settled == [("i-1", "running")]
    lab.happened()
    lab.kernel.asked.clear()
    return lab


def test_a_host_boots_with_its_cable_laid_and_is_running_then(lab: Lab) -> None:
    lab.api.ask(host("i-1", interface("i-1", 1)))
    assert lab.step() == BUSY_SECONDS
    assert lab.happened() == ["prepare i-1", "boot i-1"]
    assert lab.kernel.there >= {cable_end("eni-00000000000000001")}
    assert lab.api.settled == [("i-1", "running")]
    assert lab.step() == IDLE_SECONDS
    assert lab.happened() == []


def test_a_pass_comes_no_later_than_the_next_change_that_is_due(running: Lab) -> None:
    running.api.due = IDLE_SECONDS / 4
    assert running.step() == IDLE_SECONDS / 4
    running.api.due = IDLE_SECONDS * 4
    assert running.step() == IDLE_SECONDS


def test_a_boot_that_failed_is_tried_again_after_a_while(lab: Lab) -> None:
    Recorded.broken.add("i-1")
    lab.api.ask(host("i-1", interface("i-1", 1)))
    lab.step()
    assert lab.happened() == ["prepare i-1"]
    assert lab.api.settled == []
    Recorded.broken.clear()
    lab.step()
    assert lab.happened() == []
    lab.clock.now += 1.0
    lab.step()
    assert lab.happened() == ["prepare i-1", "boot i-1"]


def test_a_host_that_dies_again_and_again_is_started_ever_more_slowly(running: Lab) -> None:
    for wait in (1.0, 2.0, 5.0, 15.0, 15.0):
        dies(running, "i-1", status=1)
        running.step()
        running.clock.now += wait - 0.1
        running.step()
        assert "boot i-1" not in running.happened()
        running.clock.now += 0.1
        running.step()
        assert "boot i-1" in running.happened()


def dies(lab: Lab, host_id: str, status: int) -> None:
    """The host's process has ended when the reconciler looks the next time."""
    guest = lab.guest(host_id)

    def poll() -> None:
        guest.process, guest.ended = None, status
        del guest.poll

    guest.poll = poll  # type: ignore[method-assign]


def test_a_host_that_reboots_is_started_at_once(running: Lab) -> None:
    dies(running, "i-1", REBOOT_STATUS)
    running.step()
    assert "boot i-1" in running.happened()


def test_a_host_that_switched_itself_off_stays_off_and_the_api_hears_of_it(running: Lab) -> None:
    dies(running, "i-1", 0)
    running.step()
    assert running.api.off == ["i-1"]
    running.step()
    assert "boot i-1" not in running.happened()
    assert running.api.settled[-1] == ("i-1", "stopped")


def test_an_interface_that_is_detached_while_its_host_boots_is_unplugged(lab: Lab) -> None:
    first, second = interface("i-1", 1), interface("i-1", 2, index=1)
    lab.api.ask(host("i-1", first, second))
    lab.api.settle = lambda *_: False  # type: ignore[method-assign]
    lab.step()
    assert lab.kernel.there >= {cable_end(first.id), cable_end(second.id)}
    lab.api.ask(host("i-1", first))
    lab.step()
    assert cable_end(second.id) not in lab.kernel.there
    assert cable_end(first.id) in lab.kernel.there
    assert set(lab.guest("i-1").fitted) == {first.id}


def test_an_interface_that_is_attached_to_a_running_host_is_plugged_in(running: Lab) -> None:
    second = interface("i-1", 2, index=1)
    running.api.ask(host("i-1", interface("i-1", 1), second, state="running"))
    running.step()
    assert cable_end(second.id) in running.kernel.there
    assert running.happened() == []


@dataclass(frozen=True)
class Part:
    id: str
    mark: int = 0


@dataclass
class Slow:
    """A fitter whose parts go in and out when the test says so."""

    willing: bool = False
    log: list[str] = field(default_factory=list)

    def follow(self, snapshot: Snapshot) -> None: ...

    def check(self, part: Part) -> None: ...

    def fit(self, guest: Guest, part: Part) -> bool:
        self.log.append(f"fit {part.id} into {guest.id}")
        return self.willing

    def boot_arguments(self, guest: Guest) -> list[str]:
        return [f"--for={guest.id}"]

    def unfit(self, guest: Guest, part: Part) -> bool:
        self.log.append(f"unfit {part.id} of {guest.id}")
        return self.willing

    def forget(self, guest: Guest) -> None:
        self.log.append(f"forget {guest.id}")

    def tidy(self, snapshot: Snapshot) -> None: ...


@pytest.fixture
def slow(running: Lab) -> Slow:
    found = Slow()
    running.reconciler.fitters = {**running.reconciler.fitters, Part: found}
    return found


def test_what_a_host_is_not_ready_for_is_put_in_by_a_later_pass(running: Lab, slow: Slow) -> None:
    parts: Any = (interface("i-1", 1), Part("vol-1"))
    running.api.ask(host("i-1", *parts, state="running"))
    for _ in range(2):
        assert running.step() == IDLE_SECONDS
        assert "vol-1" not in running.guest("i-1").fitted
    slow.willing = True
    assert running.step() == BUSY_SECONDS
    assert "vol-1" in running.guest("i-1").fitted
    assert running.step() == IDLE_SECONDS
    assert slow.log == ["fit vol-1 into i-1"] * 3


def test_what_a_host_uses_is_taken_out_by_a_later_pass(running: Lab, slow: Slow) -> None:
    parts: Any = (interface("i-1", 1), Part("vol-1"))
    slow.willing = True
    running.api.ask(host("i-1", *parts, state="running"))
    running.step()
    slow.willing = False
    slow.log.clear()
    running.api.ask(host("i-1", interface("i-1", 1), state="running"))
    for _ in range(2):
        assert running.step() == IDLE_SECONDS
        assert "vol-1" in running.guest("i-1").fitted
    slow.willing = True
    running.step()
    assert "vol-1" not in running.guest("i-1").fitted
    assert slow.log == ["unfit vol-1 of i-1"] * 3


def test_a_cable_that_cannot_be_laid_is_tried_again(
    running: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = interface("i-1", 2, index=1)
    running.api.ask(host("i-1", interface("i-1", 1), second, state="running"))

    def fail(*_: Any) -> None:
        raise RuntimeError("no cable")

    with monkeypatch.context() as broken:
        broken.setattr(Routers, "plug", fail)
        running.step()
    assert second.id not in running.guest("i-1").fitted
    running.step()
    assert second.id in running.guest("i-1").fitted


def test_a_router_is_dropped_after_the_last_host_with_a_cable_to_it(running: Lab) -> None:
    router = NAMES.vpc("vpc-1")
    running.api.ask(host("i-1", interface("i-1", 1), state="shutting-down"))
    running.step()
    assert running.happened() == ["shutdown i-1"]
    running.clock.now += STOP_SECONDS
    running.step()
    assert running.happened() == ["kill i-1"]
    assert (router, "delete") not in running.kernel.asked
    running.step()
    assert running.happened() == [
        "kill i-1", "namespace of i-1 deleted", "disk of i-1 removed",
    ]  # fmt: skip
    assert cable_end(interface("i-1", 1).id) not in running.kernel.there
    assert (router, "delete") not in running.kernel.asked
    running.step()
    assert running.happened() == ["services of vpc-1 removed"]
    assert (router, "delete") in running.kernel.asked


def test_a_host_waits_for_its_router_and_boots_as_soon_as_it_is_there(lab: Lab) -> None:
    lab.services.broken = "no names"
    lab.api.ask(host("i-1", interface("i-1", 1)))
    for _ in range(5):
        lab.step()
    assert lab.happened() == []
    lab.services.broken = ""
    lab.step()
    assert lab.happened() == ["prepare i-1", "boot i-1"]


def test_an_error_of_one_host_does_not_stop_the_others(lab: Lab) -> None:
    Recorded.broken.add("i-1")
    lab.api.ask(host("i-1", interface("i-1", 1)), host("i-2", interface("i-2", 2)))
    lab.step()
    assert lab.api.settled == [("i-2", "running")]


def test_an_error_of_one_vpc_does_not_stop_the_others(lab: Lab) -> None:
    far = interface("i-2", 2, vpc_id="vpc-2")
    lab.api.ask(host("i-1", interface("i-1", 1)), host("i-2", far))

    def apply(vpc: Vpc) -> None:
        if vpc.id == "vpc-1":
            raise RuntimeError("no names")

    lab.services.apply = apply  # type: ignore[method-assign]
    lab.step()
    assert lab.api.settled == [("i-2", "running")]


def test_an_error_is_said_once_and_again_when_it_comes_back_or_is_another(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.api.ask(host("i-1", interface("i-1", 1)))

    def said(broken: str, word: str) -> int:
        """How often a word is logged in three passes with an error of the services."""
        lab.services.broken = broken
        caplog.clear()
        with caplog.at_level(logging.ERROR, "cloud.hosts"):
            for _ in range(3):
                lab.step()
        return sum(word in record.getMessage() for record in caplog.records)

    assert said("no names", "no names") == 1
    assert said("no names", "no names") == 0
    assert said("no leases", "no leases") == 1
    assert said("", "no") == 0
    assert said("no leases", "no leases") == 1


def test_an_error_of_the_api_does_not_end_the_passes(
    running: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[Callable[[], None]] = [fail, running.reconciler.ending.set]
    monkeypatch.setattr(running.api, "carry_out_due", lambda: passes.pop(0)())
    running.reconciler.wake.wait = lambda _seconds: True  # type: ignore[assignment, method-assign]
    running.reconciler.run()
    assert passes == []


def fail() -> None:
    raise RuntimeError("the API fails")


def test_at_its_end_the_reconciler_asks_every_host_to_stop_and_switches_off_the_rest(
    running: Lab,
) -> None:
    running.reconciler.ending.set()
    running.reconciler.run()
    assert running.happened() == ["shutdown i-1", "kill i-1", "namespace of i-1 deleted"]
    assert cable_end(interface("i-1", 1).id) not in running.kernel.there
