"""A destroy dies in each of its phases and is continued. Last in its tier: it leaves no ring."""

import time

import pytest
from labs import Lab
from updates import DESTROY_COMMAND, Update, cloud_holds

pytestmark = pytest.mark.faults

# What the CLI prints when a phase is under way, and how long after that it is killed.
PHASES = {
    "steps": (r"node-\d-\S+ (deleting|deleted)", 0.0),
    "instances": (r"aws:ec2:Instance \S+ deleting", 0.3),
    "network": (r"aws:ec2:(Subnet|SecurityGroup|NetworkInterface) \S+ deleting", 0.1),
}


def test_a_destroy_killed_in_each_phase_is_continued_to_its_end(ring: Lab) -> None:
    for phase, (line, pause) in PHASES.items():
        destroy = Update(ring, *DESTROY_COMMAND)
        destroy.reaches(line)
        time.sleep(pause)
        destroy.kill()
        locked = ring.run(*DESTROY_COMMAND, expect=None)
        assert locked.returncode != 0, phase
        assert "pulumi cancel" in locked.stdout + locked.stderr
        ring.pulumi("cancel", "--yes")
    ring.run(*DESTROY_COMMAND, timeout=300)
    assert set(cloud_holds(ring).values()) == {0}
    assert {each["type"] for each in ring.resources()} <= {"pulumi:pulumi:Stack"}
