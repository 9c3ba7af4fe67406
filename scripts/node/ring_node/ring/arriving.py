"""The receiver's end of a copy: it lands beside the data directory and counts when it is whole."""

from __future__ import annotations

import os
import secrets
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import Exit, NodeError, refused, too_late
from ..base.waiting import Deadline
from ..host import files, reflink, room
from ..host.programs import DIES_WITH_VERB
from ..mysql import incarnations
from . import offer, stream
from .documents import Pair
from .offer import Offer
from .stream import PROTOCOL, Broken, Frame, Stream

ROOM_BYTES = 256 << 20  # for the scratch server, and what the server writes meanwhile
PROGRESS_SECONDS = 3.0


@dataclass(frozen=True)
class Arrived:
    """A whole copy in `folder`, which has data/ and log/; nothing of it is proven yet."""

    folder: Path
    offer: Offer
    seconds: float  # that its data was on its way


def remove_left() -> None:
    """Copies that never took their place."""
    if paths.ARRIVING.exists():
        for left in paths.ARRIVING.iterdir():
            files.remove_tree(left)


def fetch(pair: Pair, expected_uuid: str, version: str, deadline: Deadline) -> Arrived:
    """The data of the peer, whose server must be the one with that uuid. `version`: of mysqld here.

    When it fails it leaves nothing.
    """
    who = pair.peer.name
    source = stream.connect(who, pair.peer.replication_address, pair.node.replication_address)
    folder = paths.ARRIVING / secrets.token_hex(4)
    try:
        source.say(Frame.ASK, {"protocol": PROTOCOL, "want": "data"})
        offered = offer.read(source.hear(Frame.HEADER, _tell(who)), who)
        refuse_unfit(offered, who, expected_uuid, version, room.settled(paths.VOLUME))
        begun = time.monotonic()
        with room.needed(paths.VOLUME, f"room for the copy of {who}"):
            _land(source, folder, offered, deadline)
        source.say(Frame.RECEIVED, {"bytes": source.bytes})
    except BaseException as error:
        if isinstance(error, NodeError) and not isinstance(error, Broken):
            source.refuse(error)
        files.remove_tree(folder)
        raise
    finally:
        source.close()
    return Arrived(folder, offered, time.monotonic() - begun)


def refuse_unfit(offered: Offer, who: str, expected_uuid: str, version: str, free: int) -> None:
    """What cannot become this node's data, known before any of it came."""
    if offered.server_uuid != expected_uuid:
        raise refused(
            f"{who} sends the data of server {offered.server_uuid}",
            f"{expected_uuid}, which answered as {who} a moment ago",
            f"run this again: {who} has just been replaced",
        )
    if release(version) < release(offered.version):
        raise refused(
            f"{who} runs MySQL {offered.version}, and this node {version}",
            "the same release here, or a later one: 5.6 does not read what a later one wrote",
            "let `pulumi up` bring this node to that release, then run this again",
        )
    needed = offered.bytes + ROOM_BYTES
    if free < needed:
        raise refused(
            f"{free >> 20} MiB free in {paths.VOLUME}, and {who} holds {offered.bytes >> 20} MiB",
            f"at least {needed >> 20} MiB: what is there now stays until the copy is proven",
            room.NEXT_STEP,
        )


def release(version: str) -> tuple[int, ...]:
    """5.6.24-log as numbers."""
    numbers = version.partition("-")[0].split(".")
    return tuple(int(part) for part in numbers if part.isdigit())


def _land(source: Stream, folder: Path, offered: Offer, deadline: Deadline) -> None:
    data = folder / "data"
    paths.ARRIVING.mkdir(mode=0o755, exist_ok=True)
    incarnations.make(folder)
    progress = Progress(source.who, offered.filled)
    with unpacked(data) as write:

        def take(part: memoryview) -> None:
            if deadline.over:
                raise too_late(
                    f"{source.bytes >> 20} of {offered.filled >> 20} MiB of {source.who} are here",
                    f"all of it within {deadline.seconds / 3600:.0f} hours",
                    "see what the replication link carries, then run this again",
                )
            write(part)
            progress.at(source.bytes)

        source.receive_data(take)
    progress.end(source.bytes)
    check_landed(data, offered.bytes, offered.files, source.who)


