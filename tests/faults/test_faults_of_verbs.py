"""A node is made anew from its peer, and each verb of the node tool is killed at all that it does.

Before each file that it writes, each statement that it sends and each program that it starts, and
while that program is at work. Then the verb runs to its end. The peer takes writes all the time.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import server_files
from conftest import nothing_is_lost
from hosts import Node
from labs import Lab, resource, step_name
from load import Load
from rebuild import Rebuild, fill
from updates import UP_COMMAND, Update
from verbs import Verbs

pytestmark = pytest.mark.losses

Figure = Callable[[str, float], None]

BEFORE_THE_SECOND_INTERFACE = ("tools", "install")
ON_THE_NEW_NODE = ("volume", "tls", "config", "server", "accounts")
CLIENT = "sudo mysql --defaults-file=/root/.my.cnf --batch"
OTHER_FILES = "cd /etc/mysql/ssl && echo | sudo tee -a CA.pem mysql.pem mysql.key"
SERVER = "systemctl show --property=MainPID mysql"
VOLUME = "/srv/mysql-ring"
# The first effect of a seed when all of the copy is there: a server on it, which proves it.
PROOF = "run setpriv --reuid=mysql"
# Of the statements to that server some stand for all: nothing of the copy counts yet.
ALIKE = r"send (DELETE|DROP|UPDATE|GRANT (?!USAGE))|remove /srv/mysql-ring/arriving/N/log"
# What `rejoin --discard` does in another state than seed and replicate, which it ends with.
DISCARDS = (
    "run systemctl stop --no-block mysql.service (1)",
    "go on with what",
    f"rename {VOLUME}/.current",
)
# What must be among the cuts, or the half states that matter were not there.
MOMENTS = {
    "tools": ("rename /opt/mysql-ring/releases/",),
    "install": ("at work, with it",),
    "volume": ("run mkfs.xfs", "run mount"),
    "tls": ("rename /etc/mysql/ssl/",),
    "config": ("rename /etc/mysql/conf.d/", "rename /etc/mysql-ring/waiting/"),
    "restart": (
        "rename /etc/mysql-ring/former/",
        "rename /etc/mysql/conf.d/",
        "run systemctl restart mysql.service (1) at work, alone",
        "remove /etc/mysql-ring/former/",
    ),
    "server": ("run setpriv --reuid=mysql", f"rename {VOLUME}/.current"),
    "accounts": ("send GRANT",),
    "seed": (
        "run setpriv --pdeathsig KILL -- tar --extract",
        "go on with what is received",
        f"{PROOF} --regid=mysql",
        "send RESET SLAVE ALL",
        f"rename {VOLUME}/arriving/",
        f"rename {VOLUME}/.current",
    ),
    "send": (
        f"write {VOLUME}/snapshots/N/*",
        "send FLUSH TABLES WITH READ LOCK",
        "send UNLOCK TABLES",
        "run setpriv --pdeathsig KILL -- tar --create",
        "go on with what is sent",
    ),
    "replicate": ("send START SLAVE",),
    "rejoin": ("run systemctl stop", "go on with what is received", f"rename {VOLUME}/.current"),
}


def test_a_verb_killed_at_all_that_it_does_ends_in_the_same_ring(
    ring: Lab, nodes: list[Node], rebuild: Rebuild, tmp_path: Path, figure: Figure
) -> None:
    survivor, lost = nodes
    table = fill(survivor)
    verbs = Verbs(ring)
    cuts: dict[str, list[str]] = {}
    with Load([survivor], tmp_path) as load:
        volume, instance = (
            ring.urn(resource(lost.name, part)) for part in ("data-volume", "instance")
        )
        former = volume_id(ring, volume)
        replaced = ("--replace", volume, "--replace", instance)
        rebuild.update = Update(ring, *UP_COMMAND, *replaced)
        rebuild.killed("tools")
        rebuild.fails(step_name(lost.name, "tools"))

        verbs.replaced(lost.id, rebuild.host().rpartition("/")[2])
        verbs.replaced(former, volume_id(ring, volume))
        begun = time.monotonic()
        for node in (lost, survivor):
            verbs.deliver(node.name)
        for verb in BEFORE_THE_SECOND_INTERFACE:
            cuts[verb] = verbs.cut(lost.name, verb)
        rebuild.killed(ON_THE_NEW_NODE[0])
        rebuild.fails(step_name(lost.name, ON_THE_NEW_NODE[0]))
        for verb in ON_THE_NEW_NODE:
            cuts[verb] = verbs.cut(lost.name, verb)
        copies_are_cut(verbs, survivor.name, lost.name, load, cuts)
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
        for verb, moments in MOMENTS.items():
            for moment in moments:
                assert any(moment in cut for cut in cuts[verb]), (verb, moment, cuts[verb])

        ring.up()
        nothing_is_lost(ring, load, table)


def volume_id(ring: Lab, urn: str) -> str:
    """The data volume that the state has now; not the former one, which is to be deleted."""
    (found,) = (
        each["id"] for each in ring.resources() if each["urn"] == urn and not each.get("delete")
    )
    return found


def copies_are_cut(
    verbs: Verbs, survivor: str, lost: str, load: Load, cuts: dict[str, list[str]]
) -> None:
    """The copy at both its ends, the joining of both nodes, and a copy by hand."""

    def nothing_stands_there(cut: str) -> None:
        load.advance(2)  # no lock is left
        assert left(verbs, survivor, "snapshots") == [], cut

    seed = verbs.cut(survivor, "seed")
    early = verbs.cut(lost, "seed", passed=ALIKE, until=PROOF)
    cuts["send"] = verbs.cut_sender(survivor, lost, early[:-1], nothing_stands_there)
    cuts["seed"] = seed + early + verbs.cut(lost, "seed", known=early, passed=ALIKE)
    only_one_whole_copy_is_there(verbs, survivor, lost)

    cuts["replicate"] = verbs.cut(lost, "replicate")
    cuts["replicate"] += verbs.cut(survivor, "replicate")

    known = [cut for cut in cuts["seed"] + cuts["replicate"] if not cut.startswith(DISCARDS)]
    cuts["rejoin"] = verbs.cut(lost, f"rejoin --discard {lost}", known=known, passed=ALIKE)
    verbs.run(survivor, "rejoin")
    only_one_whole_copy_is_there(verbs, survivor, lost)


def only_one_whole_copy_is_there(verbs: Verbs, survivor: str, lost: str) -> None:
    assert left(verbs, survivor, "snapshots") == left(verbs, lost, "arriving") == []
    for node in (survivor, lost):
        assert len(left(verbs, node, "incarnations")) == 1


def left(verbs: Verbs, node: str, folder: str) -> list[str]:
    """What is in a folder of the data volume, without the file of a lock."""
    return verbs.shell(node, f"sudo ls {VOLUME}/{folder}").split()


def restarts_are_cut(verbs: Verbs, node: str, cuts: dict[str, list[str]]) -> None:
    """The ring is whole, and a changed file of one node asks for a restart of its server."""
    text, keys = verbs.document(node, "config"), verbs.document(node, "tls")
    changed = f"{text}\n[mysqld]\nback_log = 70\n"
    wanted = server_files.document(changed, keys)
    cuts["config"] += verbs.cut(node, "config", changed)
    restart = verbs.cut(node, "restart", wanted)
    cuts["restart"] = list(restart)
    assert verbs.shell(node, f"{CLIENT} -Ne 'SELECT @@back_log'") == "70"
    assert not verbs.run(node, "restart", wanted)["changed"], "no restart is due any more"
    verbs.run(node, "config")
    verbs.run(node, "restart")

    broken = f"{text}\n[mysqld]\ninnodb_data_file_path = ibdata1:999M\n"
    verbs.run(node, "config", broken)
    wanted = server_files.document(broken, keys)
    # Each changed setting is tried on the running server first.
    tried = "send SET GLOBAL"
    cuts["restart"].append(verbs.cut_once(node, "restart", wanted, restart, tried))
    assert verbs.shell(node, f"{CLIENT} -e 'SELECT 1' || echo down").endswith("down")
    verbs.run(node, "config")
    verbs.run(node, "restart")
    assert verbs.shell(node, f"{CLIENT} -Ne 'SELECT 1'") == "1"

    server = verbs.shell(node, SERVER)
    verbs.shell(node, OTHER_FILES)
    cuts["tls"] += verbs.cut(node, "tls", known=restart)
    assert verbs.shell(node, SERVER) != server, "it reads its certificates when it starts"
