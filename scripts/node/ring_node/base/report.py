"""The one JSON line that a verb prints."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .errors import Exit


@dataclass
class Report:
    """Collects what a verb changed, and facts for the caller. Holds no secret."""

    verb: str
    done: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    code: Exit = Exit.OK  # what the verb ends with

    def did(self, what: str) -> None:
        self.done.append(what)

    def note(self, what: str) -> None:
        """Something worth reading that is not a change."""
        if what not in self.notes:
            self.notes.append(what)

    @property
    def changed(self) -> bool:
        return bool(self.done)

    def line(self) -> str:
        document: dict[str, Any] = {
            "verb": self.verb,
            "changed": self.changed,
            "done": self.done or ["no change"],
        }
        if self.notes:
            document["notes"] = self.notes
        return json.dumps({**document, **self.facts}, separators=(", ", ": "))
