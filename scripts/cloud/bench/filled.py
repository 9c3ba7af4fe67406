"""A ring with somewhat more than 1 GB on both nodes, of which the figures of backups are taken.

No timer runs on its nodes: what is in the bucket, and when, is the bench's own doing."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cloud.bench import copies, load
from cloud.bench.hosts import Hosts
from cloud.bench.place import Place
from cloud.cli.errors import LabError
from cloud.cli.nodes import TOOL, Nodes
from cloud.lab import Lab

SCRATCH = "bench"
PATIENCE = 900.0
"""Seconds for what may be slow on a busy machine."""


@dataclass(frozen=True)
class Taken:
    """`seconds`: by the clock of the bench. The others are of the backup's own report; what it
    checks and sends at the same time is in both."""

    key: str  # of its manifest
    seconds: float
    bytes: int
    stored_bytes: int
    locked_seconds: float
    check_seconds: float
    upload_seconds: float

    @property
    def name(self) -> str:
        """As restores name it."""
        node, _, identity = self.key.split("/")[1:4]
        return f"{node}/{identity}"

    @property
    def data(self) -> str:
        """The key of its data."""
        return f"{self.key.rpartition('/')[0]}/data.tar.zst"


@dataclass(frozen=True)
class Restored:
    """`seconds`: by the clock of the bench, until its server answers. `as_of`: what the replay of
    logs came to."""

    seconds: float
    socket: str
    as_of: dict[str, Any] | None


class Filled:
    """Clients write to `writer`, the first node; `peer` follows it."""

    def __init__(self, lab: Lab, hosts: Hosts) -> None:
        self.lab = lab
        self.hosts = hosts
        self.writer, self.peer = hosts.names

    @cached_property
    def first(self) -> Taken:
        """A backup of the writer, the first one, which is slower than those after it."""
        return self.backup(self.writer)

    def backup(self, node: str) -> Taken:
        begun = time.monotonic()
        printed = self.hosts.run(node, f"{TOOL} backup", seconds=PATIENCE)
        return taken(time.monotonic() - begun, printed)

    def archive(self, node: str) -> float:
        """One pass: the seconds that it took."""
        begun = time.monotonic()
        self.hosts.run(node, f"{TOOL} archive", seconds=PATIENCE)
        return time.monotonic() - begun

    @contextmanager
    def restored(self, backup: Taken, moment: dict[str, Any]) -> Iterator[Restored]:
        """A scratch server on the writer's host, for the time of the block."""
        document = {"name": SCRATCH, "moment": moment, "backup": backup.name}
        begun = time.monotonic()
        printed = self.hosts.run(
            self.writer, f"{TOOL} restore-scratch", json.dumps(document), seconds=PATIENCE
        )
        try:
            yield restored(time.monotonic() - begun, printed)
        finally:
            self.hosts.run(self.writer, f"{TOOL} restore-scratch --remove {SCRATCH}")

    def sysbench(self, seconds: int, test: str = load.TEST) -> str:
        """What it says of a load on the writer."""
        return load.sysbench(
            self.hosts, self.writer, "run", seconds, test=test, rows=load.MANY_ROWS
        )


@contextmanager
def filled(place: Place, say: Callable[[str], None]) -> Iterator[Filled]:
    """The ring of the bench's lab, filled for the time of the block."""
    say("backup: 1 GB of data on both nodes")
    place.require_ring()
    hosts = Hosts(Nodes(place.lab))
    ring = Filled(place.lab, hosts)
    load.fill(hosts, ring.writer)
    copies.copy(hosts)
    hosts.both(lambda node: hosts.ask(node, "timers", "stop"))
    yield ring
    load.empty(hosts, ring.writer)
    load.settle(hosts)
    hosts.both(lambda node: hosts.ask(node, "timers", "start"))


def taken(seconds: float, printed: str) -> Taken:
    """From what `backup` printed."""
    told = _told("backup", "backup", printed)
    try:
        return Taken(
            told["key"],
            seconds,
            told["bytes"],
            told["stored_bytes"],
            told["locked_s"],
            told["check_s"],
            told["upload_s"],
        )
    except KeyError as error:
        raise _nothing_told("backup", "backup", printed) from error


def restored(seconds: float, printed: str) -> Restored:
    """From what `restore-scratch` printed."""
    told = _told("restore-scratch", "restored", printed)
    try:
        return Restored(seconds, told["socket"], told["as_of"])
    except KeyError as error:
        raise _nothing_told("restore-scratch", "restored", printed) from error


def _told(verb: str, fact: str, printed: str) -> dict[str, Any]:
    try:
        return json.loads(printed.splitlines()[-1])[fact]
    except (IndexError, KeyError, ValueError) as error:
        raise _nothing_told(verb, fact, printed) from error


def _nothing_told(verb: str, fact: str, printed: str) -> LabError:
    return LabError(
        f"found no {fact!r} in what `{verb}` printed: {printed[-500:]!r}; expected what it says of "
        "it; run it on the node by hand"
    )
