"""The survivor serves its clients while it is copied: it locks nobody out for long, and says who is
in the way of the lock that a snapshot needs.

Only real servers can show who waits for whose lock.
"""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pymysql
import pytest
from hosts import Node
from labs import NODES, Lab, eventually, hostname
from steps import Running, Steps, parts, session
from waits import PATIENCE

pytestmark = pytest.mark.data

SURVIVOR, LOST = "node-1", "node-2"
DEADLINE = 8  # exit code of ring-node
GATE = "SELECT GET_LOCK('gate', 0)"
# Older than a snapshot bears beside it.
LONG = "SELECT id FROM information_schema.processlist WHERE time >= 3 AND info LIKE '{}%'"
GLOBAL_LOCK = "FLUSH TABLES WITH READ LOCK"
LOCKING = f"SELECT id FROM information_schema.processlist WHERE info = '{GLOBAL_LOCK}'"
FLUSH_WAITS = (
    "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'Waiting for table flush'"
)
LOOK_SECONDS = 2
SHA = "'by_sha'@'%'"


@pytest.fixture
def table(ring: Lab) -> Iterator[str]:
    """A table with two rows, on the survivor and what is copied from it."""
    name = f"app.beside_{time.time_ns()}"
    ring.sql(SURVIVOR, f"CREATE TABLE {name} (id INT AUTO_INCREMENT PRIMARY KEY, note CHAR(9))")
    ring.sql(SURVIVOR, f"INSERT INTO {name} (note) VALUES ('first'), ('second')")
    yield name
    ring.sql(SURVIVOR, f"DROP TABLE {name}")


@pytest.fixture
def other(ring: Lab, table: str) -> Iterator[str]:
    """An empty table like that one."""
    name = f"{table}_2"
    ring.sql(SURVIVOR, f"CREATE TABLE {name} LIKE {table}")
    yield name
    ring.sql(SURVIVOR, f"DROP TABLE {name}")


def begin_copy(steps: Steps) -> Running:
    steps.wait_until_whole()
    return steps.begin(LOST, f"rejoin --discard {LOST}", "")


def is_copied(steps: Steps, copy: Running) -> None:
    """The copy ends well, and the ring is whole again."""
    assert '"copied ' in copy.end()
    steps.begin(SURVIVOR, "rejoin", "").end()
    steps.wait_until_whole()


def write(ring: Lab, table: str) -> None:
    """A row that the survivor acknowledges. A writer that is held up ends in the deadline."""
    ring.sql(SURVIVOR, f"INSERT INTO {table} (note) VALUES ('beside')")


def count(ring: Lab, node: str, table: str) -> int:
    return int(ring.value(node, f"SELECT COUNT(*) FROM {table}"))


def process(ring: Lab, statement: str) -> str:
    """Of a statement that has become a long one."""
    found = eventually(
        lambda: ring.sql(SURVIVOR, LONG.format(statement)), bool, f"{statement} is a long one"
    )
    return found[0][0]


def test_a_lock_that_waits_for_a_long_statement_holds_every_writer_up(
    ring: Lab, table: str, other: str
) -> None:
    with session(ring, SURVIVOR, GATE):
        reader = ring.popen_sql(SURVIVOR, f"SELECT GET_LOCK('gate', 600) FROM {table}")
        process(ring, "SELECT GET_LOCK")
        locker = ring.popen_sql(SURVIVOR, GLOBAL_LOCK)
        (lock,) = eventually(lambda: ring.sql(SURVIVOR, LOCKING), bool, "the lock that waits")
        insert = f"INSERT INTO {other} (note) VALUES ('held')"
        writer = ring.popen_sql(SURVIVOR, insert)
        time.sleep(LOOK_SECONDS)
        assert writer.poll() is None, "not even another table can be written"
        ring.sql(SURVIVOR, f"KILL {lock[0]}")
        assert writer.wait(timeout=60 * PATIENCE) == 0
        locker.wait(timeout=60 * PATIENCE)
        late = ring.popen_sql(SURVIVOR, f"SELECT COUNT(*) FROM {table}")
        time.sleep(LOOK_SECONDS)
        assert late.poll() is None, "the statement's table stays closed when the lock is given up"
    for each in (reader, late):
        assert each.wait(timeout=60 * PATIENCE) == 0


