"""What a ring has kept, put together from what its nodes say of the bucket and of themselves."""

from dataclasses import dataclass
from typing import Any

from ops.errors import OpsError
from ops.nodes import Answer, Document, first_error, silent, spoken

BUCKET = ("bucket", "stack", "ring", "backups", "logs", "turns")
"""Each node says the same of these: they are in the bucket."""


@dataclass(frozen=True)
class Kept:
    """`turns`: when the ring was put back to an earlier moment, the oldest first. `drills`: newest
    first, whoever did them. `restored`: the scratch servers of each node that answers. `silent`:
    why the others do not."""

    bucket: str
    stack: str
    ring: str
    backups: list[Document]
    logs: list[Document]
    turns: list[str]
    drills: list[Document]
    restored: dict[str, list[Document]]
    silent: dict[str, OpsError]

    @property
    def name(self) -> str:
        """What a person types to have the whole ring replaced."""
        return f"{self.stack}/{self.ring}"

    @property
    def good(self) -> list[Document]:
        return [each for each in self.backups if not each.get("problem")]

    @property
    def spans(self) -> list[tuple[str, str | None]]:
        """From when to when something can be restored, the oldest first; the last one goes on. To a
        moment after a turn nothing leads but a backup that was taken after it."""
        result: list[tuple[str, str | None]] = []
        begins = ["", *self.turns]
        for begin, end in zip(begins, [*self.turns, None], strict=True):
            taken = [
                each["taken_at"]
                for each in self.good
                if each["taken_at"] > begin and (end is None or each["taken_at"] < end)
            ]
            if taken:
                result.append((min(taken), end))
        return result

    @property
    def first_moment(self) -> str | None:
        return min((each["taken_at"] for each in self.good), default=None)

    @property
    def last_moment(self) -> str | None:
        """None where no log is kept."""
        times = [each["last_time"] for each in self.logs if each.get("last_time")]
        return max(times, default=None)

    def drill_of(self, backup: str) -> Document | None:
        """The last one of a backup."""
        return next((each for each in self.drills if each["backup"] == backup), None)

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            **{name: getattr(self, name) for name in BUCKET},
            "name": self.name,
            "first_moment": self.first_moment,
            "last_moment": self.last_moment,
            "spans": [{"from": first, "before": before} for first, before in self.spans],
            "drills": self.drills,
            "restored": self.restored,
            "silent": {node: error.document() for node, error in self.silent.items()},
        }


def of(answers: dict[str, Answer]) -> Kept:
    """What the verb `backups` says on each node. OpsError where it says nothing on any."""
    known = spoken(answers)
    if not known:
        raise first_error(silent(answers).values())
    any_of_them = next(iter(known.values()))
    drills = {
        (each["node"], each["at"]): each for said in known.values() for each in said["drills"]
    }
    return Kept(
        **{name: any_of_them[name] for name in BUCKET},
        drills=sorted(drills.values(), key=lambda each: each["at"], reverse=True),
        restored={node: said["restored"] for node, said in known.items()},
        silent=silent(answers),
    )
