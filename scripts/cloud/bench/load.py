"""sysbench on the ring under our my.cnf and under the article's, and the replication lag."""

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from string import Template
from typing import Any, TypeVar

from cloud.bench.figures import Figure, percentile
from cloud.bench.hosts import Hosts
from cloud.bench.place import Place
from cloud.cli.errors import LabError
from cloud.cli.nodes import Nodes

ARTICLE = Path(__file__).with_name("article.cnf")
SECONDS = 20
WARM_UP_SECONDS = 5
SETTLE_SECONDS = 630.0
THREADS = 4
LOGIN = "/run/mysql-ring-sysbench.cfg"
TABLE_NAMES = tuple(f"sbtest{number}" for number in range(1, 5))
ROWS = 25000  # of each table
MANY_ROWS = 1 << 19
"""Likewise: with InnoDB's logs and its undo, somewhat more than 1 GB of files."""
FILL_SECONDS = 900.0
TEST = "oltp_read_write"
ACCOUNT = "sysbench"
TRANSACTIONS = re.compile(r"transactions:\s+(?P<count>\d+)\s+\((?P<rate>[\d.]+) per sec\.\)")
APT = (
    "sudo DEBIAN_FRONTEND=noninteractive apt-get -qq update && "
    "sudo DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends sysbench"
)
OURS, ARTICLES = "our", "the article's"
Rings = tuple[Hosts, Hosts]
T = TypeVar("T")


def tables(rows: int) -> tuple[str, ...]:
    """sysbench's arguments of tables with so many rows each."""
    return f"--tables={len(TABLE_NAMES)}", f"--table-size={rows}", f"--threads={THREADS}"


def rate(output: str) -> float:
    """Transactions per second, as sysbench says it."""
    return float(_match(output)["rate"])


def transactions(output: str) -> int:
    """How many it made."""
    return int(_match(output)["count"])


def _match(output: str) -> re.Match[str]:
    match = TRANSACTIONS.search(output)
    if match is None:
        raise LabError(
            f"found no transactions in sysbench's output: {output[-500:]!r}; expected its summary; "
            "run sysbench on the node by hand"
        )
    return match


def article_text(node: dict[str, Any]) -> str:
    """The article's my.cnf of a node; its offset is the server id there."""
    return Template(ARTICLE.read_text()).substitute(
        server_id=node["serverId"], replication_address=node["replicationAddress"]
    )


def measure(place: Place, repeat: int, say: Callable[[str], None]) -> Figure:
    """Two rings bear the same load at the same time, one under each my.cnf, and then the other way
    round: what the machine's host takes away, it takes from both."""
    place.require_ring()
    other = place.beside("second")
    try:
        say("sysbench: a second ring")
        other.renew()
        other.up()
        return _compare((Hosts(Nodes(place.lab)), Hosts(Nodes(other.lab))), repeat, say)
    finally:
        other.clear()


def _compare(rings: Rings, repeat: int, say: Callable[[str], None]) -> Figure:
    """The loads run on each ring's first node, over its socket, after one that does not count: a
    young server gets faster for a while."""
    say("sysbench: install it, fill its tables, a load that does not count")
    texts = _texts(rings[0])
    _side_by_side(_prepare, rings)
    rates: dict[str, list[float]] = {OURS: [], ARTICLES: []}
    lags: dict[str, list[float]] = {OURS: [], ARTICLES: []}
    for turn in range(repeat):
        found: dict[str, list[float]] = {OURS: [], ARTICLES: []}
        for placed in ((OURS, ARTICLES), (ARTICLES, OURS)):
            say(f"sysbench: turn {turn + 1} of {repeat}, {' beside '.join(placed)} my.cnf")
            _side_by_side(_configure, rings, [texts[whose] for whose in placed])
            for whose, (measured, delays) in zip(placed, _side_by_side(_load, rings), strict=True):
                found[whose].append(measured)
                lags[whose] += delays
        for whose, both in found.items():
            rates[whose].append(mean(both))
        say(
            f"sysbench: {rates[OURS][-1]:.0f} transactions per second under our my.cnf, "
            f"{rates[ARTICLES][-1]:.0f} under the article's"
        )
    return Figure(
        "sysbench",
        "sysbench oltp_read_write under our my.cnf",
        "the same under the article's my.cnf",
        rates[OURS],
        rates[ARTICLES],
        1.0,
        1.0,
        more_is_better=True,
        unit="transactions_per_second",
        extra={
            "replication_lag_p50_ms": percentile(lags[OURS], 0.5),
            "replication_lag_p99_ms": percentile(lags[OURS], 0.99),
            "replication_lag_article_p99_ms": percentile(lags[ARTICLES], 0.99),
        },
    )


