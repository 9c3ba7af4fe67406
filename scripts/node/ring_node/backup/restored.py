"""Scratch servers on this host with data out of the bucket, for whoever looks for something in it.

Each is a transient unit of systemd on a folder of its own, which counts when its record is in it:

    restored/NAME/restored.json
    restored/NAME/data/ log/ run/sock

It asks for no password: who may come to its socket is root, or the server's user.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import Exit, NodeError, refused, wrong_input
from ..base.fields import Fields
from ..base.report import Report
from ..base.waiting import QUICK, Deadline, poll
from ..host import files, programs, systemd
from ..mysql import lifecycle, scratch
from . import images, moment, restore
from .restore import Made, Wanted
from .store import Store

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
RECORD = "restored.json"
START_SECONDS = 900.0
STOP_SECONDS = 900.0


@dataclass(frozen=True, kw_only=True)
class Restored:
    """`asked`: the document without its name. `as_of`: what the replay came to."""

    name: str
    asked: dict[str, Any]
    backup: str
    as_of: dict[str, Any] | None
    restored_at: str
    seconds: float

    @property
    def folder(self) -> Path:
        return paths.RESTORED / self.name

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "sock"

    @property
    def unit(self) -> str:
        return unit(self.name)

    @property
    def running(self) -> bool:
        return systemd.state(self.unit)[0] == "active"

    @property
    def connect(self) -> str:
        return f"sudo mysql --no-defaults --skip-ssl --user=root --socket={self.socket}"

    def shown(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "folder": str(self.folder),
            "socket": str(self.socket),
            "running": self.running,
            "backup": self.backup,
            "moment": self.asked["moment"],
            "as_of": self.as_of,
            "connect": self.connect,
            "restored_at": self.restored_at,
            "seconds": self.seconds,
        }


def unit(name: str) -> str:
    return f"mysql-ring-restored-{name}.service"


def parse(document: Any) -> tuple[str, Wanted]:
    fields = Fields(document, "the document")
    name = fields.matching("name", NAME, "a name of a-z, 0-9 and -, up to 32 of them")
    asked = restore.wanted(fields)
    fields.end()
    return name, asked


def found(name: str) -> Restored | None:
    """None: there is none, or one that was not whole."""
    content = files.read_bytes(paths.RESTORED / name / RECORD)
    return None if content is None else Restored(**json.loads(content))


def all_here() -> list[Restored]:
    if not paths.RESTORED.is_dir():
        return []
    each = (found(place.name) for place in sorted(paths.RESTORED.iterdir()))
    return [one for one in each if one is not None]


def make(store: Store, name: str, asked: Wanted, report: Report) -> Restored:
    """A server of that name with that data; the one that is there, if it was asked for so."""
    there = found(name)
    if there is None:
        images.quietly()
        with restore.alone():
            _refuse_taken(name)
            source = restore.look(store, restore.nodes(), asked)
            with restore.made(store, source, report) as made:
                there = _keep(name, made)
        report.did(f"{name}: {there.backup}, {asked.moment}, in {there.folder}")
    elif there.asked != asked.document():
        raise refused(
            f"{name} is there, with {there.backup} and {there.asked['moment']}",
            "another name, or the same document",
            f"`sudo ring-node restore-scratch --remove {name}` if it is not wanted any more",
        )
    start(there, report)
    return there


def start(there: Restored, report: Report) -> None:
    if there.running:
        return
    run = there.folder / "run"
    files.remove_tree(run)
    run.mkdir(mode=0o750)
    shutil.chown(run, paths.MYSQL_USER, paths.MYSQL_USER)
    programs.attempt(
        ["systemctl", "reset-failed", there.unit], seconds=30, next_step="look at systemd"
    )
    programs.run(
        command(there),
        seconds=60,
        expected="a server of its own",
        next_step=f"see {there.folder}/log/scratch.err, then run this again",
    )
    if not poll(lambda: _answers(there), Deadline(START_SECONDS), longest_pause=QUICK):
        log = there.folder / "log" / "scratch.err"
        said = log.read_text(errors="replace") if log.exists() else ""
        programs.attempt(["systemctl", "stop", there.unit], seconds=STOP_SECONDS, next_step="")
        raise NodeError(
            Exit.SERVER,
            f"the server of {there.name} does not start: {scratch.said_wrong(said)[:1200]}",
            f"an answer within {START_SECONDS:.0f} s",
            f"see {log}, then run this again",
        )
    report.did(f"{there.unit} runs; {there.connect}")


def command(there: Restored) -> list[str]:
    """Its server has no network of any kind, and the server of the ring comes first."""
    folder = there.folder
    return [
        "systemd-run",
        f"--unit={there.unit}",
        f"--description=Scratch server {there.name} with data out of the bucket",
        f"--uid={paths.MYSQL_USER}",
        f"--gid={paths.MYSQL_USER}",
        "--property=PrivateNetwork=yes",
        "--property=NoNewPrivileges=yes",
        "--property=ProtectSystem=full",
        "--property=ProtectHome=yes",
        "--property=LimitNOFILE=65536",
        "--property=OOMScoreAdjust=500",
        f"--property=TimeoutStopSec={STOP_SECONDS:.0f}",
        "--property=Nice=10",
        *scratch.command(folder / "data", folder / "log", folder / "run"),
        *images.BESIDE,
    ]


def remove(name: str, report: Report) -> None:
    """Ends its server, and what it was."""
    if not NAME.fullmatch(name):
        raise wrong_input(f"--remove {name!r}", "the name of a scratch server")
    if systemd.state(unit(name))[0] not in ("inactive", "failed", "unknown"):
        systemd.systemctl("stop", unit(name), seconds=STOP_SECONDS + 60)
        report.did(f"{unit(name)} ended")
    place = paths.RESTORED / name
    if place.exists():
        with restore.alone():
            going = paths.RESTORING / secrets.token_hex(4)
            os.rename(place, going)  # what is half removed is none
            files.remove_tree(going)
        report.did(f"{place} removed")


def _refuse_taken(name: str) -> None:
    place = paths.RESTORED / name
    if place.exists():
        raise refused(
            f"{place} is there and was not made by this tool",
            "nothing there",
            "see what it is; or give another name",
        )


def _keep(name: str, made: Made) -> Restored:
    result = Restored(
        name=name,
        asked=made.source.wanted.document(),
        backup=made.source.backup,
        as_of=made.as_of,
        restored_at=moment.text(int(time.time())),
        seconds=made.seconds,
    )
    content = (json.dumps(asdict(result), indent=2) + "\n").encode()
    files.write(made.folder / RECORD, content, mode=0o644)
    paths.RESTORED.mkdir(mode=0o755, exist_ok=True)
    os.rename(made.folder, result.folder)
    files.sync_folder(paths.RESTORED)
    return result


def _answers(there: Restored) -> bool | None:
    """False when it ended."""
    if lifecycle.greets(there.socket):
        return True
    return None if there.running else False