def check_landed(data: Path, size: int, count: int, who: str) -> None:
    """What came out of the stream is what was named: so many bytes in so many plain files."""
    found = reflink.listed(data)
    plain = (stat.S_IFREG, stat.S_IFDIR)
    strange = sorted(name for name, each in found.items() if stat.S_IFMT(each.st_mode) not in plain)
    sizes = reflink.sizes(found)
    if strange or (sum(sizes), len(sizes)) != (size, count):
        what = f", not plain: {', '.join(strange[:5])}" if strange else ""
        raise refused(
            f"{sum(sizes)} bytes in {len(sizes)} files of {who} are in {data}{what}",
            f"{size} bytes in {count} plain files, as it named them",
            f"run this again; if it comes again, look at the disk of {who} and of this host",
        )
    for name, each in found.items():
        if reflink.holes({name: each}):
            reflink.fill(data / name)


@contextmanager
def unpacked(folder: Path) -> Iterator[Callable[[memoryview], None]]:
    """Takes a tar apart into the folder, and says why when that cannot be."""
    process = subprocess.Popen(
        [*DIES_WITH_VERB, "tar", "--extract", f"--directory={folder}", "--file=-",
         "--same-owner", "--same-permissions", "--warning=no-timestamp",
         "--blocking-factor=2048"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    descriptor, said = process.stdin.fileno(), list[str]()
    listener = threading.Thread(target=_listen, args=(process, said), daemon=True)
    listener.start()

    def write(part: memoryview) -> None:
        done = 0
        while done < len(part):
            done += os.write(descriptor, part[done:])

    def failed() -> NodeError:
        return NodeError(
            Exit.HOST,
            f"tar into {folder} ended with {process.returncode}: {' '.join(said)[-600:].strip()}",
            "all of the copy in its place",
            "look at the disk of this host, then run this again",
        )

    try:
        try:
            yield write
            process.stdin.close()
        except BrokenPipeError:
            process.wait()
            listener.join()
            raise failed() from None
        status = process.wait()
        listener.join()
        if status != 0:
            raise failed()
    finally:
        process.kill()
        process.wait()


def _listen(process: subprocess.Popen[bytes], said: list[str]) -> None:
    """tar goes on with the next file when a disk is full: it is ended then."""
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line.decode(errors="replace"))
        del said[:-20]
        if room.RAN_OUT.search(said[-1]):
            process.kill()


class Progress:
    """Lines on standard error while data comes: how much, how fast, how much longer."""

    def __init__(self, who: str, total: int) -> None:
        self._who, self._total = who, max(total, 1)
        self._begun = self._told = time.monotonic()

    def at(self, done: int) -> None:
        now = time.monotonic()
        if now - self._told >= PROGRESS_SECONDS:
            self._told = now
            say(progress(self._who, done, self._total, now - self._begun))

    def end(self, done: int) -> None:
        seconds = time.monotonic() - self._begun
        say(f"{done >> 20} MiB of {self._who} are here after {seconds:.1f} s")


def progress(who: str, done: int, total: int, seconds: float) -> str:
    rate = done / max(seconds, 0.001)
    left = max(total - done, 0) / max(rate, 1.0)
    return (
        f"copying {who}: {done >> 20} of {total >> 20} MiB, {rate / (1 << 20):.1f} MiB/s,"
        f" {left:.0f} s left"
    )


def say(line: str) -> None:
    print(f"ring-node: {line}", file=sys.stderr, flush=True)


def _tell(who: str) -> Callable[[Mapping[str, Any]], None]:
    told: set[str] = set()

    def tell(sign: Mapping[str, Any]) -> None:
        what = str(sign.get("what", ""))[:200]
        if what not in told:
            told.add(what)
            say(f"waiting for {who}: {what}")

    return tell
