"""The wall time of each phase of an `up`, kept in the lab and shown after the first one."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cloud.lab import Lab, write_private

FILE = "timings.json"


@dataclass
class Timings:
    """Phases in the order in which they ran, in seconds; parts that ran side by side apart."""

    phases: dict[str, float] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.time)

    @classmethod
    def from_entry(cls) -> "Timings":
        """Continue what scripts/lab measured: its start and its own phases."""
        started = float(os.environ.get("MYSQL_RING_STARTED") or time.time())
        phases = {}
        for item in os.environ.get("MYSQL_RING_PHASES", "").split():
            name, _, milliseconds = item.partition("=")
            phases[name] = int(milliseconds) / 1000
        return cls(phases, {}, started)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - begun

    @property
    def total(self) -> float:
        return time.time() - self.started

    def has_first(self, lab: Lab) -> bool:
        """Whether an `up` of this lab has reached its end before."""
        return "first" in _kept(lab)

    def write(self, lab: Lab, kind: str) -> None:
        """Keep the figures: `first` of the `up` that made the ring, `last` of the latest."""
        document = _kept(lab)
        document[kind] = {
            "total": round(self.total, 2),
            "phases": {name: round(value, 2) for name, value in self.phases.items()},
            "parts": {name: round(value, 2) for name, value in self.parts.items()},
        }
        write_private(lab.folder / FILE, json.dumps(document, indent=2) + "\n")


def _kept(lab: Lab) -> dict[str, Any]:
    path = lab.folder / FILE
    return json.loads(path.read_text()) if path.exists() else {}
