"""Wiring two prepared nodes, up to the first heartbeat both ways: the verbs seed and replicate
against the same statements sent by hand."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from cloud.bench.figures import Figure
from cloud.bench.hosts import Hosts
from cloud.bench.place import Place
from cloud.cli.nodes import Nodes

CLIENT = "sudo mariadb --defaults-extra-file=/root/.my.cnf --skip-ssl --batch --skip-column-names"
END_SECONDS = 120
AIM_SECONDS_MORE = 0.5
POSITION = ("FLUSH TABLES WITH READ LOCK", "SHOW MASTER STATUS", "UNLOCK TABLES")
ADD_BEAT = "INSERT INTO mysql_ring.heartbeat (server_id) VALUES ({})"
BEAT = "UPDATE mysql_ring.heartbeat SET beat = UTC_TIMESTAMP(6) WHERE server_id = {}"
Way = Callable[[], None]


def measure(place: Place, repeat: int, say: Callable[[str], None]) -> Figure:
    """In turns: the verbs, the statements with ssh and a client, the statements on connections
    that are open already. Between turns both nodes go back to being prepared."""
    place.require_ring()
    hosts = Hosts(Nodes(place.lab))
    samples: dict[str, list[float]] = {"verbs": [], "by hand": [], "open": []}
    ways = {"verbs": _verbs, "by hand": _by_hand, "open": _on_open_connections}
    for turn in range(repeat):
        say(f"wiring: turn {turn + 1} of {repeat}")
        for name, way in ways.items():
            hosts.both(lambda node: hosts.ask(node, "reset"))
            with way(hosts) as wire:
                samples[name].append(_until_first_beats(hosts, wire))
    hosts.both(lambda node: hosts.ask(node, "reset"))
    with _verbs(hosts) as wire:
        wire()
    hosts.nodes.verify()
    more = median(samples["verbs"]) - median(samples["by hand"])
    return Figure(
        "wiring",
        "seed and replicate to first heartbeats both ways",
        "the same statements by hand: ssh and a client",
        samples["verbs"],
        samples["by hand"],
        aim=AIM_SECONDS_MORE,
        by_difference=True,
        extra={
            "wiring_more_than_by_hand_seconds": more,
            "wiring_open_connections_seconds": median(samples["open"]),
        },
    )


def _until_first_beats(hosts: Hosts, wire: Way) -> float:
    """Seconds from the begin of `wire` until each node has read the other's first heartbeat."""
    ids = {name: str(hosts.nodes.all[name]["server_id"]) for name in hosts.names}
    watching = hosts.both(lambda name: hosts.start(name, "watch", ids[hosts.peer(name)]))
    begun = time.time()
    wire()
    seen = [
        json.loads(process.communicate(timeout=END_SECONDS)[0]) for process in watching.values()
    ]
    return max(seen) - begun


@contextmanager
def _verbs(hosts: Hosts) -> Iterator[Way]:
    """As the program does it: one connection per verb, both nodes side by side."""
    documents = hosts.nodes.verify_documents()

    def wire() -> None:
        for verb in ("seed", "replicate"):
            hosts.nodes.each(verb, documents)

    yield wire


@contextmanager
def _by_hand(hosts: Hosts) -> Iterator[Way]:
    """Two connections per node: one to read the place in the log, one to follow the peer's."""
    passwords = _password(hosts)

    def send(node: str, statements: list[str]) -> list[list[str]]:
        text = "".join(f"{statement};\n" for statement in statements)
        return [line.split("\t") for line in hosts.run(node, CLIENT, text).splitlines()]

    def wire() -> None:
        places = hosts.both(lambda node: send(node, [*_rows(hosts), *POSITION])[0][:2])
        hosts.both(
            lambda node: send(node, _follow(hosts, node, places[hosts.peer(node)], passwords))
        )

    yield wire


@contextmanager
def _on_open_connections(hosts: Hosts) -> Iterator[Way]:
    """Nothing but the statements: what no tool can go below."""
    passwords = _password(hosts)
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

    def wire() -> None:
        places = hosts.both(place)
        hosts.both(
            lambda node: send(node, _follow(hosts, node, places[hosts.peer(node)], passwords))
        )

    try:
        yield wire
    finally:
        for process in sessions.values():
            process.communicate(timeout=END_SECONDS)


def _password(hosts: Hosts) -> str:
    return hosts.nodes.outputs["passwords"]["replication"]


def _rows(hosts: Hosts) -> list[str]:
    """The rows of both nodes, which each server needs before it replicates them."""
    ids = sorted(node["server_id"] for node in hosts.nodes.all.values())
    return [
        "SET SESSION sql_log_bin = 0",
        *(ADD_BEAT.format(each) for each in ids),
        "SET SESSION sql_log_bin = 1",
    ]


def _follow(hosts: Hosts, node: str, place: list[str], password: str) -> list[str]:
    """Follow the peer, take writes, beat once."""
    own, peer = hosts.nodes.all[node], hosts.nodes.all[hosts.peer(node)]
    stated = {
        "MASTER_HOST": f"'{peer['replication_address']}'",
        "MASTER_BIND": f"'{own['replication_address']}'",
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
        BEAT.format(own["server_id"]),
    ]
