"""`scripts/lab up`: from whatever is there to a verified ring."""

from rich.console import Console

from cloud.cli import cloud, interrupt, pending, stack, table
from cloud.cli.lock import UP, held
from cloud.cli.nodes import Nodes
from cloud.cli.timings import Timings
from cloud.lab import Lab
from cloud.setup import plugins
from cloud.setup.run import prepare


def up(lab: Lab, out: Console, err: Console, providers: str = plugins.AUTO) -> None:
    """Bring the lab up and print the ring's table."""

    def say(text: str) -> None:
        err.print(text, markup=False, soft_wrap=True)

    timings = Timings.from_entry()
    plugins.require(providers)
    with held(lab, UP), interrupt.as_exception():
        stack.check_settings(lab)
        with timings.phase("set-up"):
            prepared = prepare(lab)
        timings.parts.update(prepared.seconds)
        first = not timings.has_first(lab)
        with timings.phase("stand-in cloud"), err.status("start the stand-in cloud"):
            if cloud.start(lab, prepared.base_tree):
                err.print("the stand-in cloud serves", markup=False)
        with timings.phase("stack"), err.status("prepare the stack"):
            kinds = plugins.install(lab)
            stack.prepare(lab)
            stack.clear_stale_lock(lab, say)
            pending.settle(lab, say)
        for name, kind in kinds.items():
            if kind == "official":
                err.print(f"the official {name} plugin is installed: it is used", markup=False)
        with timings.phase("pulumi up"):
            update = stack.up(lab)
        with timings.phase("verification"), err.status("ask both nodes"):
            nodes = Nodes(lab)
            verified = nodes.verify()
            states = nodes.each("status")
        timings.write(lab, "first" if first else "last")
        table.print_ring(out, nodes.all, states, verified)
        table.print_next(out, nodes.outputs)
        if update.changed:
            done = ", ".join(f"{n} {kind}" for kind, n in update.changes.items())
            out.print(f"Pulumi: {done}.", markup=False)
        else:
            out.print("Pulumi: no change.", markup=False)
        if first:
            table.print_timings(out, timings, update)
