"""A destroy dies in each of its phases and is continued."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import holdings
import pytest
from cloud.lab import Lab as Folder
from conftest import is_back
from hosts import Node
from labs import DOWN_SECONDS, NODES, Lab
from updates import DESTROY_COMMAND, Update

pytestmark = pytest.mark.updates

Figure = Callable[[str, float], None]

TERMINATE = "TerminateInstances"
# What depends on nothing, as the keys do: a destroy takes all that in the end, at once.
LAST = "DeleteVpc|DeleteRole|DeletePlacementGroup"
KEYS = r"command:local:Command \S+ deleting"


@dataclass(frozen=True)
class Phase:
    """What the API holds, and of that what has to be held, as regular expressions, when the
    destroy is killed; `printed`: what the CLI has to print besides. Nothing that depends on what is
    held has happened by then, and everything that it depends on is still there.

    Held after: the API has done it, and the state does not know. Held before: it is never done.
    """

    end: Callable[[Update], None]
    held: tuple[str, ...]
    after: str = ""
    before: str = ""
    printed: str = ""


STEPS = Phase(Update.kill, (f"ec2 {TERMINATE}",), before=TERMINATE)
NETWORKS = Phase(Update.kill_cli, ("ec2 Delete.*: 200",), after="DeleteSubnet|DeleteSecurityGroup")
PHASES = {
    "steps": STEPS,
    "instances": Phase(Update.kill_cli, (f"ec2 {TERMINATE}: 200",), after=TERMINATE),
    "addresses and interfaces": Phase(
        Update.kill, ("ec2 .*: 200",), after="ReleaseAddress|DeleteNetworkInterface"
    ),
    "networks and volumes": NETWORKS,
    # From here on of a ring that stood again.
    "roles and bucket": Phase(Update.kill, ("(iam|s3) .*: 20",), after="DeleteRolePolicy|DELETE"),
    "keys": Phase(Update.kill_cli, (), before=LAST, printed=KEYS),
}


def test_a_destroy_killed_in_each_phase_is_continued_by_an_up_or_to_its_end(
    ring: Lab, figure: Figure
) -> None:
    locks = Folder(ring.folder, Folder.from_environment().cache).locks
    left = len(ring.state()["resources"])
    for name, phase in PHASES.items():
        killed(ring, phase)
        assert list(locks.glob("*.json")), f"the destroy had ended: {name}"
        before, left = left, len(ring.state()["resources"])
        assert 1 < left <= before, name
        if phase is STEPS:
            locked = ring.run(*DESTROY_COMMAND, expect=None)
            assert locked.returncode != 0
            assert "pulumi cancel" in locked.stdout + locked.stderr
            assert "command:remote:Command" not in {each["type"] for each in ring.resources()}
        if phase is NETWORKS:
            left = stood_up_again(ring, figure)
        else:
            ring.pulumi("cancel", "--yes")
    begun = time.monotonic()
    ring.run(*DESTROY_COMMAND, timeout=DOWN_SECONDS)
    figure("last destroy took", time.monotonic() - begun)
    assert holdings.of_the_api(ring) == {}
    assert {each["type"] for each in ring.resources()} <= {"pulumi:pulumi:Stack"}


def killed(ring: Lab, phase: Phase) -> None:
    """A destroy that is killed in this phase."""
    with ExitStack() as stack:
        gates = [
            stack.enter_context(laid)
            for laid, wanted in (
                (ring.gates.api(after=phase.after), phase.after),
                (ring.gates.api(before=phase.before), phase.before),
            )
            if wanted
        ]
        destroy = Update(ring, *DESTROY_COMMAND)
        if phase.printed:
            destroy.reaches(phase.printed)
        else:
            gates[0].wait(*phase.held, by=destroy)
        phase.end(destroy)


def stood_up_again(ring: Lab, figure: Figure) -> int:
    """An up, which needs no cancel, ends in the same ring: how many resources it has."""
    begun = time.monotonic()
    ring.up()
    figure("up after a destroy took", time.monotonic() - begun)
    is_back([Node(ring, name) for name in NODES])
    assert holdings.difference(ring) == {}
    return len(ring.state()["resources"])
