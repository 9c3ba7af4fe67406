"""A node is made anew from its peer, and the steps on it are hindered; nothing is lost.

Every verb has its whole work to do: packages and a server to install, data to copy, a ring to
join. The peer takes writes all the time.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import nothing_is_lost
from hosts import Node
from labs import Lab, resource, step_name
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
# Verbs in the order of the steps, and before what each is held and killed.
KILLED = {
    "tools": "rename /opt/mysql-ring/releases/",
    "install": "rename /opt/mysql/",
    "volume": "run mount",
    "server": "run setpriv --reuid=mysql",
    "seed": "rename /srv/mysql-ring/arriving/",
    "replicate": "send START SLAVE",
}
COPIES = "run setpriv --pdeathsig KILL -- tar"
SILENT_SECONDS = 5


def test_a_node_made_anew_under_faults_in_its_steps_loses_nothing(
    ring: Lab, nodes: list[Node], rebuild: Rebuild, tmp_path: Path, figure: Figure
) -> None:
    survivor, lost = nodes
    clients = ports(survivor)[0].vpc_id
    table = fill(survivor)

    def fails(verb: str) -> None:
        rebuild.fails(step_name(lost.name, verb))

    with Load([survivor], tmp_path) as load:
        targets = [
            word
            for part in ("data-volume", "instance")
            for word in ("--target", ring.urn(resource(lost.name, part)))
        ]
        with ring.gates.api(after="DeleteVolume") as gate:
            destroy = Update(ring, *DESTROY_COMMAND, *targets, "--target-dependents")
            gate.wait("ec2 DeleteVolume: 200", by=destroy)
            destroy.kill()

        for verb, at in KILLED.items():
            rebuild.killed(verb, at)
            fails(verb)
            if verb == "tools":
                with rebuild.held("install"):
                    new = rebuild.host().rpartition("/")[2]
                    ring.aws("ec2", "reboot-instances", "--instance-ids", new)
                    fails("install")
            if verb == "server":
                with (
                    rebuild.held(verb, "run systemctl start"),
                    broken(survivor.names, clients, RESET, SSH),
                ):
                    fails(verb)
            if verb == "seed":
                # A pause in the line is not an end of it: this update goes on to the next verb.
                with ExitStack() as hole:
                    with rebuild.held(verb, COPIES):
                        hole.enter_context(broken(survivor.names, clients, BLACK_HOLE, SSH))
                    within(
                        LOST_SECONDS,
                        "packets are lost",
                        lambda: dropped(survivor.names, clients),
                    )
                    time.sleep(SILENT_SECONDS)

        begun = time.monotonic()
        ring.up()
        figure("last up took", time.monotonic() - begun)
        nothing_is_lost(ring, load, table)
