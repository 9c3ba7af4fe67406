"""The article's query cache serves rows that are gone; the ring's keeps none unasked.

A SELECT that runs while the slave applies a row can leave the old row in the cache. Nothing takes
it out before the table changes again.
"""

import json
from collections.abc import Iterator

import pytest
from labs import Lab
from waits import PATIENCE

pytestmark = pytest.mark.lab

ALL, DEMAND = "ON", "DEMAND"
# Some hundreds of updates, of which a few meet a SELECT at the wrong moment.
SECONDS_TO_BITE = 300
READS = 20

# Reads one row all the time, beside a reader that compares it with the row in the table. A row
# counts as stale when the cache still has another one 20 ms later. Ends with the first stale row.
READ = """
import configparser, json, threading, time
import pymysql
login = configparser.ConfigParser(allow_no_value=True)
login.read("/root/.my.cnf")
row = "FROM {table} WHERE id = 1"
end = time.monotonic() + {seconds}
stale = False
def connect():
    return pymysql.connect(unix_socket="/run/mysqld/mysqld.sock", user="root",
        password=login["client"]["password"].strip('"'), autocommit=True).cursor()
def value(cursor, what):
    cursor.execute("SELECT " + what + " v " + row)
    return cursor.fetchone()[0]
def spin():
    cursor = connect()
    while time.monotonic() < end and not stale:
        value(cursor, "")
readers = [threading.Thread(target=spin) for _ in range(4)]
for reader in readers:
    reader.start()
cursor = connect()
while time.monotonic() < end and not stale:
    if value(cursor, "") != value(cursor, "SQL_NO_CACHE"):
        before = value(cursor, "SQL_NO_CACHE")
        time.sleep(0.02)
        cached = value(cursor, "")
        stale = cached != before and before == value(cursor, "SQL_NO_CACHE")
for reader in readers:
    reader.join()
print(json.dumps(stale))
"""


@pytest.fixture
def row(ring: Lab) -> Iterator[str]:
    name = "app.cached"
    table = f"CREATE TABLE {name} (id INT PRIMARY KEY, v INT)"
    ring.sql("node-1", f"{table}; INSERT INTO {name} VALUES (1, 0)")
    yield name
    ring.sql("node-2", f"SET GLOBAL query_cache_type = {DEMAND}")
    ring.sql("node-1", f"DROP TABLE {name}")


def stale_row_served(ring: Lab, row: str) -> bool:
    """Write on node-1 while node-2, which caches everything, is read."""
    ring.sql("node-2", f"SET GLOBAL query_cache_type = {ALL}")
    writer = ring.popen_sql("node-1")
    assert writer.stdin is not None
    update = f"UPDATE {row} SET v = v + 1 WHERE id = 1; DO SLEEP(0.05);\n"
    writer.stdin.write(update * (SECONDS_TO_BITE * 20))
    writer.stdin.close()
    try:
        script = READ.format(table=row, seconds=SECONDS_TO_BITE)
        printed = ring.ssh("node-2", "sudo python3 -", stdin=script, timeout=SECONDS_TO_BITE + 60)
    finally:
        writer.terminate()
        writer.wait(timeout=30 * PATIENCE)
    return json.loads(printed)


def test_the_articles_query_cache_serves_rows_that_the_peer_has_changed(
    ring: Lab, row: str
) -> None:
    assert stale_row_served(ring, row), f"no stale row in {SECONDS_TO_BITE} s: is the fault gone?"


def test_the_rings_query_cache_keeps_only_answers_that_are_asked_for_with_sql_cache(
    ring: Lab, row: str
) -> None:
    def kept(hint: str) -> int:
        """How many answers the cache took in while the row was read."""
        count = "SHOW GLOBAL STATUS LIKE 'Qcache_inserts';"
        read = f"SELECT {hint} v FROM {row} WHERE id = 1;"
        answers = ring.sql("node-1", f"{count} {read * READS} {count}")
        before, after = (int(line[1]) for line in answers if line[0] == "Qcache_inserts")
        return after - before

    assert ring.value("node-1", "SELECT @@GLOBAL.query_cache_type") == DEMAND
    assert kept("") == 0, "what is not kept cannot be stale"
    assert kept("SQL_CACHE") == 1, "the count would show it"
