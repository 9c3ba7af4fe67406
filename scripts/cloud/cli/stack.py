"""The stack `lab`: made, brought up, asked for its outputs."""

import contextlib
import ctypes
import json
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.cli.errors import BUSY, LabError
from cloud.cli.interrupt import Interrupted
from cloud.cli.surroundings import argv_in_world, environment
from cloud.lab import STACK, Lab, write_private
from cloud.processes import Process
from cloud.pulumi import spans

PR_SET_PDEATHSIG = 1
INIT_SECONDS = 120
OUTPUT_SECONDS = 60
INTERRUPTED_SECONDS = 45
"""How long an interrupted update may take to write its state before it is ended."""


@dataclass(frozen=True)
class Update:
    """What an update did: how many resources it touched, and how long each took."""

    changes: dict[str, int]
    seconds: dict[str, float]

    @property
    def changed(self) -> int:
        return sum(count for kind, count in self.changes.items() if kind != "same")


def check_settings(lab: Lab) -> None:
    if not lab.committed_settings.is_file():
        raise LabError(
            f"found no {lab.committed_settings.name} in {lab.checkout}; expected the settings of "
            "the lab's stack; run `git checkout -- Pulumi.lab.yaml`"
        )


def prepare(lab: Lab) -> None:
    """Make what the CLI needs in the lab's folder: backend, passphrase, settings, stack."""
    for folder in (lab.state, lab.home, lab.pulumi_home):
        folder.mkdir(exist_ok=True, mode=0o700)
    if not lab.passphrase.exists():
        write_private(lab.passphrase, secrets.token_urlsafe(32) + "\n")
    copy_settings(lab)
    if not lab.stack_file.exists():
        _init(lab)


def _init(lab: Lab) -> None:
    """Make the stack, away from the checkout: `stack init` writes beside Pulumi.yaml."""
    with tempfile.TemporaryDirectory(dir=lab.folder, prefix="init-") as folder:
        project = Path(folder)
        shutil.copyfile(lab.checkout / "Pulumi.yaml", project / "Pulumi.yaml")
        shutil.copyfile(lab.settings, project / lab.settings.name)
        argv = ["pulumi", "stack", "init", STACK, "--non-interactive", "--cwd", folder]
        done = run(lab, argv, INIT_SECONDS)
        if done.returncode != 0:
            raise LabError(
                f"pulumi stack init {STACK} ended with {done.returncode}:\n{done.stderr.strip()}\n"
                "expected a new stack in the lab's backend; correct that and run it again"
            )
        copy_settings(lab, salt_from=project / lab.settings.name)


def copy_settings(lab: Lab, salt_from: Path | None = None) -> None:
    """Take the committed settings over; keep the line by which the CLI decrypts secrets."""
    source = salt_from or lab.settings
    lines = source.read_text().splitlines() if source.exists() else []
    salt = "".join(f"{line}\n" for line in lines if line.startswith("encryptionsalt:"))
    wanted = lab.committed_settings.read_text().rstrip("\n") + "\n" + salt
    if not lab.settings.exists() or lab.settings.read_text() != wanted:
        write_private(lab.settings, wanted)


@dataclass(frozen=True)
class StackLock:
    """A lock that Pulumi has put on the stack: its process, if it names one, and whether that is
    still there."""

    path: Path
    pid: int | None
    alive: bool = False


def stack_locks(lab: Lab) -> list[StackLock]:
    found = []
    for path in lab.locks.glob("*.json") if lab.locks.is_dir() else ():
        try:
            pid, taken = int(json.loads(path.read_text())["pid"]), path.stat().st_mtime
        except FileNotFoundError:
            continue
        except (ValueError, KeyError):
            found.append(StackLock(path, None))
            continue
        process = Process.of(pid)
        alive = process is not None and process.started_at() <= taken + 1
        found.append(StackLock(path, pid, alive))
    return found


