"""Hosts whose wall clock is wrong."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from labs import Lab

FOLDER = "/run/mysql-ring-clock"
LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
# The clock that is set wrong is the wall clock alone, as it is on a host.
CLOCK = (
    f"LD_PRELOAD={LIBRARY}",
    "FAKETIME={shift}",
    "FAKETIME_DONT_FAKE_MONOTONIC=1",
    f"PYTHONPATH={FOLDER}",
)
# Python 3.11 sleeps until a time of the clock that runs on. Faketime shifts that all the same, and
# nobody wakes up.
SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds)\n"
CLOCKED = ("mysql.service", "mysql-ring-agent.service", "mysql-ring-copy@.service")
SECONDS = 180


class Tool:
    """The tool by hand; on one host its clock is as wrong as that of the services there."""

    def __init__(self, lab: Lab, node: str, clock: Sequence[str]) -> None:
        self._lab, self._node, self._clock = lab, node, clock

    def words(self, node: str, words: str) -> str:
        return f"sudo env {' '.join(self._clock) if node == self._node else ''} {words}"

    def run(self, node: str, words: str) -> dict[str, Any]:
        return json.loads(self._lab.ssh(node, self.words(node, words), timeout=SECONDS))


@contextlib.contextmanager
def wrong_clock(lab: Lab, node: str, shift: str) -> Iterator[Tool]:
    """A host whose clock is wrong by so many seconds, for its server, its agent, what sends copies,
    and the tool that is run by hand. `ring-node status` has the right one: it asks the agent."""
    clock = tuple(each.format(shift=shift) for each in CLOCK)
    lab.ssh(
        node,
        f"test -e {LIBRARY} || sudo apt-get install --yes --no-install-recommends faketime",
    )
    lab.ssh(node, f"sudo sh -c 'mkdir -p {FOLDER}; cat > {FOLDER}/sitecustomize.py'", stdin=SLEEP)
    drop_in = "".join(["[Service]\n", *(f"Environment={each}\n" for each in clock)])
    folders = [f"/run/systemd/system/{unit}.d" for unit in CLOCKED]
    for folder in folders:
        lab.ssh(node, f"sudo sh -c 'mkdir -p {folder}; cat > {folder}/clock.conf'", stdin=drop_in)
    again = "sudo systemctl daemon-reload; sudo systemctl restart mysql mysql-ring-agent"
    lab.ssh(node, again)
    try:
        yield Tool(lab, node, clock)
    finally:
        lab.ssh(node, f"sudo rm -r {' '.join(folders)}; {again}")