def _texts(hosts: Hosts) -> dict[str, dict[str, str]]:
    """Both my.cnf of each node. The rings have the same addresses and server ids."""
    return {
        OURS: hosts.both(lambda node: hosts.run(node, "sudo cat /etc/mysql/conf.d/mysqld.cnf")),
        ARTICLES: {node: article_text(hosts.nodes.all[node]) for node in hosts.names},
    }


def _side_by_side(work: Callable[..., T], *arguments: Sequence[Any]) -> list[T]:
    with ThreadPoolExecutor(len(arguments[0])) as pool:
        return list(pool.map(work, *arguments))


def _configure(hosts: Hosts, text: Mapping[str, str]) -> None:
    hosts.both(lambda node: hosts.ask(node, "configure", stdin=text[node]))
    settle(hosts)


def _prepare(hosts: Hosts) -> None:
    writer = hosts.names[0]
    install(hosts, writer)
    sysbench(hosts, writer, "prepare", WARM_UP_SECONDS)
    sysbench(hosts, writer, "run", SECONDS)
    settle(hosts)


def install(hosts: Hosts, writer: str) -> None:
    """sysbench on a node, with an account and a database of its own."""
    password = secrets.token_hex(12)
    hosts.run(writer, APT)
    hosts.run(
        writer,
        "sudo mariadb --defaults-extra-file=/root/.my.cnf --skip-ssl",
        "CREATE DATABASE IF NOT EXISTS sbtest; GRANT ALL ON sbtest.* TO "
        f"'{ACCOUNT}'@'localhost' IDENTIFIED BY '{password}';",
    )
    login = {
        "db-driver": "mysql",
        "mysql-socket": "/run/mysqld/mysqld.sock",
        "mysql-user": ACCOUNT,
        "mysql-password": password,
        "mysql-db": "sbtest",
    }
    text = "".join(f"{key}={value}\n" for key, value in login.items())
    hosts.ask(writer, "private", LOGIN, stdin=text)


def fill(hosts: Hosts, node: str) -> None:
    """sysbench with many rows, on that node alone."""
    install(hosts, node)
    for table in TABLE_NAMES:
        hosts.ask(node, "fill", table, str(MANY_ROWS), seconds=FILL_SECONDS)


def empty(hosts: Hosts, node: str) -> None:
    for table in TABLE_NAMES:
        hosts.ask(node, "drop", table)


def settle(hosts: Hosts) -> None:
    """Each server has applied what the other one has written until now."""
    places = hosts.both(lambda node: hosts.ask(node, "position"))

    def wait(node: str) -> None:
        place = places[hosts.peer(node)]
        hosts.ask(node, "caught_up", place["File"], str(place["Position"]), seconds=SETTLE_SECONDS)

    hosts.both(wait)


def _load(hosts: Hosts) -> tuple[float, list[float]]:
    """Transactions per second, and the lags in ms that were seen meanwhile."""
    writer, reader = hosts.names
    sysbench(hosts, writer, "run", WARM_UP_SECONDS)
    pulse = hosts.start(writer, "pulse", str(SECONDS))
    lag = hosts.start(reader, "lag", str(SECONDS))
    output = sysbench(hosts, writer, "run", SECONDS)
    delays = json.loads(lag.communicate(timeout=120)[0])
    pulse.communicate(timeout=120)
    if not delays:
        raise LabError(
            f"found no pulse of {writer} on {reader}; expected replication while the load runs; "
            f"look at `scripts/lab mysql {reader} -e 'SHOW SLAVE STATUS\\G'`"
        )
    settle(hosts)
    return rate(output), delays


def sysbench(
    hosts: Hosts, node: str, command: str, seconds: int, *, test: str = TEST, rows: int = ROWS
) -> str:
    """What it says, after one of its commands on a node."""
    return hosts.ask(node, "sysbench", LOGIN, test, *tables(rows), f"--time={seconds}", command)
