"""Debian packages, by apt."""

from __future__ import annotations

import time
from pathlib import Path

from ..base.errors import Exit, NodeError
from ..base.report import Report
from ..base.waiting import Deadline
from . import room
from .programs import attempt

ATTEMPTS = 4
PAUSE_SECONDS = 3.0
APT_SECONDS = 600.0
OPTIONS = (
    "-qq",
    "-o", "DPkg::Lock::Timeout=60",
    "-o", "Acquire::Retries=3",
    "-o", "Acquire::http::Timeout=30",
    "-o", "Dpkg::Options::=--force-confold",
)  # fmt: skip
# needrestart must not restart a MySQL that runs; in mode l it only lists.
SURROUNDINGS = {
    "DEBIAN_FRONTEND": "noninteractive",
    "NEEDRESTART_MODE": "l",
    "NEEDRESTART_SUSPEND": "1",
}
# apt-daily and unattended-upgrades are at work on a host's first boot.
LOCKED = ("Could not get lock", "Unable to acquire the dpkg frontend lock")
LOCK_SECONDS = 600.0
INTERRUPTED = "dpkg was interrupted"  # by a reboot, or with the verb before this one
NEXT_STEP = "look at the host's way to its Debian mirror (apt-get update), then run this again"


def install(names: tuple[str, ...], report: Report) -> None:
    absent = missing(names)
    if not absent:
        return
    wanted = f"the Debian packages {', '.join(names)}"
    with room.needed(Path("/"), wanted):
        _apt(wanted, "update", "--error-on=any")
        _apt(wanted, "install", "--yes", "--no-install-recommends", *absent)
    left = missing(absent)
    if left:
        raise NodeError(
            Exit.HOST, f"apt-get left out {', '.join(left)}", "these packages installed", NEXT_STEP
        )
    report.did(f"installed {', '.join(absent)}")


def missing(names: tuple[str, ...]) -> tuple[str, ...]:
    _, output, _ = attempt(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Abbrev}\\n", *names],
        seconds=30,
        next_step=NEXT_STEP,
    )
    return not_installed(names, output)


def not_installed(names: tuple[str, ...], listing: str) -> tuple[str, ...]:
    """Names without a line `NAME ii` in dpkg-query's listing."""
    present = {line.split()[0] for line in listing.splitlines() if line.split()[1:2] == ["ii"]}
    return tuple(name for name in names if name not in present)


def _apt(wanted: str, *arguments: str) -> None:
    command = ["apt-get", *OPTIONS, *arguments]
    free = Deadline(LOCK_SECONDS)
    failures = 0
    while True:
        status, output, problems = attempt(
            command, seconds=APT_SECONDS, next_step=NEXT_STEP, environment=SURROUNDINGS
        )
        if status == 0:
            return
        if INTERRUPTED in problems:
            attempt(
                ["dpkg", "--force-confold", "--configure", "--pending"],
                seconds=APT_SECONDS,
                next_step=NEXT_STEP,
                environment=SURROUNDINGS,
            )
        # Locks of the lists and of the fetched packages have no waiting option of their own.
        locked = any(words in problems for words in LOCKED)
        if not locked:
            failures += 1
        full = room.RAN_OUT.search(problems)
        if full or failures == ATTEMPTS or (locked and free.over):
            break
        time.sleep(PAUSE_SECONDS)
    waited = f"was locked out for {LOCK_SECONDS:.0f} s" if locked else f"failed {failures} times"
    raise NodeError(
        Exit.HOST,
        f"apt-get {arguments[0]} {waited}: {(problems or output).strip()[-800:]}",
        wanted,
        NEXT_STEP,
    )


def debian_package(library: str) -> str:
    """A shared library's package by Debian's policy (8.1): libnuma.so.1 is in libnuma1."""
    stem, _, version = library.partition(".so")
    version = version.removeprefix(".")
    dash = "-" if version and stem[-1:].isdigit() else ""
    return f"{stem}{dash}{version}".lower().replace("_", "-")
