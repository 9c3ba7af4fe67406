"""Another CA on a running ring: both nodes get its certificates, one after the other."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import server_files
from labs import NODES, PEER, ROOT, Lab, eventually
from steps import SERVER, Steps
from waits import PATIENCE

pytestmark = pytest.mark.lab

SCRIPTS = ROOT / "scripts" / "keys"
# Prints when the server did not greet, by the clock that all hosts of a machine share.
WATCH = """
import select, socket, sys, time
print("watching", flush=True)
while not select.select([sys.stdin], [], [], 0.02)[0]:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect("/run/mysqld/mysqld.sock")
            greeted = probe.recv(5)
        except OSError:
            greeted = b""
        if not greeted:
            print(time.monotonic(), flush=True)
"""


class Watch:
    """Looks at a node's server all the time, from the host itself."""

    def __init__(self, lab: Lab, node: str) -> None:
        self._process = lab.popen_on(node, f"python3 -c '{WATCH}'")
        assert self._process.stdout is not None
        assert "watching\n" in iter(self._process.stdout.readline, "")

    def down(self) -> tuple[float, float]:
        """From when to when the server did not greet."""
        output, _ = self._process.communicate("\n", timeout=30 * PATIENCE)
        times = [float(line) for line in output.split()]
        assert times, "the server was restarted, so it cannot have greeted all the time"
        return min(times), max(times)


@pytest.fixture
def own_keys(steps: Steps) -> Iterator[None]:
    """The ring has the certificates of its settings again afterwards."""
    yield
    for node in NODES:
        steps.run(node, "tls")
    steps.wait_until_whole()


def new_keys(ring: Lab) -> dict[str, str]:
    """The document of `tls` for each node, with certificates of a CA of its own."""
    authority = _script("authority")
    both = authority["certificate"] + "\n" + authority["key"]
    found = {}
    for node, given in ring.outputs()["nodes"].items():
        addresses = given["replicationAddress"], given["clientAddress"]
        made = _script("server-certificate", node, *addresses, stdin=both)
        found[node] = json.dumps({"ca": authority["certificate"], **made})
    return found


def _script(name: str, *arguments: str, stdin: str = "") -> dict[str, Any]:
    done = subprocess.run(
        [SCRIPTS / name, *arguments], input=stdin, text=True, capture_output=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.usefixtures("own_keys")
def test_a_new_ca_goes_round_the_ring_while_one_node_always_serves(
    ring: Lab, steps: Steps, table: str
) -> None:
    first, second = NODES
    new = new_keys(ring)
    done = steps.run(first, "tls", new[first])
    assert any(f"not healthy until {second} can be asked" in note for note in done["notes"])
    # Neither trusts the other now: both take writes, and keep them for each other.
    for node in NODES:
        ring.sql(node, f"INSERT INTO {table} (node) VALUES ('{node}')")
        assert ring.sql(node, f"SELECT node FROM {table}") == [[node]], "they do not replicate"
    assert "notes" not in steps.run(second, "tls", new[second]), "it saw the ring whole"
    for node in NODES:
        eventually(
            lambda node=node: ring.sql(node, f"SELECT node FROM {table} ORDER BY node"),
            lambda rows: rows == [[n] for n in NODES],
            f"the rows of both on {node}",
        )
        eventually(
            lambda node=node: ring.slave_status(node)["Slave_IO_Running"],
            lambda running: running == "Yes",
            f"a slave of {PEER[node]}",
        )

    # Back to the old one, on both nodes at once: they take turns.
    watches = [Watch(ring, node) for node in NODES]
    for verb in [steps.begin(node, "tls") for node in NODES]:
        verb.end()
    (begin, end), (other_begin, other_end) = sorted(watch.down() for watch in watches)
    assert begin <= end < other_begin <= other_end
    steps.wait_until_whole()


@pytest.mark.usefixtures("own_keys")
def test_another_password_for_asking_the_peer_goes_round_together_with_a_ca_and_a_my_cnf(
    ring: Lab, steps: Steps
) -> None:
    """As the next update finds it, after one that died between both nodes' `accounts`."""
    keys, word, accounts, texts = new_keys(ring), secrets.token_hex(12), {}, {}
    for node in NODES:
        document = json.loads(steps.document(node, "accounts"))
        document["peer"]["password"] = word
        accounts[node] = json.dumps(document)
        texts[node] = f"{steps.document(node, 'config')}\n[mysqld]\nback_log = 70\n"
    try:
        steps.run(NODES[0], "accounts", accounts[NODES[0]])
        for node in NODES:
            assert "Access denied" in steps.run(node, "verify", expect=SERVER)["found"]
        for verb, documents in (("tls", keys), ("config", texts), ("accounts", accounts)):
            for node in NODES:
                steps.run(node, verb, documents[node])
        for node in NODES:
            wanted = server_files.document(texts[node], keys[node])
            assert steps.run(node, "restart", wanted)["changed"]
        steps.wait_until_whole()
        for node in NODES:
            steps.run(node, "verify")
            assert ring.value(node, "SELECT @@back_log") == "70"
    finally:
        for verb in ("accounts", "tls", "config", "restart"):
            for node in NODES:
                steps.run(node, verb)
