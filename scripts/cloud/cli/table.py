"""What `scripts/lab up` shows at its end: the ring, how to connect, and where the time went."""

from typing import Any

from rich.console import Console
from rich.table import Table

from cloud.cli.nodes import Nodes
from cloud.cli.stack import Update
from cloud.cli.timings import Timings

STEPS_SHOWN = 8


def ring_table(nodes: dict[str, Any], states: dict[str, Any], verified: dict[str, Any]) -> Table:
    """Both nodes side by side, from their own answers."""
    table = Table(title="The ring", title_justify="left")
    table.add_column("")
    names = sorted(nodes)
    for name in names:
        table.add_column(name)
    return table


def print_timings(out: Console, timings: Timings, update: Update) -> None:
    """The phases of the first `up`, the parts of its set-up, and the slowest steps of Pulumi."""
    table = Table(title="From the start of the command to the verified ring", title_justify="left")
    table.add_column("phase")
    table.add_column("seconds", justify="right")
    for name, seconds in timings.phases.items():
        table.add_row(name, f"{seconds:.1f}")
        if name == "set-up":
            for part, share in timings.parts.items():
                table.add_row(f"  {part} (side by side)", f"{share:.1f}", style="dim")
        if name == "pulumi up":
            slowest = sorted(update.seconds.items(), key=lambda item: -item[1])[:STEPS_SHOWN]
            for step, share in slowest:
                table.add_row(f"  {step} (side by side)", f"{share:.1f}", style="dim")
    out.print(table)
