"""A node is made anew from its peer, and each verb of the node tool is killed at all that it does.

Before each file that it writes, each statement that it sends and each program that it starts, and
while that program is at work. Then the verb runs to its end. The peer takes writes all the time.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import nothing_is_lost
from hosts import Node
from labs import Lab, resource, step_name
from load import Load
from rebuild import Rebuild, fill
from updates import UP_COMMAND, Update
from verbs import Verbs

pytestmark = pytest.mark.updates

Figure = Callable[[str, float], None]

ON_THE_NEW_NODE = ("tools", "install", "tls", "config", "server", "accounts")
CLIENT = "sudo mysql --defaults-file=/root/.my.cnf --batch"
OTHER_FILES = "cd /etc/mysql/ssl && echo | sudo tee -a CA.pem mysql.pem mysql.key"
SERVER = "systemctl show --property=MainPID mysql"
# What must be among the cuts, or the half states that matter were not there.
MOMENTS = {
    "tools": "rename /opt/mysql-ring/releases/",
    "install": "at work, with it",
    "tls": "rename /etc/mysql/ssl/",
    "config": "run systemctl restart mysql.service (1) at work, alone",
    "server": "run setpriv --reuid=mysql",
    "accounts": "send GRANT",
    "seed": "run setpriv --pdeathsig KILL -- myloader",
    "replicate": "send START SLAVE",
}


def test_a_verb_killed_at_all_that_it_does_ends_in_the_same_ring(
    ring: Lab, nodes: list[Node], rebuild: Rebuild, tmp_path: Path, figure: Figure
) -> None:
    survivor, lost = nodes
    table = fill(survivor)
    verbs = Verbs(ring)
    cuts: dict[str, list[str]] = {}
    with Load([survivor], tmp_path) as load:
        instance = ring.urn(resource(lost.name, "instance"))
        rebuild.update = Update(ring, *UP_COMMAND, "--replace", instance)
        rebuild.killed("tools")
        rebuild.fails(step_name(lost.name, "tools"))

        verbs.replaced(lost.id, rebuild.host().rpartition("/")[2])
        begun = time.monotonic()
        for node in (lost, survivor):
            verbs.deliver(node.name)
        for verb in ON_THE_NEW_NODE:
            cuts[verb] = verbs.cut(lost.name, verb)
        cuts["seed"] = verbs.cut(survivor.name, "seed") + verbs.cut(lost.name, "seed")
        cuts["replicate"] = verbs.cut(lost.name, "replicate")
        cuts["replicate"] += verbs.cut(survivor.name, "replicate")
        cuts["verify"] = verbs.cut(lost.name, "verify")
        for node in (lost, survivor):
            assert verbs.run(node.name, "verify")["both_threads"]
        whole = time.monotonic()
        restarts_are_cut(verbs, lost.name, cuts)
        figure("with restarts for", time.monotonic() - whole)
        figure("killed and run again for", time.monotonic() - begun)
        for verb, found in cuts.items():
            figure(f"times {verb} was killed", len(found))
        assert all(cuts.values()), cuts
        for verb, moment in MOMENTS.items():
            assert any(moment in cut for cut in cuts[verb]), (verb, cuts[verb])

        ring.up()
        nothing_is_lost(ring, load, table)


def restarts_are_cut(verbs: Verbs, node: str, cuts: dict[str, list[str]]) -> None:
    """The ring is whole, and a changed file of one node asks for a restart of its server."""
    text = verbs.document(node, "config")
    changed = f"{text}\n[mysqld]\ntmp_table_size = 48M\n"
    restart = verbs.cut(node, "config", changed)
    cuts["config"] += restart
    assert verbs.shell(node, f"{CLIENT} -Ne 'SELECT @@tmp_table_size'") == str(48 * 1024**2)
    assert not verbs.run(node, "config", changed)["changed"], "no restart is due any more"
    verbs.run(node, "config")

    broken = f"{text}\n[mysqld]\ninnodb_data_file_path = ibdata1:999M\n"
    cuts["config"].append(verbs.cut_once(node, "config", broken, restart))
    assert verbs.shell(node, f"{CLIENT} -e 'SELECT 1' || echo down").endswith("down")
    verbs.run(node, "config")
    assert verbs.shell(node, f"{CLIENT} -Ne 'SELECT 1'") == "1"

    server = verbs.shell(node, SERVER)
    verbs.shell(node, OTHER_FILES)
    cuts["tls"] += verbs.cut(node, "tls", known=restart)
    assert verbs.shell(node, SERVER) != server, "it reads its certificates when it starts"
