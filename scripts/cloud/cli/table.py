"""The ring as `scripts/lab up` and `status` show it, how to connect, and where the time went."""

from collections.abc import Callable, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cloud.cli.stack import Update
from cloud.cli.timings import Timings

STEPS_SHOWN = 8
Facts = Mapping[str, Any]
Cell = Callable[[Facts], str]


def _threads(state: Facts) -> str:
    slave = state.get("slave")
    return f"{slave['io']} / {slave['sql']}" if slave else "not configured"


def _tls(state: Facts) -> str:
    slave = state.get("slave")
    return "Yes" if slave and slave["ssl_allowed"] else "No"


def _heartbeat(state: Facts) -> str:
    age = state.get("heartbeat_age_ms")
    if age is None:
        return "none"
    return f"{age / 1000:.1f} s old" if age >= 0 else f"{-age / 1000:.1f} s ahead of this clock"


def _verdict(state: Facts) -> str:
    if state["healthy"]:
        return "healthy"
    count = len(state["problems"])
    return f"{count} problem{'' if count == 1 else 's'}, see below"


def _gate(state: Facts) -> str:
    return state["gate"] + (f": {state['gate_why']}" if state["gate_why"] else "")


OUTPUT, STATUS, VERIFY = "output", "no answer", "not tried"
"""Who says it: the stack's outputs, or the node's own `status` or `verify`; and what is shown for
a node that has not said it."""
ROWS: tuple[tuple[str, str, Cell], ...] = (
    ("verdict", STATUS, _verdict),
    ("gate", STATUS, _gate),
    ("client address", OUTPUT, lambda node: node["clientAddress"]),
    ("replication address", OUTPUT, lambda node: node["replicationAddress"]),
    ("public address", OUTPUT, lambda node: node["publicAddress"]),
    ("instance", OUTPUT, lambda node: node["instanceId"]),
    ("server id", OUTPUT, lambda node: str(node["serverId"])),
    ("MySQL", STATUS, lambda state: state.get("version", "unknown")),
    ("threads (IO / SQL)", STATUS, _threads),
    ("replicates over TLS", STATUS, _tls),
    ("heartbeat from the peer", STATUS, _heartbeat),
    (
        "row written here, read there",
        VERIFY,
        lambda verified: f"after {verified['lag_to_peer_ms']:.0f} ms",
    ),
)


def ring_table(nodes: Facts, states: Facts, verified: Facts) -> Table:
    """Both nodes side by side. Who gave no `status` or no `verify` has no entry there."""
    table = Table(title="The ring", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    names = sorted(nodes)
    for name in names:
        table.add_column(name)
    said = {OUTPUT: nodes, STATUS: states, VERIFY: verified}
    for title, by, cell in ROWS:
        cells = [cell(said[by][name]) if name in said[by] else by for name in names]
        table.add_row(title, *(Text(text) for text in cells))
    return table


def print_ring(out: Console, nodes: Facts, states: Facts, verified: Facts) -> None:
    out.print(ring_table(nodes, states, verified))
    for name in sorted(states):
        for problem in states[name]["problems"]:
            out.print(f"{name}: {problem['text']}", style="red", markup=False, soft_wrap=True)
            out.print(f"  next step: {problem['next_step']}", markup=False, soft_wrap=True)


def print_next(out: Console, outputs: Facts) -> None:
    """How to connect, and what to try."""
    first, second = sorted(outputs["nodes"])
    address = outputs["nodes"][first]["clientAddress"]
    users = ", ".join(outputs["users"]["application"])
    for line in (
        "Connect:",
        f"  scripts/lab mysql {first}              a prompt as root",
        f'  scripts/lab mysql {first} -e "SHOW SLAVE STATUS\\G"',
        f"  scripts/lab ssh {first}                the host itself",
        f"  an application connects to {address}:{outputs['port']} as"
        f" {users or 'a user of the settings'};",
        "  passwords: scripts/lab pulumi stack output --show-secrets passwords",
        "Try next:",
        f'  scripts/lab mysql {first} -e "CREATE TABLE app.t (id INT PRIMARY KEY)"; '
        f'scripts/lab mysql {second} -e "SHOW TABLES FROM app"',
        "  scripts/lab pulumi preview --diff      what a change of the program would do",
        "  scripts/lab aws ec2 describe-instances",
        "  scripts/lab down                       when you are done",
    ):
        out.print(line, markup=False, soft_wrap=True)


def print_timings(out: Console, timings: Timings, update: Update) -> None:
    """The phases of the first `up`, the parts of its set-up, and the slowest steps of Pulumi."""
    table = Table(
        title="From the start of the command to the verified ring",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("phase")
    table.add_column("seconds", justify="right")
    for name, seconds in timings.phases.items():
        table.add_row(name, f"{seconds:.1f}")
        parts = timings.parts if name == "set-up" else {}
        if name == "pulumi up":
            slowest = sorted(update.seconds.items(), key=lambda item: -item[1])
            parts = dict(slowest[:STEPS_SHOWN])
        for part, share in parts.items():
            table.add_row(f"  {part}", f"{share:.1f}", style="dim")
    table.add_row("all", f"{timings.total:.1f}", style="bold")
    out.print(table)
    out.print("Indented lines ran side by side.", style="dim", markup=False)
