"""What was measured: samples of two things in turns, the best of each and the ratio of these."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One line of the table, and its keys in the flat object.

    `ours` and `beside` are samples of the two things in `unit`. The best sample of each counts:
    what else the machine has to do only ever takes time. The ratio is ours to beside: at most
    `limit`, or at least `limit` when more is better. `aim` is what we would like. Of a figure
    `by_difference` it is ours less beside that is held against them.
    """

    name: str
    title: str
    against: str
    ours: Sequence[float]
    beside: Sequence[float]
    limit: float | None = None
    aim: float | None = None
    more_is_better: bool = False
    by_difference: bool = False
    unit: str = "seconds"
    extra: dict[str, float] = field(default_factory=dict)

    def best(self, samples: Sequence[float]) -> float:
        return max(samples) if self.more_is_better else min(samples)

    @property
    def ratio(self) -> float:
        return self.best(self.ours) / self.best(self.beside)

    @property
    def difference(self) -> float:
        return self.best(self.ours) - self.best(self.beside)

    @property
    def verdict(self) -> str:
        """How it stands to its limit and its aim."""
        if self._within(self.aim):
            return "aim"
        if self._within(self.limit):
            return "within"
        return "" if self.limit is None and self.aim is None else "over"

    def _within(self, bound: float | None) -> bool:
        if bound is None:
            return False
        found = self.difference if self.by_difference else self.ratio
        return found >= bound if self.more_is_better else found <= bound

    def flat(self) -> dict[str, float]:
        """The figure's part of the flat object."""
        return {
            f"{self.name}_ratio": round(self.ratio, 3),
            f"{self.name}_{self.unit}": round(self.best(self.ours), 3),
            f"{self.name}_beside_{self.unit}": round(self.best(self.beside), 3),
            **{key: round(value, 3) for key, value in self.extra.items()},
        }


def turns(repeat: int, seconds: float, now: Callable[[], float] = time.monotonic) -> Iterator[int]:
    """Numbers from 1 to `repeat`, but none begins after so many seconds, except the first."""
    begun = now()
    for turn in range(1, repeat + 1):
        if turn > 1 and now() - begun > seconds:
            return
        yield turn


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` (0 to 1) of the samples do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def flat(figures: Sequence[Figure], machine: dict[str, float | str]) -> dict[str, float | str]:
    """Everything as one flat object."""
    result = dict(machine)
    for figure in figures:
        result.update(figure.flat())
    return result
