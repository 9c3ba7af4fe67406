"""Definitions and accounts of every kind change on the survivor while it is copied.

Only real servers can show what a copy holds of what was made, changed and dropped while it was
taken. Afterwards both slaves run, and both nodes have the same definitions, accounts and rows.
"""

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sameness
from hosts import Node
from labs import NODES, Lab, eventually, hostname
from steps import Running, Steps, session
from waits import PATIENCE

pytestmark = pytest.mark.data

SURVIVOR, LOST = "node-1", "node-2"
GLOBAL_LOCK = "FLUSH TABLES WITH READ LOCK"
LOCKING = f"SELECT id FROM information_schema.processlist WHERE info = '{GLOBAL_LOCK}'"
WAITING = (
    "SELECT info FROM information_schema.processlist"
    " WHERE info LIKE 'ALTER TABLE%' AND state LIKE 'Waiting for%'"
)
ROUND = (
    "CREATE DATABASE {n}",
    "CREATE TABLE {n}.a (id INT AUTO_INCREMENT PRIMARY KEY, t CHAR(20)) ENGINE=InnoDB",
    "CREATE TABLE {n}.gone (id INT PRIMARY KEY) ENGINE=InnoDB",
    "CREATE TABLE {n}.m (id INT PRIMARY KEY) ENGINE=MyISAM",
    "INSERT INTO {n}.a (t) VALUES ('one'), ('two')",
    "INSERT INTO {n}.m VALUES (1)",
    "ALTER TABLE {n}.a ADD COLUMN more INT, ADD KEY (t)",
    "RENAME TABLE {n}.a TO {n}.b",
    "DROP TABLE {n}.gone",
    "TRUNCATE {n}.b",
    "CREATE VIEW {n}.v AS SELECT id FROM {n}.b",
    "ALTER VIEW {n}.v AS SELECT id, more FROM {n}.b",
    "CREATE FUNCTION {n}.f() RETURNS INT DETERMINISTIC NO SQL RETURN 1",
    "CREATE PROCEDURE {n}.p() INSERT INTO {n}.b (t) VALUES ('called')",
    "ALTER PROCEDURE {n}.p COMMENT 'changed'",
    "CREATE TRIGGER {n}.g BEFORE INSERT ON {n}.b FOR EACH ROW SET NEW.more = 7",
    "CREATE EVENT {n}.e ON SCHEDULE EVERY 1 DAY STARTS '2038-01-01' DO DELETE FROM {n}.m",
    "ALTER EVENT {n}.e COMMENT 'changed'",
    "INSERT INTO {n}.b (t) VALUES ('after')",
    "CREATE USER {n}@localhost IDENTIFIED BY 'a'",
    "GRANT SELECT, EXECUTE ON {n}.* TO {n}@localhost",
    "SET PASSWORD FOR {n}@localhost = PASSWORD('b')",
    "REVOKE EXECUTE ON {n}.* FROM {n}@localhost",
)
# What the round before made.
LATER = (
    "ALTER TABLE {n}.b ENGINE=InnoDB, DROP COLUMN more, ADD COLUMN other INT DEFAULT 3",
    "ALTER DATABASE {n} CHARACTER SET latin1",
    "DROP TRIGGER {n}.g",
    "DROP VIEW {n}.v",
    "DROP FUNCTION {n}.f",
    "RENAME USER {n}@localhost TO {n}@'127.0.0.1'",
)
LAST = (
    "DROP EVENT {n}.e",
    "DROP PROCEDURE {n}.p",
    "DROP USER {n}@'127.0.0.1'",
    "DROP DATABASE {n}",
)
# A slave's counter stands behind the rows that it got, a master's behind the next of its own.
COUNTER = re.compile(r" AUTO_INCREMENT=\d+")
STATEMENT_SECONDS = 60  # one waits for the lock of the snapshot, and for the disk
COPIES_SECONDS = 900  # it may copy three times
OF_THE_RING = {"root", "repuser", "ring_peer", "ring_heartbeat"}


