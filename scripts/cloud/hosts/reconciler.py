"""Makes networks and hosts be what the API's state says, after each change and now and then."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from cloud.hosts import gates
from cloud.hosts.complaints import Complaints
from cloud.hosts.fittings import Fitter, Fitters
from cloud.hosts.guest import REBOOT_STATUS, Guest
from cloud.hosts.plan import Action, Fact, decide
from cloud.names import Names
from cloud.wanted import Host, Part, Snapshot

log = logging.getLogger("cloud.hosts")

BUSY_SECONDS = 0.05
IDLE_SECONDS = 1.0
SHUTDOWN_SECONDS = 20.0
"""How long the daemon waits for hosts to stop when it ends itself."""
STEADY_SECONDS = 30.0
"""A host that ran this long has no failures to its name any more."""


class State(Protocol):
    """The API as the reconciler sees it."""

    def carry_out_due(self) -> float | None: ...
    def snapshot(self) -> Snapshot: ...
    def settle(self, instance_id: str, expected: str, state: str) -> bool: ...
    def halted(self, instance_id: str) -> None: ...


class Reconciler:
    """Runs in one thread, which starts every host: hosts end when it ends. `wake` says that
    there is something to do."""

    def __init__(
        self,
        api: State,
        names: Names,
        fitters: Fitters,
        complaints: Complaints,
        folder: Path,
        lower: list[Path],
        wake: threading.Event,
    ) -> None:
        self.api = api
        self.names = names
        self.fitters = fitters
        self.complaints = complaints
        self.folder = folder
        self.lower = lower
        self.guests: dict[str, Guest] = {}
        self.wake = wake
        self.ending = threading.Event()

    def run(self) -> None:
        """Pass after pass until `ending` is set, then stop the hosts."""
        while not self.ending.is_set():
            self.wake.clear()
            pause = BUSY_SECONDS
            with self.complaints.about("pass"):
                pause = self.step()
            self.wake.wait(pause)
        self._stop_all()

    def step(self) -> float:
        """One pass. The answer is how many seconds may go by until the next one."""
        due = self.api.carry_out_due()
        if self._step():
            return BUSY_SECONDS
        return IDLE_SECONDS if due is None else min(due, IDLE_SECONDS)

    def _step(self) -> bool:
        """Whether something is still under way."""
        for guest in self.guests.values():
            self._watch(guest)
        snapshot = self.api.snapshot()
        for fitter in self.fitters.values():
            fitter.follow(snapshot)
        actions = decide(
            snapshot.hosts,
            {host_id: _fact(guest) for host_id, guest in self.guests.items()},
            time.monotonic(),
        )
        failed = acted = False
        for action in actions:
            with self.complaints.about(action.host):
                acted |= self._act(action, snapshot.hosts.get(action.host))
            failed |= action.host in self.complaints.open
        for fitter in self.fitters.values():
            fitter.tidy(snapshot)
        if acted and not failed:
            return True
        return any(
            guest.asked or (guest.process is None and snapshot.hosts[host_id].wanted)
            for host_id, guest in self.guests.items()
            if host_id in snapshot.hosts
        )

    def _watch(self, guest: Guest) -> None:
        before = guest.process
        guest.poll()
        if before is None or guest.process is not None:
            if guest.process and time.monotonic() > guest.since + STEADY_SECONDS:
                guest.failures = 0
            return
        lived = time.monotonic() - guest.since
        expected = guest.asked is not None or guest.ended in (0, REBOOT_STATUS)
        guest.failures = 0 if expected else guest.failures + 1
        if not expected:
            log.error(
                "%s: systemd-nspawn ended with status %s after %.1f s; its last words are in %s",
                guest.id, guest.ended, lived, guest.folder / "console.log",
            )  # fmt: skip
        guest.since = time.monotonic()

    def _act(self, action: Action, host: Host | None) -> bool:
        """Whether it was done: a host may not be ready for a part, or not give it up."""
        guest = self.guests.get(action.host)
        if guest is None:
            guest = Guest(action.host, self.folder / action.host, self.names)
            self.guests[action.host] = guest
        steps: dict[str, Callable[[], bool | None]] = {
            "halt": lambda: self._halt(guest),
            "shutdown": lambda: self._ask(guest, "shutdown"),
            "kill": lambda: self._kill(guest, action.detail),
            "unfit": lambda: self._unfit(guest, action.detail),
            "forget": lambda: self._forget(guest),
        }
        if host is not None:
            steps |= {
                "boot": lambda: self._boot(guest, host),
                "reboot": lambda: self._reboot(guest, host),
                "fit": lambda: self._fit(guest, host.fittings[action.detail]),
                "settle": lambda: self._settle(guest, host, action.detail),
            }
        return steps[action.kind]() is not False

    def _boot(self, guest: Guest, host: Host) -> None:
        guest.since = time.monotonic()
        for part in host.parts:
            self._fitter(part).check(part)
        for fitter in self.fitters.values():
            fitter.forget(guest)
        guest.fitted.clear()
        try:
            guest.prepare(host)
            for part in host.parts:
                self._fit(guest, part)
            arguments = [
                gates.boot_arguments(self.folder.parent),
                *(fitter.boot_arguments(guest) for fitter in self.fitters.values()),
            ]
            guest.boot(self.lower, list(itertools.chain(*arguments)))
        except Exception:
            guest.failures += 1
            raise
        guest.reboots = host.reboots
        log.info("%s boots", guest.id)
        if host.state == "pending":
            self.api.settle(guest.id, "pending", "running")

    def _halt(self, guest: Guest) -> None:
        log.info("%s has switched itself off", guest.id)
        guest.ended = None
        self.api.halted(guest.id)

    def _ask(self, guest: Guest, what: str) -> None:
        log.info("%s: %s", guest.id, what)
        guest.ask(what)

    def _reboot(self, guest: Guest, host: Host) -> None:
        guest.reboots = host.reboots
        self._ask(guest, "reboot")

    def _kill(self, guest: Guest, why: str) -> None:
        log.info("%s: switched off (%s)", guest.id, why)
        guest.kill()
        guest.ended = REBOOT_STATUS
        guest.asked, guest.since = None, time.monotonic()

    def _fitter(self, part: Part) -> Fitter:
        return self.fitters[type(part)]

    def _fit(self, guest: Guest, part: Part) -> bool:
        fitted = self._fitter(part).fit(guest, part)
        if fitted:
            guest.fitted[part.id] = part
        return fitted

    def _unfit(self, guest: Guest, part_id: str) -> bool:
        part = guest.fitted[part_id]
        out = self._fitter(part).unfit(guest, part)
        if out:
            del guest.fitted[part_id]
        return out

    def _settle(self, guest: Guest, host: Host, state: str) -> None:
        if state != "running":
            self._disconnect(guest)
            if state == "terminated":
                guest.remove()
                self.guests.pop(guest.id, None)
            else:
                guest.asked, guest.ended, guest.failures = None, None, 0
        self.api.settle(guest.id, host.state, state)

    def _disconnect(self, guest: Guest) -> None:
        guest.kill()
        guest.unplug_namespace()
        for fitter in self.fitters.values():
            fitter.forget(guest)

    def _forget(self, guest: Guest) -> None:
        self._disconnect(guest)
        guest.remove()
        self.guests.pop(guest.id, None)

    def _stop_all(self) -> None:
        """Ask every host to stop, wait within a bound, then switch off the rest."""
        for guest in self.guests.values():
            with self.complaints.about(guest.id):
                guest.ask("shutdown")
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        while time.monotonic() < deadline:
            for guest in self.guests.values():
                guest.poll()
            if not any(guest.process for guest in self.guests.values()):
                break
            time.sleep(BUSY_SECONDS)
        for guest in self.guests.values():
            with self.complaints.about(guest.id):
                self._disconnect(guest)


def _fact(guest: Guest) -> Fact:
    return Fact(
        running=guest.process is not None,
        asked=guest.asked,
        since=guest.since,
        reboots=guest.reboots,
        halted=guest.process is None and guest.ended == 0 and guest.asked is None,
        failures=guest.failures,
        fitted=dict(guest.fitted),
    )
