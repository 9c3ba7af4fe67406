"""The reconciler's decision: what the API asks for, beside what is, gives what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud.wanted import ENDING_STATE, STOPPING_STATE, Host

STOP_SECONDS = 40.0
"""After this long a host that was asked to stop is switched off."""
END_SECONDS = 5.0
"""The same for a host that is terminated: its disk goes anyway."""
REBOOT_SECONDS = 40.0
RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0)
"""Waits before a host that failed is started again."""


@dataclass(frozen=True)
class Fact:
    """What is known of one host."""

    running: bool
    asked: str | None = None
    since: float = 0.0
    reboots: int = 0
    halted: bool = False
    """It switched itself off."""
    failures: int = 0
    cables: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Action:
    """One thing to do for one host: boot, shutdown, reboot, kill, settle, halt, plug, unplug,
    forget."""

    kind: str
    host: str
    detail: str = ""


def decide(desired: Mapping[str, Host], actual: Mapping[str, Fact], now: float) -> list[Action]:
    """The actions of one pass; an empty list says that nothing is to be done now."""
    actions: list[Action] = []
    for host_id in sorted({*desired, *actual}):
        host, fact = desired.get(host_id), actual.get(host_id)
        if host is None:
            actions.append(Action("forget", host_id))
        elif host.wanted:
            actions += _keep(host, fact or Fact(running=False), now)
        elif host.state in (STOPPING_STATE, ENDING_STATE):
            actions += _end(host, fact or Fact(running=False), now)
        elif fact is not None and fact.running:
            actions.append(Action("kill", host_id, "it is stopped"))
    return actions


def _keep(host: Host, fact: Fact, now: float) -> list[Action]:
    if not fact.running:
        if fact.halted:
            return [Action("halt", host.id)]
        waits = RETRY_SECONDS[min(fact.failures, len(RETRY_SECONDS)) - 1] if fact.failures else 0.0
        return [Action("boot", host.id)] if now >= fact.since + waits else []
    actions = []
    if fact.asked == "shutdown":
        # Started again while it was still stopping: it stops first, as on AWS.
        return [Action("kill", host.id, "slow to stop")] if now > fact.since + STOP_SECONDS else []
    if fact.asked == "reboot":
        if now > fact.since + REBOOT_SECONDS:
            return [Action("kill", host.id, "slow to reboot")]
        return []
    if fact.reboots < host.reboots:
        return [Action("reboot", host.id)]
    wanted = {interface.id: interface.device_index for interface in host.interfaces}
    for eni_id, index in sorted(fact.cables.items()):
        if wanted.get(eni_id) != index:
            actions.append(Action("unplug", host.id, eni_id))
    for eni_id, index in sorted(wanted.items()):
        if fact.cables.get(eni_id) != index:
            actions.append(Action("plug", host.id, eni_id))
    if host.state == "pending":
        actions.append(Action("settle", host.id, "running"))
    return actions


def _end(host: Host, fact: Fact, now: float) -> list[Action]:
    ending = host.state == ENDING_STATE
    if not fact.running:
        return [Action("settle", host.id, "terminated" if ending else "stopped")]
    if fact.asked != "shutdown":
        return [Action("shutdown", host.id)]
    if now > fact.since + (END_SECONDS if ending else STOP_SECONDS):
        return [Action("kill", host.id, "slow to stop")]
    return []
