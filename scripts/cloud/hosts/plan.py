"""The reconciler's decision: what the API asks for, beside what is, gives what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud.wanted import ENDING_STATE, STOPPING_STATE, Host, Part

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
    fitted: Mapping[str, Part] = field(default_factory=dict)
    """What is in the host, by identifier."""


@dataclass(frozen=True)
class Action:
    """One thing to do for one host: boot, shutdown, reboot, kill, settle, halt, fit, unfit,
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
    if fact.asked == "shutdown":
        # Started again while it was still stopping: it stops first, as on AWS.
        return [Action("kill", host.id, "slow to stop")] if now > fact.since + STOP_SECONDS else []
    if fact.asked == "reboot":
        if now > fact.since + REBOOT_SECONDS:
            return [Action("kill", host.id, "slow to reboot")]
        return []
    if fact.reboots < host.reboots:
        return [Action("reboot", host.id)]
    actions = _refit(host, fact.fitted)
    if host.state == "pending":
        actions.append(Action("settle", host.id, "running"))
    return actions


def _refit(host: Host, fitted: Mapping[str, Part]) -> list[Action]:
    """Take out what does not belong in the host, or belongs elsewhere in it; then put in."""
    wanted = {key: part.mark for key, part in host.fittings.items()}
    there = {key: part.mark for key, part in fitted.items()}
    out = sorted(key for key in there if key not in wanted or wanted[key] != there[key])
    into = sorted(key for key in wanted if key not in there or wanted[key] != there[key])
    return [
        *(Action("unfit", host.id, key) for key in out),
        *(Action("fit", host.id, key) for key in into),
    ]


def _end(host: Host, fact: Fact, now: float) -> list[Action]:
    ending = host.state == ENDING_STATE
    if not fact.running:
        return [Action("settle", host.id, "terminated" if ending else "stopped")]
    if fact.asked != "shutdown":
        return [Action("shutdown", host.id)]
    if now > fact.since + (END_SECONDS if ending else STOP_SECONDS):
        return [Action("kill", host.id, "slow to stop")]
    return []
