"""A node copies its peer, against `tar` of a stopped data directory over ssh from host to host, and
how long a writer stood still on the peer meanwhile.

Both clocks run from asking until both threads of the new server run. By hand the servers are
stopped before the clock runs, and nothing is compared, proven, or written through to the disk."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cloud.bench import load
from cloud.bench.figures import Figure, percentile
from cloud.bench.hosts import Hosts
from cloud.bench.place import Place
from cloud.cli.errors import LabError
from cloud.cli.nodes import TOOL, Nodes

ALONE_SECONDS = 15.0
END_SECONDS = 120
AIM = 1.2


@dataclass(frozen=True)
class Copied:
    """`seconds`: until both threads run on the copy. The others are of the copy's own report."""

    seconds: float
    bytes: int
    sent_seconds: float
    locked_seconds: float

    @property
    def rate(self) -> float:
        """MiB per second while the data was on its way."""
        return self.bytes / 2**20 / max(self.sent_seconds, 0.001)


def copied(seconds: float, printed: str) -> Copied:
    """From what `rejoin --discard` printed."""
    try:
        told = json.loads(printed.splitlines()[-1])["copy"]
        return Copied(seconds, told["bytes"], told["seconds"], told["locked_s"])
    except (IndexError, KeyError, ValueError) as error:
        raise LabError(
            f"found no copy in what `rejoin --discard` printed: {printed[-500:]!r}; expected its "
            "bytes and seconds; run it on the node by hand"
        ) from error


def measure(place: Place, repeat: int, say: Callable[[str], None]) -> Figure:
    """In turns, after one copy that does not count: the node copies its peer; the same by hand; the
    node copies its peer beside a load."""
    place.require_ring()
    hosts = Hosts(Nodes(place.lab))
    donor = hosts.names[0]
    say("copy: 1 GB of data")
    load.fill(hosts, donor)
    copies: list[Copied] = []
    loaded: list[Copied] = []
    hands: list[dict[str, float]] = []
    beside: list[float] = []
    alone: list[float] = []
    copy(hosts)
    for turn in range(repeat):
        say(f"copy: turn {turn + 1} of {repeat}")
        copies.append(copy(hosts))
        say(f"copy: turn {turn + 1} of {repeat}, by hand")
        hands.append(_by_hand(hosts))
        say(f"copy: turn {turn + 1} of {repeat}, beside a load")
        with _stood_still(hosts, beside):
            loaded.append(copy(hosts))
        with _stood_still(hosts, alone):
            time.sleep(ALONE_SECONDS)
        load.settle(hosts)
    load.empty(hosts, donor)
    return figure(copies, loaded, hands, beside, alone)


def figure(
    copies: list[Copied],
    loaded: list[Copied],
    hands: list[dict[str, float]],
    beside: list[float],
    alone: list[float],
) -> Figure:
    """`loaded`: copies beside the load. `hands`: seconds until the files were there and until both
    threads ran. `beside` and `alone`: seconds of each write beside the load, with a copy and
    without one."""
    return Figure(
        "copy",
        "a node copies its peer, until both threads run",
        "tar of a stopped data directory over ssh, likewise",
        [each.seconds for each in copies],
        [each["running"] for each in hands],
        aim=AIM,
        extra={
            "copy_mib": max(each.bytes for each in copies) / 2**20,
            "copy_mib_per_second": max(each.rate for each in copies),
            "copy_locked_seconds": max(each.locked_seconds for each in [*copies, *loaded]),
            "copy_by_hand_files_seconds": min(each["files"] for each in hands),
            "copy_longest_write_seconds": max(beside),
            "copy_longest_write_without_copy_seconds": max(alone),
            "copy_p99_write_seconds": percentile(beside, 0.99),
            "copy_p99_write_without_copy_seconds": percentile(alone, 0.99),
        },
    )


def copy(hosts: Hosts) -> Copied:
    """The second node copies the first, and the first follows its new server."""
    donor, node = hosts.names
    former = hosts.ask(node, "server_uuid")
    watching = hosts.start(node, "threads", former)
    begun = time.time()
    printed = hosts.run(node, f"{TOOL} rejoin --discard {node}")
    seen = float(watching.communicate(timeout=END_SECONDS)[0])
    hosts.run(donor, f"{TOOL} rejoin")
    load.settle(hosts)
    return copied(seen - begun, printed)


def _by_hand(hosts: Hosts) -> dict[str, float]:
    """Over the replication link, like the copy."""
    donor, node = hosts.names
    address = hosts.nodes.all[donor]["replicationAddress"]
    key = hosts.ask(node, "key")
    hosts.both(lambda name: hosts.ask(name, "stop"))
    try:
        hosts.ask(donor, "let_in", address, stdin=key)
        try:
            begun = time.time()
            reached = hosts.ask(node, "by_hand", address)
            return {what: at - begun for what, at in reached.items()}
        finally:
            hosts.ask(donor, "shut_out")
    finally:
        hosts.both(lambda name: hosts.ask(name, "start"))
        load.settle(hosts)


@contextmanager
def _stood_still(hosts: Hosts, found: list[float]) -> Iterator[None]:
    """Adds what each write took on the first node beside sysbench."""
    writes = hosts.start(hosts.names[0], "writes", load.LOGIN, *load.tables(load.MANY_ROWS))
    try:
        yield
    finally:
        answered, _ = writes.communicate(timeout=END_SECONDS)
    found += json.loads(answered)