def clear_stale_lock(lab: Lab, say: Callable[[str], None]) -> None:
    """Remove the lock of an update whose process is gone; refuse while its process is there."""
    for lock in stack_locks(lab):
        if lock.pid is None:
            raise LabError(
                f"found the lock {lock.path} without a process number; expected one as Pulumi "
                "writes it; run `scripts/lab pulumi cancel --yes`, then the command again",
                BUSY,
            )
        if lock.alive:
            raise LabError(
                f"found an update of the stack {STACK} at work (process {lock.pid}); expected "
                f"none; wait for its end, or `kill -INT {lock.pid}`",
                BUSY,
            )
        say(f"remove the lock of an update that died (process {lock.pid})")
        lock.path.unlink(missing_ok=True)


def up(lab: Lab) -> Update:
    """Run `pulumi up` with its own display on stderr."""
    events = lab.folder / "events.json"
    events.unlink(missing_ok=True)
    argv = ["pulumi", "up", "--yes", "--skip-preview", "--suppress-outputs"]
    argv += ["--suppress-permalink=true", "--event-log", str(events)]
    argv += [] if sys.stderr.isatty() else ["--non-interactive", "--color", "never"]
    process = subprocess.Popen(
        argv_in_world(lab, argv),
        env={**environment(lab), "PULUMI_DEBUG_COMMANDS": "true"},
        cwd=lab.checkout,
        stdout=sys.stderr.fileno(),
        preexec_fn=_interrupt_when_parent_dies,
    )
    try:
        code = _wait(process)
        if code != 0:
            raise LabError(
                f"pulumi up ended with {code} (see above); expected 0; correct that and run "
                "`scripts/lab up` again: it continues where it stopped"
            )
        return read_events(events)
    finally:
        events.unlink(missing_ok=True)


def _interrupt_when_parent_dies() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _wait(process: "subprocess.Popen[bytes]") -> int:
    """Wait for the update; pass an interruption on, and end it when it does not heed that."""
    try:
        return process.wait()
    except Interrupted as interrupted:
        # A second SIGINT would make Pulumi leave its steps without writing them down.
        heard = interrupted.by_terminal
        for number, seconds in ((signal.SIGINT, INTERRUPTED_SECONDS), (signal.SIGTERM, 5)):
            if not heard:
                process.send_signal(number)
            heard = False
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                raise
        process.kill()
        process.wait(10)
        raise


def read_events(path: Path) -> Update:
    """The summary and the duration of each operation in the CLI's event log."""
    events = [json.loads(line) for line in path.read_text().splitlines()]
    changes: dict[str, int] = {}
    for event in events:
        if "summaryEvent" in event:
            changes = {k: int(v) for k, v in event["summaryEvent"]["resourceChanges"].items()}
    timed = spans((float(event.get("timestamp", 0)), event) for event in events)
    return Update(changes, {span.name: span.seconds for span in timed})


def outputs(lab: Lab) -> dict[str, Any]:
    """The stack's outputs with their secrets; asked again only after the state has changed."""
    if not lab.stack_file.exists():
        raise LabError(
            f"found no stack in {lab.folder}; expected a lab that is up; run `scripts/lab up`"
        )
    kept = lab.folder / "outputs.json"
    stat = lab.stack_file.stat()
    stamp = [stat.st_mtime_ns, stat.st_size, stat.st_ino]
    with contextlib.suppress(FileNotFoundError, ValueError):
        document = json.loads(kept.read_text())
        if document["stamp"] == stamp:
            return document["outputs"]
    argv = ["pulumi", "stack", "output", "--json", "--show-secrets"]
    done = run(lab, argv, OUTPUT_SECONDS)
    if done.returncode != 0:
        raise LabError(
            f"pulumi stack output ended with {done.returncode}: {done.stderr.strip()}; "
            "expected the stack's outputs; run `scripts/lab up`"
        )
    values = json.loads(done.stdout)
    write_private(kept, json.dumps({"stamp": stamp, "outputs": values}))
    return values


def run(
    lab: Lab, argv: list[str], seconds: float, stdin: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run the CLI in the lab; LabError when it does not end in time, its result otherwise."""
    try:
        return subprocess.run(
            argv_in_world(lab, argv),
            env=environment(lab),
            cwd=lab.checkout,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise LabError(
            f"`{' '.join(argv[:3])}` did not end within {seconds:g} s and was killed; expected it "
            "to end; look at the load of the machine with `uptime`, then run the command again"
        ) from None
