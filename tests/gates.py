"""Gates: what a command does in the lab is held at a named point until a test lets it go.

The lab holds it, below all that is tested: the API a request (cloud/api/faults.py), a host a verb
or an upload (cloud/hosts/gates.py), and a program in the place of its namesake one that the steps
run on the operator's machine. A test waits for the note that something is held. Then nothing that
comes after that point has happened, and nothing before it is still to come.
"""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cloud.api import faults
from cloud.hosts import gates
from cloud.services.instance_data import ORDERS
from waits import PATIENCE

HELD_SECONDS = 300
"""Who is held longer ends with an error."""
REACHED_SECONDS = 240
"""A command comes to a gate on its way within this time."""
UPLOAD_BYTES = 65536
"""Of an upload that is held: enough for the first files of the tool, not for all."""

NAMESAKE = """\
#!/bin/bash
set -euo pipefail
if [[ -e {order} ]]; then
  echo {name} >{order}.held.$$
  while [[ -e {order} ]]; do
    if ((SECONDS > {seconds})); then
      echo "lab: {name} was held at its gate and not let go for {seconds} s: {order}" >&2
      exit 70
    fi
    sleep 0.02
  done
fi
exec /usr/bin/{name} "$@"
"""
# What user data can have among its bootcmd, which cloud-init does before it writes its files.
IN_FIRST_BOOT = f"""\
if [ -e {gates.PLACE}/first-boot ]; then
  echo here >{gates.PLACE}/first-boot.held.here
  n=0
  while [ -e {gates.PLACE}/first-boot ]; do
    n=$((n + 1))
    [ $n -lt {50 * HELD_SECONDS} ] || exit 70
    sleep 0.02
  done
fi
"""


def _number() -> str:
    """Another one for each order: who is late at an old one leaves no note at a new one."""
    return str(time.time_ns())


class Gate:
    """One that is laid, and the notes of those that are held at it; `own` ends their names."""

    def __init__(self, what: str, order: Path, content: str, own: str) -> None:
        self.what = what
        self.order = order
        self._own = own
        self._folder = order.parent
        self.lift()
        draft = order.with_name(f".{order.name}")
        draft.write_text(content)
        draft.chmod(0o644)
        draft.rename(order)

    def notes(self) -> dict[str, str]:
        """What is held, by the name of its note; some notes hold a line for each."""
        found = {}
        for path in sorted(self._folder.glob(f"{self.order.stem}.held{self._own}")):
            with contextlib.suppress(FileNotFoundError):
                for number, line in enumerate(path.read_text().splitlines()):
                    found[f"{path.name}:{number}"] = line
        return found

    def wait(
        self,
        *wanted: str,
        by: Any = None,
        seconds: float = REACHED_SECONDS,
        note: str = "",
    ) -> dict[str, str]:
        """Wait until each of these regular expressions matches something that is held, all without
        them; an error when the command `by` (an Update or a Running) ends before. `note`: of whom,
        by regular expression."""
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            ended = by is not None and not by.at_work
            held = {name: what for name, what in self.notes().items() if re.search(note, name)}
            lacking = [
                each
                for each in wanted or ("",)
                if not any(re.match(each, what) for what in held.values())
            ]
            if not lacking:
                return held
            if ended or time.monotonic() > deadline:
                how = "ended" if ended else f"has gone on for {seconds * PATIENCE:g} s"
                said = "" if by is None else f":\n{by.text[-4000:]}"
                raise AssertionError(
                    f"the command {how} and nothing was held at {self.what}"
                    f" ({', '.join(lacking) or 'anything'}); held: {held}{said}"
                )
            time.sleep(0.02)

    def lift(self) -> None:
        self.order.unlink(missing_ok=True)
        for path in self._folder.glob(f"{self.order.stem}.held*"):
            path.unlink(missing_ok=True)


