"""A whole ring replaced by what it was: which node is restored, and which one copies it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ops.errors import INPUT, REFUSED, UNREACHABLE, OpsError
from ops.kept import Kept
from ops.moments import Moment
from ops.nodes import Document, words

Step = tuple[str, list[str], Document | None]
"""A node, a verb with its options, and the document on its standard input."""
RESTORE, REJOIN = "restore-ring", "rejoin"


@dataclass(frozen=True)
class Replacing:
    """`name` is the ring's, as it is typed. `peer` is dead where `alone`."""

    name: str
    node: str
    peer: str
    alone: bool

    @property
    def alive(self) -> list[str]:
        return [self.node] if self.alone else [self.node, self.peer]

    @property
    def destroys(self) -> str:
        if self.alone:
            return (
                f"{self.node} of the ring {self.name} gives up what it holds; what {self.peer} "
                "holds is given up when it is back"
            )
        return f"{self.node} and {self.peer} of the ring {self.name} give up what they hold"

    def steps(self, moment: Moment, backup: str | None) -> list[Step]:
        """In their order. Until the last one has ended nobody is served."""
        told = {
            "moment": moment.document(),
            "backup": backup,
            "destroys": self.name,
            "without_peer": self.peer if self.alone else None,
        }
        restore: Step = (self.node, [RESTORE], told)
        if self.alone:
            return [restore]
        return [
            (self.peer, [RESTORE], {"gives_way": self.name}),
            restore,
            (self.peer, [REJOIN, "--discard", self.peer], None),
            (self.node, [REJOIN], None),
        ]

    def left(self, steps: Sequence[Step], failed: int) -> str:
        """What a person has to know when a step failed, or was cut off: nothing before the step
        that restores has changed any data."""
        if self.alone or failed == 0:
            return ""
        if failed == 1:
            return (
                f"{self.peer} has given way: it holds what it held and serves nobody. The same "
                f"command again goes on. Where {self.node} says that nothing was changed there, "
                f"`{words(REJOIN)}` on {self.peer} has it serve again"
            )
        rest = " then ".join(f"on {node}: `{words(*verb)}`" for node, verb, _ in steps[failed:])
        return f"{self.node} is restored. Left to do: {rest}"


def _out_of_reach(kept: Kept, node: str) -> bool:
    said = kept.silent.get(node)
    return said is not None and said.code == UNREACHABLE


def decided(kept: Kept, names: Sequence[str], node: str | None, dead: str | None) -> Replacing:
    """Which node does what. OpsError, before anything is touched, where that cannot be said."""
    if node is not None and node == dead:
        raise OpsError(
            f"--node and --without-peer both name {node}",
            "the node that is restored and the one that is dead",
            "leave out one of them",
            INPUT,
        )
    chosen = node or next(name for name in names if name != dead)
    (peer,) = (name for name in names if name != chosen)
    if not kept.good:
        raise OpsError(
            f"no good backup of {kept.name} in the bucket {kept.bucket}",
            "one to begin with",
            "see `ring backup list`",
            REFUSED,
        )
    if chosen in kept.silent:
        raise kept.silent[chosen]
    if dead is None and peer in kept.silent:
        raise OpsError(
            f"{peer} does not answer: {kept.silent[peer].found}",
            "both nodes, for clients of one that goes on would write to what is given up",
            f"bring it up; where it is dead and stays so, add `--without-peer {peer}`",
            UNREACHABLE,
        )
    if dead is not None and not _out_of_reach(kept, dead):
        said = kept.silent.get(dead)
        raise OpsError(
            f"{dead} answers{f', though with an error: {said.found}' if said else ''}",
            "a node that is dead",
            "leave out --without-peer"
            + (f"; if {dead} is to be left out all the same, stop its instance" if said else ""),
            REFUSED,
        )
    return Replacing(kept.name, chosen, peer, dead is not None)
