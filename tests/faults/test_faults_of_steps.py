"""A node is made anew from its peer, and the steps on it are hindered; nothing is lost.

Every verb has its whole work to do: packages and a server to install, data to copy, a ring to
join. The peer takes writes all the time.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import nothing_is_lost
from hosts import Node
from labs import Lab
from links import BLACK_HOLE, RESET, broken, dropped, ports
from load import Load
from rebuild import Rebuild, fill
from updates import DESTROY_COMMAND, Update
from waits import within

pytestmark = pytest.mark.updates

Figure = Callable[[str, float], None]

SSH = "tcp dport 22\ntcp sport 22"
# A silent verb sends nothing: at the latest its result is lost, or the client's keepalive.
LOST_SECONDS = 20
# Verbs in the order of the steps, and for how long each has worked when it is killed. Short ones
# are killed while they start: a moment later they may be done.
KILLED = {
    "tools": 0.05,
    "install": 2.0,
    "server": 1.5,
    "seed": 0.5,
    "replicate": 0.2,
}


def test_a_node_made_anew_under_faults_in_its_steps_loses_nothing(
    ring: Lab, nodes: list[Node], rebuild: Rebuild, tmp_path: Path, figure: Figure
) -> None:
    survivor, lost = nodes
    clients = ports(survivor)[0].vpc_id
    table = fill(survivor)
    with Load([survivor], tmp_path) as load:
        instance = ring.urn(f"ring-{lost.name}-instance")
        destroy = Update(ring, *DESTROY_COMMAND, "--target", instance, "--target-dependents")
        destroy.reaches(r"aws:ec2:Instance \S+ deleting")
        time.sleep(0.5)
        destroy.kill()

        for verb, moment in KILLED.items():
            for pid in rebuild.at(verb, moment):
                os.kill(pid, signal.SIGKILL)
            rebuild.fails(rf"{lost.name}-\S*{verb}")
            if verb == "tools":
                rebuild.at("install", 1.0)
                new = rebuild.host().rpartition("/")[2]
                ring.aws("ec2", "reboot-instances", "--instance-ids", new)
                rebuild.fails(rf"{lost.name}-mysql-install")
            if verb == "server":
                rebuild.at(verb, 0.2)
                with broken(survivor.names, clients, RESET, SSH):
                    rebuild.fails(rf"{lost.name}-mysql-server")
            if verb == "seed":
                # A pause in the line is not an end of it: this update goes on to the next verb.
                rebuild.at(verb, 0.1)
                with broken(survivor.names, clients, BLACK_HOLE, SSH):
                    within(
                        LOST_SECONDS,
                        "packets are lost",
                        lambda: dropped(survivor.names, clients),
                    )
                    time.sleep(5)

        begun = time.monotonic()
        ring.up()
        figure("last up took", time.monotonic() - begun)
        nothing_is_lost(ring, load, table)
