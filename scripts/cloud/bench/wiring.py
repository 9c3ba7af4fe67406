"""Wiring two prepared nodes, up to the first heartbeat both ways: the verbs seed and replicate
against the same statements sent by hand."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from cloud.bench.figures import Figure
from cloud.bench.hosts import Hosts
from cloud.bench.place import Place
from cloud.cli.nodes import Nodes

CLIENT = "sudo mariadb --defaults-extra-file=/root/.my.cnf --skip-ssl --batch --skip-column-names"
ALONE_SECONDS = 30  # of the setting openWithoutPeerSeconds; no node waits for it here
END_SECONDS = 120
AIM_SECONDS_MORE = 0.5
POSITION = ("FLUSH TABLES WITH READ LOCK", "SHOW MASTER STATUS", "UNLOCK TABLES")
ADD_BEAT = "INSERT INTO mysql_ring.heartbeat (server_id) VALUES ({})"
BEAT = (
    "UPDATE mysql_ring.heartbeat SET beat = UTC_TIMESTAMP(6), generation = generation + 1"
    " WHERE server_id = {}"
)
Half = Callable[[], object]
Way = tuple[Half, Half]  # what each node needs to know of the other; then to follow it


def measure(place: Place, repeat: int, say: Callable[[str], None]) -> Figure:
    """In turns: the verbs, the statements with ssh and a client, the statements on connections
    that are open already. Between turns both nodes go back to being prepared."""
    place.require_ring()
    hosts = Hosts(Nodes(place.lab))
    samples: dict[str, list[float]] = {"verbs": [], "by hand": [], "open": []}
    second_halves: dict[str, list[float]] = {name: [] for name in samples}
    ways = {"verbs": _verbs, "by hand": _by_hand, "open": _on_open_connections}
    for turn in range(repeat):
        say(f"wiring: turn {turn + 1} of {repeat}")
        for name, way in ways.items():
            hosts.both(lambda node: hosts.ask(node, "reset"))
            with way(hosts) as wire:
                whole, second_half = _until_first_beats(hosts, wire)
                samples[name].append(whole)
                second_halves[name].append(second_half)
    hosts.both(lambda node: hosts.ask(node, "reset"))
    with _verbs(hosts) as wire:
        for half in wire:
            half()
    hosts.nodes.verify()
    return Figure(
        "wiring",
        "seed and replicate to first heartbeats both ways",
        "the same statements by hand: ssh and a client",
        samples["verbs"],
        samples["by hand"],
        aim=AIM_SECONDS_MORE,
        by_difference=True,
        extra={
            "wiring_more_than_by_hand_seconds": _more(samples),
            "wiring_replicate_more_than_by_hand_seconds": _more(second_halves),
            "wiring_open_connections_seconds": min(samples["open"]),
        },
    )


def _more(samples: dict[str, list[float]]) -> float:
    return min(samples["verbs"]) - min(samples["by hand"])


def _until_first_beats(hosts: Hosts, wire: Way) -> tuple[float, float]:
    """Seconds from the begin of each half until each node has read the other's first heartbeat."""
    ids = {name: str(hosts.nodes.all[name]["serverId"]) for name in hosts.names}
    watching = hosts.both(lambda name: hosts.start(name, "watch", ids[hosts.peer(name)]))
    begun = []
    for half in wire:
        begun.append(time.time())
        half()
    seen = [
        json.loads(process.communicate(timeout=END_SECONDS)[0]) for process in watching.values()
    ]
    return max(seen) - begun[0], max(seen) - begun[1]


@contextmanager
def _verbs(hosts: Hosts) -> Iterator[Way]:
    """As the program does it: one connection per verb, both nodes side by side."""
    documents = hosts.nodes.verify_documents()

    def half(verb: str) -> None:
        more = {"open_without_peer_seconds": ALONE_SECONDS} if verb == "replicate" else {}
        hosts.nodes.each(verb, {name: {**each, **more} for name, each in documents.items()})

    yield partial(half, "seed"), partial(half, "replicate")


@contextmanager
def _by_hand(hosts: Hosts) -> Iterator[Way]:
    """Two connections per node: one to read the place in the log, one to follow the peer's."""

    def send(node: str, statements: list[str]) -> list[list[str]]:
        text = "".join(f"{statement};\n" for statement in statements)
        return [line.split("\t") for line in hosts.run(node, CLIENT, text).splitlines()]

    yield _halves(hosts, lambda node: send(node, [*_rows(hosts), *POSITION])[0][:2], send)


@contextmanager
def _on_open_connections(hosts: Hosts) -> Iterator[Way]:
    """Nothing but the statements: what no tool can go below."""
    sessions = hosts.both(lambda node: hosts.start(node, "session"))

    def send(node: str, statements: list[str]) -> list[Any]:
        answers = []
        for statement in statements:
            process = sessions[node]
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(statement) + "\n")
            process.stdin.flush()
            answers.append(json.loads(process.stdout.readline()))
        return answers

    def place(node: str) -> list[str]:
        status = send(node, [*_rows(hosts), *POSITION])[-2][0]
        return [status["File"], str(status["Position"])]

    try:
        yield _halves(hosts, place, send)
    finally:
        for process in sessions.values():
            process.communicate(timeout=END_SECONDS)


def _halves(
    hosts: Hosts, place: Callable[[str], list[str]], send: Callable[[str, list[str]], object]
) -> Way:
    """Each node's place in its log, then each follows from the other's place."""
    outputs = hosts.nodes.outputs
    password: str = outputs["passwords"][outputs["users"]["replication"]]
    places: dict[str, list[str]] = {}

    def follow(node: str) -> None:
        send(node, _follow(hosts, node, places[hosts.peer(node)], password))

    return lambda: places.update(hosts.both(place)), lambda: hosts.both(follow)


def _rows(hosts: Hosts) -> list[str]:
    """The rows of both nodes, which each server needs before it replicates them."""
    ids = sorted(node["serverId"] for node in hosts.nodes.all.values())
    return [
        "SET SESSION sql_log_bin = 0",
        *(ADD_BEAT.format(each) for each in ids),
        "SET SESSION sql_log_bin = 1",
    ]


def _follow(hosts: Hosts, node: str, place: list[str], password: str) -> list[str]:
    """Follow the peer, take writes, beat once."""
    own, peer = hosts.nodes.all[node], hosts.nodes.all[hosts.peer(node)]
    stated = {
        "MASTER_HOST": f"'{peer['replicationAddress']}'",
        "MASTER_BIND": f"'{own['replicationAddress']}'",
        "MASTER_USER": f"'{hosts.nodes.outputs['users']['replication']}'",
        "MASTER_PASSWORD": f"'{password}'",
        "MASTER_SSL": "1",
        "MASTER_SSL_CA": "'/etc/mysql/ssl/CA.pem'",
        "MASTER_SSL_VERIFY_SERVER_CERT": "1",
        "MASTER_CONNECT_RETRY": "2",
        "MASTER_LOG_FILE": f"'{place[0]}'",
        "MASTER_LOG_POS": place[1],
    }
    return [
        "CHANGE MASTER TO " + ", ".join(f"{key} = {value}" for key, value in stated.items()),
        "START SLAVE",
        "SHOW SLAVE STATUS",
        "SET GLOBAL read_only = 0",
        BEAT.format(own["serverId"]),
    ]
