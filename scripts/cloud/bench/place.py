"""A lab of the bench's own: made, taken down, and the programs that are timed in it."""

import io
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from cloud.cli import cloud, stack
from cloud.cli.errors import USAGE, LabError
from cloud.cli.lock import held
from cloud.cli.surroundings import argv_in_world, environment
from cloud.cli.take_down import down
from cloud.lab import CHECKOUT, Lab
from cloud.setup import plugins
from cloud.setup.run import prepare

FOLDER = ".lab-bench"
MARKER = "bench"
RUN_SECONDS = 900
UP = ("up", "--yes", "--skip-preview", "--suppress-outputs", "--suppress-permalink=true")
PLAIN = ("--non-interactive", "--color", "never")


def bench_lab() -> Lab:
    """The lab in $MYSQL_RING_LAB, or in a folder of the checkout that only the bench uses."""
    lab = Lab.from_environment()
    if os.environ.get("MYSQL_RING_LAB"):
        return lab
    return Lab(CHECKOUT / FOLDER, lab.cache)


@dataclass
class Run:
    """A program that was timed: its wall time in seconds, and Pulumi's events as they came."""

    seconds: float = 0.0
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)


class Place:
    """The bench's lab. It never touches a lab that something else made."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._open = ExitStack()
        if lab.exists() and not (lab.folder / MARKER).exists():
            raise LabError(
                f"found the lab {lab.folder}, which the bench did not make; expected none there, "
                "because the bench destroys its lab; set MYSQL_RING_LAB to another folder",
                USAGE,
            )

    @property
    def log(self) -> Path:
        return self.lab.folder / "bench.log"

    @property
    def has_ring(self) -> bool:
        return self.lab.stack_file.exists() and bool(self._resources())

    def _resources(self) -> Any:
        document = json.loads(self.lab.stack_file.read_text())
        return (document["checkpoint"].get("latest") or {}).get("resources")

    def renew(self) -> None:
        """A new lab: the stand-in cloud serves, the stack is there, nothing is created."""
        self.clear()
        self._open.enter_context(held(self.lab, "scripts/lab bench"))
        (self.lab.folder / MARKER).touch()
        prepared = prepare(self.lab)
        cloud.start(self.lab, prepared.base_tree)
        plugins.install(self.lab)
        stack.prepare(self.lab)

    def beside(self, part: str) -> "Place":
        """Another lab of the bench's own, in a folder beside this one's."""
        folder = self.lab.folder
        return Place(Lab(folder.with_name(f"{folder.name}-{part}"), self.lab.cache))

    def clear(self) -> None:
        """Take the lab down, whatever state it is in."""
        self._open.close()
        if self.lab.folder.exists():
            quiet = Console(file=io.StringIO())
            down(self.lab, quiet, quiet, yes=True, cache=False)

    def require_ring(self) -> None:
        if not self.has_ring:
            self.renew()
            self.up()

    def up(self) -> Run:
        """A `pulumi up` of the ring with its events."""
        return self.pulumi([*UP, *PLAIN], events=True)

    def pulumi(
        self,
        arguments: Sequence[str],
        *,
        folder: Path | None = None,
        events: bool = False,
        surroundings: Mapping[str, str] | None = None,
    ) -> Run:
        """Run the CLI in the lab and time it; LabError with its last lines when it fails."""
        run = Run()
        env = {**environment(self.lab), **(surroundings or {})}
        argv = ["pulumi", *arguments]
        with ExitStack() as kept:
            log = kept.enter_context(self.log.open("a+"))
            if events:
                env["PULUMI_DEBUG_COMMANDS"] = "true"
                pipe = kept.enter_context(_stamped(self.lab.folder / "events", run))
                argv += ["--event-log", str(pipe)]
            run.seconds = time.monotonic()
            done = subprocess.run(
                argv_in_world(self.lab, argv),
                env=env,
                cwd=folder or self.lab.checkout,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=RUN_SECONDS,
            )
            run.seconds = time.monotonic() - run.seconds
        if done.returncode != 0:
            tail = "\n".join(self.log.read_text().splitlines()[-12:])
            raise LabError(
                f"pulumi {arguments[0]} ended with {done.returncode}:\n{tail}\n"
                "expected 0; correct that and run the bench again"
            )
        return run

    def export(self) -> dict[str, Any]:
        """The stack with its secrets in plain text."""
        done = subprocess.run(
            argv_in_world(self.lab, ["pulumi", "stack", "export", "--show-secrets"]),
            env=environment(self.lab),
            cwd=self.lab.checkout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode != 0:
            raise LabError(
                f"pulumi stack export ended with {done.returncode}: {done.stderr.strip()}; "
                "expected the stack; run the bench again"
            )
        return json.loads(done.stdout)


@contextmanager
def _stamped(path: Path, run: Run) -> Iterator[Path]:
    """A pipe for the CLI's event log, whose own times are whole seconds: each line is stamped."""
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    started = time.monotonic()
    # Open for writing as well: the reader then waits for the CLI, and ends when both have closed.
    own = os.open(path, os.O_RDWR)
    stream = path.open()

    def read() -> None:
        for line in stream:
            run.events.append((time.monotonic() - started, json.loads(line)))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield path
    finally:
        os.close(own)
        reader.join(30)
        stream.close()
        path.unlink()