class Changes:
    """Rounds of statements on the survivor, each with names of its own."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.rounds = 0

    def round(self) -> None:
        self.rounds += 1
        with self._node.session(STATEMENT_SECONDS) as cursor:
            for statements, age in ((ROUND, 0), (LATER, 1), (LAST, 2)):
                if self.rounds > age:
                    for statement in statements:
                        cursor.execute(statement.format(n=f"ddl_{self.rounds - age}"))

    def end(self) -> None:
        with self._node.session(STATEMENT_SECONDS) as cursor:
            for number in (self.rounds - 1, self.rounds):
                name = f"ddl_{number}"
                cursor.execute(f"DROP DATABASE IF EXISTS {name}")
                cursor.execute("SELECT host FROM mysql.user WHERE user = %s", [name])
                for row in cursor.fetchall():
                    cursor.execute(f"DROP USER {name}@'{row['host']}'")


@pytest.fixture
def changes(ring: Lab, steps: Steps) -> Iterator[Changes]:
    assert steps
    found = Changes(Node(ring, SURVIVOR))
    found.round()
    yield found
    found.end()


def held(node: Node) -> dict[str, Any]:
    with node.session(STATEMENT_SECONDS) as cursor:
        found = sameness.everything(cursor.connection, accounts=OF_THE_RING)
    return {name: COUNTER.sub("", str(value)) for name, value in found.items()}


def differing(nodes: list[Node]) -> dict[str, Any]:
    return sameness.differences(*(held(node) for node in nodes))


def are_the_same(ring: Lab, steps: Steps, copy: Running) -> str:
    """The copy ends well, the ring is whole, and both nodes are alike. What the copy said."""
    said = copy.end()
    assert '"copied ' in said
    steps.begin(SURVIVOR, "rejoin", "").end()
    steps.wait_until_whole()
    nodes = [Node(ring, name) for name in NODES]
    eventually(lambda: differing(nodes), lambda found: not found, "the same on both nodes")
    assert [node.threads() for node in nodes] == [("Yes", "Yes")] * 2
    return said


def begin_copy(steps: Steps) -> Running:
    return steps.begin(LOST, f"rejoin --discard {LOST}", "")


def test_definitions_that_change_before_the_lock_and_while_it_is_waited_for_are_copied(
    ring: Lab, steps: Steps, changes: Changes
) -> None:
    table, survivor = "app.beside_ddl", Node(ring, SURVIVOR)
    ring.sql(SURVIVOR, f"CREATE TABLE {table} (id INT PRIMARY KEY) ENGINE=InnoDB")
    try:
        there = hostname(ring, SURVIVOR)
        with ring.gates.verb("send", f"send {GLOBAL_LOCK}", host=there) as locking:
            copy = begin_copy(steps)
            locking.wait()
            changes.round()
            with session(ring, SURVIVOR, f"LOCK TABLES {table} WRITE"):
                locking.lift()
                eventually(lambda: survivor.rows(LOCKING), bool, "the lock waits")
                alter = f"ALTER TABLE {table} ADD COLUMN waited INT"
                altered = ring.popen_sql(SURVIVOR, alter)
                eventually(lambda: ring.sql(SURVIVOR, WAITING), bool, "a definition waits too")
                changes.round()  # while the table is in the way of the lock
                assert copy.at_work
            assert altered.wait(timeout=60 * PATIENCE) == 0
        are_the_same(ring, steps, copy)
    finally:
        ring.sql(SURVIVOR, f"DROP TABLE {table}")


def test_definitions_that_change_while_the_files_are_sent_and_while_they_are_proven_are_followed(
    ring: Lab, steps: Steps, changes: Changes
) -> None:
    with (
        ring.gates.verb("send", "go on with what is sent", host=hostname(ring, SURVIVOR)) as sent,
        ring.gates.verb("rejoin", "run setpriv --reuid=mysql", host=hostname(ring, LOST)) as proven,
    ):
        copy = begin_copy(steps)
        sent.wait()
        changes.round()
        sent.lift()
        proven.wait()
        changes.round()
        proven.lift()
        said = are_the_same(ring, steps, copy)
    assert "copied anew" not in said, "a copy is as of its snapshot, whatever comes later"


def test_a_node_whose_definitions_change_all_the_time_is_copied(
    ring: Lab, steps: Steps, changes: Changes
) -> None:
    """Until the copy has taken its place: nothing says that a slave is as fast as its master."""
    ended = threading.Event()
    problems: list[Exception] = []

    def change() -> None:
        try:
            while not ended.is_set():
                changes.round()
        except Exception as error:
            problems.append(error)

    loop = threading.Thread(target=change, daemon=True)
    first = changes.rounds
    with ring.gates.verb("rejoin", "send START SLAVE", host=hostname(ring, LOST)) as joining:
        loop.start()
        try:
            copy = begin_copy(steps)
            joining.wait(by=copy, seconds=COPIES_SECONDS)
        finally:
            ended.set()
            loop.join(timeout=5 * STATEMENT_SECONDS * PATIENCE)
        assert not loop.is_alive()
        assert not problems
        assert changes.rounds > first + 1, "they changed all the time"
        joining.lift()
        are_the_same(ring, steps, copy)
