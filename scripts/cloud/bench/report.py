"""The bench's tables."""

from collections.abc import Iterable, Mapping

from rich import box
from rich.console import Console
from rich.table import Table

from cloud.bench.figures import Figure
from cloud.bench.fresh import Fresh
from cloud.bench.machine import Machine

MARKS = {"aim": "reached", "within": "within the limit", "over": "MISSED", "": ""}


def figures_table(figures: Iterable[Figure]) -> Table:
    """One line per figure: the best of each side, ratio, and how it stands."""
    table = Table(title="Figures", title_justify="left", box=box.SIMPLE_HEAD)
    for title in ("what", "against", "ours", "beside", "ratio", "limit", "aim", ""):
        table.add_column(title, justify="right" if title in _NUMBERS else "left")
    for figure in figures:
        flat = figure.flat()
        table.add_row(
            figure.title,
            figure.against,
            f"{flat[f'{figure.name}_{figure.unit}']:.2f}",
            f"{flat[f'{figure.name}_beside_{figure.unit}']:.2f}",
            f"{figure.ratio:.2f}",
            _bound(figure, figure.limit),
            _bound(figure, figure.aim),
            MARKS[figure.verdict],
        )
        for key, value in figure.extra.items():
            table.add_row(f"  {key.replace('_', ' ')}", "", f"{value:.2f}", style="dim")
    return table


_NUMBERS = ("ours", "beside", "ratio", "limit", "aim")


def _bound(figure: Figure, bound: float | None) -> str:
    if bound is None:
        return ""
    sign = "≥" if figure.more_is_better else "≤"
    return f"{sign} {bound} more" if figure.by_difference else f"{sign} {bound}"


def path_table(fresh: Fresh) -> Table:
    """Every step on a host and every resource on the critical path, in the order of their start."""
    on_path = {link.span.name: link.waited for link in fresh.path}
    table = Table(
        title=f"Where the {fresh.total:.1f} s of the fastest fresh `pulumi up` went",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for title in ("resource", "began", "waited", "took", "bare script", "critical"):
        table.add_column(title, justify="left" if title == "resource" else "right")
    for span in fresh.spans:
        if span.name not in on_path and "command:remote" not in span.urn:
            continue
        waited = on_path.get(span.name)
        bare = fresh.bare.get(span.name)
        table.add_row(
            span.name,
            f"{span.start:.2f}",
            "" if waited is None else f"{waited:.2f}",
            f"{span.seconds:.2f}",
            "" if bare is None else f"{bare:.2f}",
            "" if waited is None else "*",
        )
    last = max(span.end for span in fresh.spans)
    table.add_row("end of the program", f"{last:.2f}", "", f"{fresh.total - last:.2f}", "", "*")
    for name, seconds in fresh.bare.items():
        if name.endswith(("-boot", "network")):
            table.add_row(f"bare script: {name}", "", "", "", f"{seconds:.2f}", "", style="dim")
    return table


def shares_table(machine: Machine) -> Table:
    """Each phase of a first `scripts/lab up` with its share."""
    total = machine.figure.ours[0]
    table = Table(title="Bare machine to verified ring", title_justify="left", box=box.SIMPLE_HEAD)
    for title in ("phase", "seconds", "share"):
        table.add_column(title, justify="left" if title == "phase" else "right")
    for name, seconds in machine.phases.items():
        table.add_row(name, f"{seconds:.1f}", f"{seconds / total:.0%}")
        if name == "set-up":
            for part, took in machine.parts.items():
                table.add_row(f"  {part} (side by side)", f"{took:.1f}", "", style="dim")
    table.add_row("all", f"{total:.1f}", "100%", style="bold")
    return table


def print_machine(out: Console, machine: Mapping[str, float | str]) -> None:
    """What the figures were taken on."""
    out.print(
        f"{machine['date']}: {machine['cpus']} cores, {machine['memory_gib']} GiB, "
        f"load {machine['load']} at the start; the host of this virtual machine kept "
        f"{machine['stolen_percent']} % of the processors' time",
        markup=False,
    )
