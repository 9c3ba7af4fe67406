"""The article's query cache serves rows that are gone; the ring's does not.

A SELECT that runs while the slave applies a row can leave the old row in the cache. Nothing takes
it out before the table changes again.
"""

import json
from collections.abc import Iterator

import pytest
from labs import Lab

pytestmark = pytest.mark.lab

ALL, DEMAND = "ON", "DEMAND"
UPDATES = 150
ROUNDS = 5

# Reads one row all the time, beside a reader that compares it with the row in the table. A row
# counts as stale when the cache still has another one 20 ms later.
READ = """
import configparser, json, sys, threading, time
import pymysql
login = configparser.ConfigParser(allow_no_value=True)
login.read("/root/.my.cnf")
row = "FROM {table} WHERE id = 1"
end = time.monotonic() + {seconds}
def connect():
    return pymysql.connect(unix_socket="/run/mysqld/mysqld.sock", user="root",
        password=login["client"]["password"].strip('"'), autocommit=True).cursor()
def value(cursor, what):
    cursor.execute("SELECT " + what + " v " + row)
    return cursor.fetchone()[0]
def spin():
    cursor = connect()
    while time.monotonic() < end:
        value(cursor, "")
readers = [threading.Thread(target=spin) for _ in range(4)]
for reader in readers:
    reader.start()
cursor, seen, stale = connect(), set(), 0
while time.monotonic() < end:
    if value(cursor, "") != value(cursor, "SQL_NO_CACHE"):
        time.sleep(0.02)
        stale += value(cursor, "") != value(cursor, "SQL_NO_CACHE")
    seen.add(value(cursor, "SQL_NO_CACHE"))
print(json.dumps({{"seen": len(seen), "stale": stale}}))
"""


@pytest.fixture
def row(ring: Lab) -> Iterator[str]:
    name = "app.cached"
    ring.sql("node-1", f"CREATE TABLE {name} (id INT PRIMARY KEY, v INT)")
    ring.sql("node-1", f"INSERT INTO {name} VALUES (1, 0)")
    yield name
    ring.sql("node-2", f"SET GLOBAL query_cache_type = {DEMAND}")
    ring.sql("node-1", f"DROP TABLE {name}")


def updates_seen_and_stale(ring: Lab, row: str, kind: str) -> tuple[int, int]:
    """Write on node-1 while node-2 is read: how many values it saw, and how many stale reads."""
    ring.sql("node-2", f"SET GLOBAL query_cache_type = {kind}")
    update = "".join(
        f"UPDATE {row} SET v = v + 1 WHERE id = 1; DO SLEEP(0.05);\n" for _ in range(UPDATES)
    )
    reader = ring.popen("ssh", "node-2", "sudo python3 -")
    assert reader.stdin is not None
    reader.stdin.write(READ.format(table=row, seconds=UPDATES * 0.06 + 1))
    reader.stdin.close()
    reader.stdin = None
    ring.run("mysql", "node-1", stdin=update)
    printed, _ = reader.communicate(timeout=60)
    assert reader.returncode == 0, printed
    found = json.loads(printed.splitlines()[-1])
    return found["seen"], found["stale"]


def test_the_articles_query_cache_serves_rows_that_the_peer_has_changed(
    ring: Lab, row: str
) -> None:
    for _ in range(ROUNDS):
        seen, stale = updates_seen_and_stale(ring, row, ALL)
        assert seen > UPDATES / 2
        if stale:
            return
    pytest.fail(f"no stale row in {ROUNDS} rounds of {UPDATES} updates: is the fault gone?")


def test_the_rings_query_cache_serves_no_stale_row(ring: Lab, row: str) -> None:
    assert ring.value("node-2", "SELECT @@GLOBAL.query_cache_type") == DEMAND
    seen, stale = updates_seen_and_stale(ring, row, DEMAND)
    assert seen > UPDATES / 2
    assert stale == 0
