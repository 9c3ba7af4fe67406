"""`scripts/lab bench`: takes the figures that are asked for, prints and writes them."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cloud.bench import (
    archives,
    backups,
    beside,
    copies,
    fresh,
    held,
    load,
    machine,
    noop,
    replays,
    report,
    restores,
    wiring,
)
from cloud.bench.figures import Figure, flat
from cloud.bench.filled import filled
from cloud.bench.place import Place, bench_lab
from cloud.cli import interrupt
from cloud.cli.errors import USAGE, LabError

# In the order in which they run: wiring wants a ring without data, sysbench leaves the article's
# my.cnf.
DEFAULT = ("fresh", "noop", "wiring", "copy", "backup", "sysbench")
BACKUP = {
    "upload": backups.measure,
    "restore": restores.measure,
    "replay": replays.measure,
    "archive": archives.measure,
    "beside": beside.measure,
    "held": held.measure,
}
"""The parts of `backup`, which may be named one by one."""
NAMES = (*DEFAULT, "machine", *BACKUP)
WIDTH = 120


def bench(out: Console, err: Console, names: Sequence[str], to: Path | None, repeat: int) -> None:
    """Take the figures; without names all but `machine`, which downloads everything anew."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise LabError(
            f"found the figure {unknown[0]!r}; expected some of {', '.join(NAMES)}; "
            "name one of these, or none",
            USAGE,
        )
    surroundings = about_machine()
    begun = processor_time()
    taken: list[Figure] = []
    details: list[Table] = []
    with interrupt.as_exception(), err.status("") as status:

        def say(text: str) -> None:
            status.update(text)
            if not err.is_terminal:
                err.print(text, markup=False)

        place = Place(bench_lab())
        try:
            for name, parts in wanted(names).items():
                figures, tables = _take(name, parts, place, repeat, say)
                for figure in figures:
                    taken.append(figure)
                details += tables
        finally:
            status.stop()
            surroundings["stolen_percent"] = stolen_percent(begun, processor_time())
            try:
                # Also what was taken before an error or an interruption.
                _show(out, taken, details, surroundings)
                if to is not None:
                    to.write_text(json.dumps(flat(taken, surroundings), indent=2) + "\n")
            finally:
                place.clear()


def _show(
    out: Console, taken: list[Figure], details: list[Table], surroundings: dict[str, float | str]
) -> None:
    if not out.is_terminal:
        out.width = WIDTH
    if taken:
        report.print_machine(out, surroundings)
        for table in (report.figures_table(taken), *details):
            out.print(table)


def wanted(names: Sequence[str]) -> dict[str, list[str]]:
    """What is to be taken, in its order, each with the parts of it that are named: all of `backup`
    where that itself is."""
    names = names or DEFAULT
    parts = [part for part in BACKUP if part in names or "backup" in names]
    return {
        name: parts if name == "backup" else []
        for name in (*DEFAULT, "machine")
        if name in names or (name == "backup" and parts)
    }


def _backup(
    parts: Sequence[str], place: Place, repeat: int, say: Callable[[str], None]
) -> Iterator[Figure]:
    with filled(place, say) as ring:
        for part in parts:
            yield from BACKUP[part](ring, repeat, say)


def _take(
    name: str, parts: Sequence[str], place: Place, repeat: int, say: Callable[[str], None]
) -> tuple[Iterable[Figure], list[Table]]:
    if name == "fresh":
        found = fresh.measure(place, repeat, say)
        return [found.figure], [report.path_table(found)]
    if name == "noop":
        return noop.measure(place, repeat, say), []
    if name == "wiring":
        return [wiring.measure(place, repeat, say)], []
    if name == "copy":
        return [copies.measure(place, repeat, say)], []
    if name == "backup":
        return _backup(parts, place, repeat, say), []
    if name == "sysbench":
        return [load.measure(place, repeat, say)], []
    place.clear()
    shares = machine.measure(place.beside("bare"), say)
    return [shares.figure], [report.shares_table(shares)]


def processor_time() -> tuple[int, int]:
    """Ticks that the host of this virtual machine has kept for others, and all ticks (man 5 proc).

    The two guest fields are in the user's fields already."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return fields[7], sum(fields)


def stolen_percent(begin: tuple[int, int], end: tuple[int, int]) -> float:
    return round(100 * (end[0] - begin[0]) / max(1, end[1] - begin[1]), 1)


def about_machine() -> dict[str, float | str]:
    """Size and load of the machine: what a figure means depends on them."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": date.today().isoformat(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30),
        "load": round(os.getloadavg()[0], 2),
    }