def test_a_copy_beside_long_statements_holds_no_writer_up_names_them_and_is_taken_after_them(
    ring: Lab, steps: Steps, table: str
) -> None:
    """A SELECT that takes long, and an UPDATE that waits for the row of an open transaction."""
    with ExitStack() as held:
        held.enter_context(session(ring, SURVIVOR, GATE))
        row = f"UPDATE {table} SET note = 'held' WHERE id = 1"
        transaction = held.enter_context(ExitStack())
        transaction.enter_context(session(ring, SURVIVOR, f"START TRANSACTION; {row}"))
        reading = f"SELECT GET_LOCK('gate', 600) FROM {table}"
        reader = ring.popen_sql(SURVIVOR, reading)
        patient = "SET SESSION innodb_lock_wait_timeout = 600"
        waiter = ring.popen_sql(SURVIVOR, f"{patient}; {row}")
        processes = [process(ring, "SELECT GET_LOCK"), process(ring, "UPDATE")]

        copy = begin_copy(steps)
        written = 0
        while copy.at_work:
            write(ring, table)
            written += 1
        found = parts(copy.end(expect=DEADLINE))["found"]
        assert written > 1
        assert f"{SURVIVOR} says: the server cannot be locked for a snapshot: " in found
        for number, end in zip(processes, (f"FROM {table}", "WHERE id = 1"), strict=True):
            named = rf"`{re.escape(end)}` of root@localhost, (\d+) s old \(process {number}\)"
            assert re.search(named.replace("`", "[^`]*", 1), found), found
        assert waiter.poll() is None, "all the time they stood in the way"
        assert reader.poll() is None

        copy = begin_copy(steps)
        write(ring, table)
        assert copy.at_work
    for each in (reader, waiter):
        assert each.wait(timeout=60 * PATIENCE) == 0
    is_copied(steps, copy)
    assert count(ring, LOST, table) == count(ring, SURVIVOR, table)


def test_an_open_transaction_is_in_no_ones_way_and_is_whole_on_both_nodes_when_it_ends(
    ring: Lab, steps: Steps, table: str
) -> None:
    noted = f"SELECT note FROM {table} WHERE id = 1"
    steps.wait_until_whole()
    with Node(ring, SURVIVOR).session() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute(f"UPDATE {table} SET note = 'open' WHERE id = 1")
        is_copied(steps, begin_copy(steps))
        assert [ring.value(node, noted) for node in NODES] == ["first", "first"]
        cursor.execute("COMMIT")
    eventually(
        lambda: [ring.value(node, noted) for node in NODES],
        lambda found: found == ["open", "open"],
        "the row on both nodes",
    )


def test_a_lock_beside_a_table_that_an_idle_session_keeps_closes_it_to_every_reader(
    ring: Lab, table: str
) -> None:
    """Also when the lock was given up: until that session lets go."""
    lock = f"SET SESSION lock_wait_timeout = 1; {GLOBAL_LOCK}"
    for keep in (f"LOCK TABLES {table} READ", f"HANDLER {table} OPEN"):
        with session(ring, SURVIVOR, keep):
            assert ring.run_sql(SURVIVOR, lock, expect=None).returncode != 0
            reader = ring.popen_sql(SURVIVOR, f"SELECT COUNT(*) FROM {table}")
            eventually(
                lambda: ring.value(SURVIVOR, FLUSH_WAITS), lambda n: n == "1", "a reader that hangs"
            )
            time.sleep(LOOK_SECONDS)
            assert reader.poll() is None
        assert reader.wait(timeout=60 * PATIENCE) == 0


