"""A destroy dies in each of its phases and is continued. Last in its tier: it leaves no ring."""

import time
from collections.abc import Callable

import holdings
import pytest
from bad_days import UNTIL_THE_END, bad_day
from labs import Lab
from updates import DESTROY_COMMAND, Update

pytestmark = pytest.mark.updates

Figure = Callable[[str, float], None]

PHASE_SECONDS = 120
# While the API refuses these, a destroy comes to no end.
LAST = "DeleteVpc|DeleteRole|DeletePlacementGroup"
# What the CLI prints when a phase is under way, how long after that the destroy is killed, and how.
PHASES = (
    (r"node-\d-verify deleting", 0.0, Update.kill),
    (r"node-\d-mysql-\S+ deleting", 0.0, Update.kill_cli),
    (r"aws:ec2:NetworkInterfaceAttachment \S+ deleting", 0.05, Update.kill),
    (r"aws:ec2:Instance \S+ deleting", 0.3, Update.kill_cli),
    (r"aws:ec2:(Eip|NetworkInterface) \S+ deleting", 0.05, Update.kill),
    (r"aws:ec2:(Subnet|SecurityGroup) \S+ deleting", 0.1, Update.kill_cli),
    (r"aws:(iam|s3):\S+ \S+ deleting", 0.1, Update.kill),
    (r"command:local:Command \S+ deleting", 0.0, Update.kill_cli),
)


def test_a_destroy_killed_in_each_phase_is_continued_to_its_end(
    last_ring: Lab, figure: Figure
) -> None:
    ring = last_ring
    left = len(ring.resources())
    for phase, pause, end in PHASES:
        destroy = Update(ring, *DESTROY_COMMAND)
        with bad_day(ring, "error", UNTIL_THE_END, LAST):
            destroy.reaches(phase, PHASE_SECONDS)
            time.sleep(pause)
            end(destroy)
        locked = ring.run(*DESTROY_COMMAND, expect=None)
        assert locked.returncode != 0, phase
        assert "pulumi cancel" in locked.stdout + locked.stderr
        ring.pulumi("cancel", "--yes")
        before, left = left, len(ring.resources())
        assert 1 < left <= before, phase
    begun = time.monotonic()
    ring.run(*DESTROY_COMMAND, timeout=300)
    figure("last destroy took", time.monotonic() - begun)
    assert holdings.of_the_api(ring) == {}
    assert {each["type"] for each in ring.resources()} <= {"pulumi:pulumi:Stack"}
