"""Makes networks and hosts be what the API's state says, after each change and now and then."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from cloud.api.snapshot import Host, Snapshot, Vpc
from cloud.hosts import gates
from cloud.hosts.machine import REBOOT_STATUS, Machine
from cloud.hosts.plan import Action, Fact, decide
from cloud.network.names import Names
from cloud.network.router import Routers

log = logging.getLogger("cloud.hosts")

BUSY_SECONDS = 0.05
IDLE_SECONDS = 1.0
SHUTDOWN_SECONDS = 20.0
"""How long the daemon waits for hosts to stop when it ends itself."""
STEADY_SECONDS = 30.0
"""A host that ran this long has no failures to its name any more."""


class State(Protocol):
    """The API as the reconciler sees it."""

    def snapshot(self) -> Snapshot: ...
    def settle(self, instance_id: str, expected: str, state: str) -> bool: ...
    def halted(self, instance_id: str) -> None: ...


class VpcServices(Protocol):
    """What runs in a VPC's router: DHCP, names and metadata."""

    def apply(self, vpc: Vpc) -> None: ...
    def remove(self, vpc_id: str) -> None: ...


class Reconciler:
    """Runs in one thread, which starts every host: hosts end when it ends."""

    def __init__(
        self,
        api: State,
        names: Names,
        routers: Routers,
        services: VpcServices,
        folder: Path,
        lower: list[Path],
    ) -> None:
        self.api = api
        self.names = names
        self.routers = routers
        self.services = services
        self.folder = folder
        self.lower = lower
        self.machines: dict[str, Machine] = {}
        self.wake = threading.Event()
        self.ending = threading.Event()
        self._said: dict[str, str] = {}

    def run(self) -> None:
        """Pass after pass until `ending` is set, then stop the hosts."""
        while not self.ending.is_set():
            self.wake.clear()
            busy = True
            try:
                busy = self.step()
                self._said.pop("pass", None)
            except Exception as error:
                self._complain("pass", error)
            self.wake.wait(BUSY_SECONDS if busy else IDLE_SECONDS)
        self._stop_all()

    def step(self) -> bool:
        """One pass. True when something is still under way."""
        for machine in self.machines.values():
            self._watch(machine)
        snapshot = self.api.snapshot()
        ready = self._networks(snapshot)
        actions = decide(
            snapshot.hosts,
            {host_id: _fact(machine) for host_id, machine in self.machines.items()},
            time.monotonic(),
        )
        failed = False
        for action in actions:
            host = snapshot.hosts.get(action.host)
            failed |= not self._guarded(
                action.host, lambda action=action, host=host: self._act(action, host, ready)
            )
        for vpc_id in self.routers.superfluous(snapshot):
            self._guarded(vpc_id, lambda vpc_id=vpc_id: self._drop_network(vpc_id))
        if actions and not failed:
            return True
        return any(
            machine.asked or (machine.process is None and snapshot.hosts[host_id].wanted)
            for host_id, machine in self.machines.items()
            if host_id in snapshot.hosts
        )

    def _networks(self, snapshot: Snapshot) -> dict[str, Vpc]:
        """Bring the VPCs up to date; the answer holds those that are."""
        ready: dict[str, Vpc] = {}
        for vpc in snapshot.vpcs.values():

            def update(vpc: Vpc = vpc) -> None:
                self.routers.add_missing(vpc)
                self.routers.apply(vpc)
                self.services.apply(vpc)
                ready[vpc.id] = vpc

            self._guarded(vpc.id, update)
        return ready

    def _drop_network(self, vpc_id: str) -> None:
        self.services.remove(vpc_id)
        self.routers.remove(vpc_id)

    def _watch(self, machine: Machine) -> None:
        before = machine.process
        machine.poll()
        if before is None or machine.process is not None:
            if machine.process and time.monotonic() > machine.since + STEADY_SECONDS:
                machine.failures = 0
            return
        lived = time.monotonic() - machine.since
        expected = machine.asked is not None or machine.ended in (0, REBOOT_STATUS)
        machine.failures = 0 if expected else machine.failures + 1
        if not expected:
            log.error(
                "%s: systemd-nspawn ended with status %s after %.1f s; its last words are in %s",
                machine.id, machine.ended, lived, machine.folder / "console.log",
            )  # fmt: skip
        machine.since = time.monotonic()

    def _act(self, action: Action, host: Host | None, ready: dict[str, Vpc]) -> None:
        machine = self.machines.get(action.host)
        if machine is None:
            machine = Machine(action.host, self.folder / action.host, self.names)
            self.machines[action.host] = machine
        steps: dict[str, Callable[[], None]] = {
            "halt": lambda: self._halt(machine),
            "shutdown": lambda: self._ask(machine, "shutdown"),
            "kill": lambda: self._kill(machine, action.detail),
            "unplug": lambda: self._unplug(machine, action.detail),
            "forget": lambda: self._forget(machine),
        }
        if host is not None:
            steps |= {
                "boot": lambda: self._boot(machine, host, ready),
                "reboot": lambda: self._reboot(machine, host),
                "plug": lambda: self._plug(machine, host, action.detail, ready),
                "settle": lambda: self._settle(machine, host, action.detail),
            }
        steps[action.kind]()

    def _boot(self, machine: Machine, host: Host, ready: dict[str, Vpc]) -> None:
        machine.since = time.monotonic()
        missing = {each.vpc_id for each in host.interfaces} - set(ready)
        if missing:
            raise RuntimeError(f"no router yet for {', '.join(sorted(missing))}")
        self.routers.forget(machine.id)
        machine.cables.clear()
        try:
            machine.prepare(host)
            for interface in host.interfaces:
                self.routers.plug(interface, machine.namespace, ready[interface.vpc_id])
                machine.cables[interface.id] = interface.device_index
            machine.boot(self.lower, gates.make(self.folder.parent))
        except Exception:
            machine.failures += 1
            raise
        machine.reboots = host.reboots
        log.info("%s boots", machine.id)
        if host.state == "pending":
            self.api.settle(machine.id, "pending", "running")

    def _halt(self, machine: Machine) -> None:
        log.info("%s has switched itself off", machine.id)
        machine.ended = None
        self.api.halted(machine.id)

    def _ask(self, machine: Machine, what: str) -> None:
        log.info("%s: %s", machine.id, what)
        machine.ask(what)

    def _reboot(self, machine: Machine, host: Host) -> None:
        machine.reboots = host.reboots
        self._ask(machine, "reboot")

    def _kill(self, machine: Machine, why: str) -> None:
        log.info("%s: switched off (%s)", machine.id, why)
        machine.kill()
        machine.ended = REBOOT_STATUS
        machine.asked, machine.since = None, time.monotonic()

    def _plug(self, machine: Machine, host: Host, eni_id: str, ready: dict[str, Vpc]) -> None:
        interface = next(each for each in host.interfaces if each.id == eni_id)
        self.routers.plug(interface, machine.namespace, ready[interface.vpc_id])
        machine.cables[eni_id] = interface.device_index

    def _unplug(self, machine: Machine, eni_id: str) -> None:
        self.routers.unplug(eni_id)
        machine.cables.pop(eni_id, None)

    def _settle(self, machine: Machine, host: Host, state: str) -> None:
        if state != "running":
            self._disconnect(machine)
            if state == "terminated":
                machine.remove()
                self.machines.pop(machine.id, None)
            else:
                machine.asked, machine.ended, machine.failures = None, None, 0
        self.api.settle(machine.id, host.state, state)

    def _disconnect(self, machine: Machine) -> None:
        machine.kill()
        machine.unplug_namespace()
        self.routers.forget(machine.id)

    def _forget(self, machine: Machine) -> None:
        self._disconnect(machine)
        machine.remove()
        self.machines.pop(machine.id, None)

    def _stop_all(self) -> None:
        """Ask every host to stop, wait within a bound, then switch off the rest."""
        for machine in self.machines.values():
            self._guarded(machine.id, lambda machine=machine: machine.ask("shutdown"))
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        while time.monotonic() < deadline:
            for machine in self.machines.values():
                machine.poll()
            if not any(machine.process for machine in self.machines.values()):
                break
            time.sleep(BUSY_SECONDS)
        for machine in self.machines.values():
            self._guarded(machine.id, lambda machine=machine: self._disconnect(machine))

    def _guarded(self, subject: str, function: Callable[[], None]) -> bool:
        """Do one thing; an error of it is logged and does not stop the others."""
        try:
            function()
        except Exception as error:
            self._complain(subject, error)
            return False
        self._said.pop(subject, None)
        return True

    def _complain(self, subject: str, error: Exception) -> None:
        """Log an error once, not at each pass that repeats it."""
        text = f"{type(error).__name__}: {error}"
        if self._said.get(subject) != text:
            self._said[subject] = text
            log.error("%s: %s", subject, text, exc_info=error)


def _fact(machine: Machine) -> Fact:
    return Fact(
        running=machine.process is not None,
        asked=machine.asked,
        since=machine.since,
        reboots=machine.reboots,
        halted=machine.process is None and machine.ended == 0 and machine.asked is None,
        failures=machine.failures,
        cables=dict(machine.cables),
    )
