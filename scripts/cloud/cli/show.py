"""`scripts/lab status`: the table again that `up` ends with, as the ring is now."""

from typing import Any

from rich.console import Console

from cloud.cli import table
from cloud.cli.connect import require_up
from cloud.cli.errors import DONE, UNHEALTHY, LabError
from cloud.cli.nodes import Nodes
from cloud.lab import Lab


def status(lab: Lab, out: Console, err: Console) -> int:
    """Ask both nodes, and print what they say; the exit code. LabError when nothing is up.

    A row is written only where both say that they are healthy: else it would wait for its deadline.
    """
    require_up(lab)
    nodes = Nodes(lab)
    with err.status("ask both nodes"):
        states, failures = _parted(nodes.answers("status"))
        healthy = not failures and all(state["healthy"] for state in states.values())
        verified: dict[str, Any] = {}
        if healthy:
            verified, failures = _parted(nodes.answers("verify", nodes.verify_documents()))
    table.print_ring(out, nodes.all, states, verified)
    for failure in failures:
        out.print(failure, style="red", markup=False, soft_wrap=True)
    table.print_next(out, nodes.outputs)
    return DONE if healthy and not failures else UNHEALTHY


def _parted(
    answers: dict[str, dict[str, Any] | LabError],
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The documents by node, and why others gave none."""
    said = {name: answer for name, answer in answers.items() if not isinstance(answer, LabError)}
    return said, [str(answer) for answer in answers.values() if isinstance(answer, LabError)]
