"""A destroy dies in each of its phases and is continued. Last in its tier: it leaves no ring."""

import json
import time
from collections.abc import Callable

import holdings
import pytest
from bad_days import UNTIL_THE_END, bad_day
from cloud.lab import Lab as Folder
from conftest import is_back
from hosts import Node
from labs import NODES, STATE, Lab
from updates import DESTROY_COMMAND, Update

pytestmark = pytest.mark.updates

Figure = Callable[[str, float], None]

PHASE_SECONDS = 120
# While the API refuses these, a destroy comes to no end.
LAST = "DeleteVpc|DeleteRole|DeletePlacementGroup"
# What the CLI prints when a phase is under way, how long after that the destroy is killed, and how.
STEPS = (r"ring-replication-node-\d-verify deleting", 0.0, Update.kill)
NETWORKS = (r"aws:ec2:(Subnet|SecurityGroup) \S+ deleting", 0.1, Update.kill_cli)
PHASES = (
    STEPS,
    (r"aws:ec2:NetworkInterfaceAttachment \S+ deleting", 0.05, Update.kill),
    (r"aws:ec2:Instance \S+ deleting", 0.3, Update.kill_cli),
    (r"aws:ec2:(Eip|NetworkInterface) \S+ deleting", 0.05, Update.kill),
    NETWORKS,
    (r"aws:(iam|s3):\S+ \S+ deleting", 0.1, Update.kill),
    (r"command:local:Command \S+ deleting", 0.0, Update.kill_cli),
)


def test_a_destroy_killed_in_each_phase_is_continued_by_an_up_or_to_its_end(
    last_ring: Lab, figure: Figure
) -> None:
    ring = last_ring
    locks = Folder(ring.folder, Folder.from_environment().cache).locks
    left = resources(ring)
    for phase in PHASES:
        printed, pause, end = phase
        destroy = Update(ring, *DESTROY_COMMAND)
        with bad_day(ring, "error", UNTIL_THE_END, LAST):
            destroy.reaches(printed, PHASE_SECONDS)
            time.sleep(pause)
            end(destroy)
        assert list(locks.glob("*.json")), f"the destroy had ended: {printed}"
        before, left = left, resources(ring)
        assert 1 < left <= before, printed
        if phase is STEPS:
            locked = ring.run(*DESTROY_COMMAND, expect=None)
            assert locked.returncode != 0
            assert "pulumi cancel" in locked.stdout + locked.stderr
        if phase is NETWORKS:
            left = stood_up_again(ring, figure)
        else:
            ring.pulumi("cancel", "--yes")
    begun = time.monotonic()
    ring.run(*DESTROY_COMMAND, timeout=300)
    figure("last destroy took", time.monotonic() - begun)
    assert holdings.of_the_api(ring) == {}
    assert {each["type"] for each in ring.resources()} <= {"pulumi:pulumi:Stack"}


def stood_up_again(ring: Lab, figure: Figure) -> int:
    """An up, which needs no cancel, ends in the same ring: how many resources it has."""
    begun = time.monotonic()
    ring.up()
    figure("up after a destroy took", time.monotonic() - begun)
    is_back([Node(ring, name) for name in NODES])
    assert holdings.difference(ring) == {}
    return resources(ring)


def resources(ring: Lab) -> int:
    """How many the state has."""
    state = json.loads((ring.folder / STATE).read_text())
    return len(state["checkpoint"]["latest"].get("resources") or [])