class Gates:
    """All gates of a lab, also of one that is not there yet."""

    def __init__(self, folder: Path, prepare: Callable[[], None]) -> None:
        self._folder, self._prepare = folder, prepare

    @contextmanager
    def api(
        self, *, before: str = "", after: str = "", seconds: float = HELD_SECONDS
    ) -> Iterator[Gate]:
        """Hold requests whose action matches, before they are done or when they have been."""
        with self.fault(
            {
                "answer": faults.HOLD,
                "when": faults.BEFORE if before else faults.AFTER,
                "actions": before or after,
                "seconds": seconds * PATIENCE,
            }
        ) as gate:
            yield gate

    @contextmanager
    def fault(self, order: dict[str, Any]) -> Iterator[Gate]:
        """An order to the API, for the length of a block."""
        self._prepare()
        folder = self._folder / "cloud" / faults.FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"order-{_number()}.json"
        with self._laid(f"the API ({order['actions']})", path, json.dumps(order)) as gate:
            yield gate

    @contextmanager
    def credentials(self, seconds: float) -> Iterator[None]:
        """Those that hosts get meanwhile end after so many seconds."""
        self._prepare()
        order = self._folder / "cloud" / ORDERS
        order.write_text(json.dumps({"seconds": seconds * PATIENCE}))
        try:
            yield
        finally:
            order.unlink()

    @contextmanager
    def verb(
        self, verb: str, at: str = "", *, host: str | None = None, seconds: float = HELD_SECONDS
    ) -> Iterator[Gate]:
        """Hold a verb of the node tool: at its start, or before its first effect that matches."""
        self._prepare()
        path = gates.make(self._folder / "cloud") / f"verb-{verb}"
        number = _number()
        order = {"id": number, "at": at, "host": host, "seconds": seconds * PATIENCE}
        what = f"`ring-node {verb}` ({at or 'its start'})"
        with self._laid(what, path, json.dumps(order), f".{number}.*") as gate:
            yield gate

    @contextmanager
    def upload(self) -> Iterator[Gate]:
        """Hold what is copied to a host when a part of it has come there."""
        self._prepare()
        path = gates.make(self._folder / "cloud") / "upload"
        number = _number()
        content = f"{UPLOAD_BYTES} {HELD_SECONDS} {number}\n"
        with self._laid("an upload", path, content, f".{number}.*") as gate:
            yield gate

    @contextmanager
    def first_boot(self) -> Iterator[Gate]:
        """Hold the first boot of a host whose user data has IN_FIRST_BOOT: its network is up."""
        self._prepare()
        path = gates.make(self._folder / "cloud") / "first-boot"
        with self._laid("a first boot", path, "", ".*") as gate:
            yield gate

    @contextmanager
    def program(self, name: str) -> Iterator[Gate]:
        """Hold a program of the operator's machine at its start, by another one of its name."""
        self._prepare()
        folder = self._folder / "bin"
        folder.mkdir(exist_ok=True)
        order = folder / f"{name}-order"
        namesake = folder / name
        namesake.write_text(NAMESAKE.format(name=name, order=order, seconds=HELD_SECONDS))
        namesake.chmod(0o755)
        try:
            with self._laid(f"the program {name}", order, "", ".*") as gate:
                yield gate
        finally:
            namesake.unlink()

    @contextmanager
    def _laid(self, what: str, order: Path, content: str, own: str = "") -> Iterator[Gate]:
        gate = Gate(what, order, content, own)
        try:
            yield gate
        finally:
            gate.lift()

    def lift_all(self) -> None:
        """What a test that was cut short has left."""
        for place in ("cloud/faults", "cloud/gates", "bin"):
            folder = self._folder / place
            for path in folder.iterdir() if folder.is_dir() else ():
                path.unlink(missing_ok=True)
        (self._folder / "cloud" / ORDERS).unlink(missing_ok=True)


def inner_pid(note: str) -> int:
    """The process that is held, by the name of its note, as its host numbers it."""
    return int(note.rpartition(":")[0].rpartition(".")[2])


def outer_pid(group: Iterable[int], inner: int) -> int:
    """The process of a host's control group that the host gives that number."""
    for pid in group:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
        if int(numbers[-1]) == inner and len(numbers) > 2:
            return pid
    raise AssertionError(f"no process of the host has the number {inner} there: {group}")
