"""From a machine with nothing prepared to the verified ring, against its downloads and builds."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cloud.bench.figures import Figure
from cloud.bench.place import MARKER, Place
from cloud.cli.errors import LabError
from cloud.cli.timings import FILE
from cloud.lab import CHECKOUT

FETCHED = ("packages", "environment", "set-up")
UP_SECONDS = 3600


@dataclass(frozen=True)
class Machine:
    """The figure, and the seconds of each phase and of the parts that ran side by side in it."""

    figure: Figure
    phases: dict[str, float]
    parts: dict[str, float]


def measure(place: Place, say: Callable[[str], None]) -> Machine:
    """`scripts/lab up` in a new lab on an empty cache, the caches of Go and npm empty too. All are
    removed at the end.

    Debian packages that the machine has already are not installed again: on a bare machine the
    phase `packages` comes on top.
    """
    say("bare machine: scripts/lab up on an empty cache (about ten minutes)")
    folder = place.lab.folder
    cache = Path(tempfile.mkdtemp(prefix="mysql-ring-bench-"))
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env |= {
        "MYSQL_RING_LAB": str(folder),
        "MYSQL_RING_CACHE": str(cache),
        "GOCACHE": str(cache / "go-build"),
        "GOMODCACHE": str(cache / "go-mod"),
        "GOFLAGS": f"{env.get('GOFLAGS', '')} -modcacherw".strip(),
        "npm_config_cache": str(cache / "npm"),
    }
    command = str(CHECKOUT / "scripts/lab")
    try:
        done = subprocess.run(
            [command, "up"], env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(),
            timeout=UP_SECONDS,
        )  # fmt: skip
        if done.returncode != 0:
            raise LabError(
                f"scripts/lab up ended with {done.returncode} (see above); expected 0; correct "
                "that and run the bench again"
            )
        (folder / MARKER).touch()
        return machine(json.loads((folder / FILE).read_text())["first"])
    finally:
        subprocess.run([command, "down", "--yes"], env=env, stdout=sys.stderr.fileno(), timeout=300)
        shutil.rmtree(cache, ignore_errors=True)


def machine(timings: dict[str, object]) -> Machine:
    """The figure from what `scripts/lab up` wrote down."""
    phases: dict[str, float] = timings["phases"]  # type: ignore[assignment]
    parts: dict[str, float] = timings["parts"]  # type: ignore[assignment]
    total = float(timings["total"])  # type: ignore[arg-type]
    fetched = sum(phases.get(name, 0.0) for name in FETCHED)
    figure = Figure(
        "bare_machine",
        "bare machine to verified ring",
        "its downloads and builds alone",
        [total],
        [fetched],
    )
    return Machine(figure, phases, parts)