def test_a_copy_beside_tables_that_idle_sessions_keep_holds_no_reader_up_and_names_them(
    ring: Lab, steps: Steps, table: str, other: str
) -> None:
    """One in LOCK TABLES, as a dump makes it, and one with an open HANDLER."""
    steps.wait_until_whole()
    locks = f"SELECT GET_LOCK('keeper', 0); LOCK TABLES {table} READ"
    with session(ring, SURVIVOR, locks), session(ring, SURVIVOR, f"HANDLER {other} OPEN"):
        number = ring.value(SURVIVOR, "SELECT IS_USED_LOCK('keeper')")
        copy = begin_copy(steps)
        read = 0
        while copy.at_work:
            assert count(ring, SURVIVOR, table) == 2
            write(ring, other)
            read += 1
        found = parts(copy.end(expect=DEADLINE))["found"]
        assert read > 1
        assert "the server cannot be locked for a snapshot: LOCK TABLES or an open HANDLER" in found
        assert f" on {table}, {other}, by root@localhost" in found
        assert re.search(rf", \d+ s idle \(process {number}\)", found), found
        assert ring.value(SURVIVOR, FLUSH_WAITS) == "0"

        copy = begin_copy(steps)
        assert count(ring, SURVIVOR, table) == 2
        assert copy.at_work
    is_copied(steps, copy)
    assert count(ring, LOST, other) == read


def test_a_lock_that_is_not_had_in_time_lets_the_writers_go_on_and_is_tried_again(
    ring: Lab, steps: Steps, table: str, other: str
) -> None:
    """The table is locked when the sender has looked, right before it tries."""
    steps.wait_until_whole()
    at, survivor = f"send {GLOBAL_LOCK}", Node(ring, SURVIVOR)
    with ring.gates.verb("send", at, host=hostname(ring, SURVIVOR)) as locking:
        copy = begin_copy(steps)
        locking.wait()
        with session(ring, SURVIVOR, f"LOCK TABLES {other} WRITE"):
            locking.lift()
            for waits in (True, False):
                eventually(
                    lambda: survivor.rows(LOCKING),
                    lambda found, waits=waits: bool(found) is waits,
                    "the lock waits" if waits else "it is given up",
                )
                write(ring, table)
            assert copy.at_work
    is_copied(steps, copy)


def test_a_foreign_key_broken_in_another_character_set_than_the_tools_is_in_no_copys_way(
    ring: Lab, steps: Steps, table: str
) -> None:
    """The server quotes that statement, as the client sent it, as long as it runs."""
    child, survivor = f"{table}_2", Node(ring, SURVIVOR)
    insert: Any = f"INSERT INTO {child} VALUES (99, 'h\xe9ld')".encode("latin1")
    refers = f"FOREIGN KEY (id) REFERENCES {table} (id)"
    ring.sql(SURVIVOR, f"CREATE TABLE {child} (id INT, note CHAR(9), {refers}) ENGINE=InnoDB")
    try:
        with survivor.session() as cursor:
            cursor.execute("SET NAMES latin1")
            with pytest.raises(pymysql.err.IntegrityError):
                cursor.execute(insert)
        with pytest.raises(UnicodeDecodeError), survivor.session() as cursor:
            cursor.execute("SHOW ENGINE INNODB STATUS")
        is_copied(steps, begin_copy(steps))
    finally:
        ring.sql(SURVIVOR, f"DROP TABLE {child}")


@pytest.mark.usefixtures("table")
def test_an_account_of_another_plugin_is_copied_as_it_is(ring: Lab, steps: Steps) -> None:
    unlogged = "SET sql_log_bin = 0"
    ring.sql(
        SURVIVOR,
        f"{unlogged}; CREATE USER {SHA} IDENTIFIED WITH sha256_password; SET old_passwords = 2;"
        f" SET PASSWORD FOR {SHA} = PASSWORD('word'); GRANT SELECT ON app.* TO {SHA}",
    )
    try:
        # What the server shows of it makes an account that anybody may use.
        shown = [row[0] for row in ring.sql(SURVIVOR, f"SHOW GRANTS FOR {SHA}")]
        assert not any("sha256" in grant for grant in shown)
        is_copied(steps, begin_copy(steps))
        row = "SELECT plugin, HEX(authentication_string) FROM mysql.user WHERE User = 'by_sha'"
        ((plugin, secret),) = ring.sql(LOST, row)
        assert plugin == "sha256_password"
        assert secret
        assert ring.sql(SURVIVOR, row) == [[plugin, secret]]
    finally:
        for node in NODES:
            ring.sql(node, f"{unlogged}; GRANT USAGE ON *.* TO {SHA}")
            ring.sql(node, f"{unlogged}; DROP USER {SHA}")
