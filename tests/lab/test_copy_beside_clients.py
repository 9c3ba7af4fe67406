"""The survivor serves its clients while it is copied, and gives none of its accounts away open.

Only real servers can show who waits for whose lock, and what SHOW GRANTS tells of an account.
"""

import time
from collections.abc import Iterator

import pytest
from labs import NODES, Lab, eventually
from steps import Steps, parts, session
from test_copy_of_a_peer import LOST, SURVIVOR, dumping, lose_data, make_whole

pytestmark = pytest.mark.lab

DEADLINE = 8  # exit code of ring-node
GATE = "SELECT GET_LOCK('gate', 0)"
WAITING = "SELECT id FROM information_schema.processlist WHERE state = 'User lock' AND time >= 3"
LOOK_SECONDS = 2
GLOBAL_LOCK = "FLUSH TABLES WITH READ LOCK"
LOCKING = f"SELECT id FROM information_schema.processlist WHERE info = '{GLOBAL_LOCK}'"
SHA = "'by_sha'@'%'"


@pytest.fixture
def table(ring: Lab) -> Iterator[str]:
    """A table with a row, on the survivor and what is copied from it."""
    name = f"app.beside_{time.time_ns()}"
    ring.sql(SURVIVOR, f"CREATE TABLE {name} (id INT AUTO_INCREMENT PRIMARY KEY, note CHAR(9))")
    ring.sql(SURVIVOR, f"INSERT INTO {name} (note) VALUES ('first')")
    yield name
    ring.sql(SURVIVOR, f"DROP TABLE {name}")


@pytest.fixture
def lost(steps: Steps, table: str) -> Iterator[None]:
    """One node has no data, the other has a table; made whole again afterwards."""
    assert table
    lose_data(steps)
    steps.run(SURVIVOR, "seed")
    yield
    make_whole(steps)


def write(ring: Lab, table: str) -> None:
    """A row that the survivor acknowledges. A writer that is held up ends in the deadline."""
    ring.sql(SURVIVOR, f"INSERT INTO {table} (note) VALUES ('beside')")


def test_a_lock_that_waits_for_a_long_statement_holds_every_writer_up(
    ring: Lab, table: str
) -> None:
    other = f"{table}_2"
    ring.sql(SURVIVOR, f"CREATE TABLE {other} LIKE {table}")
    with session(ring, SURVIVOR, GATE):
        reader = ring.popen("mysql", SURVIVOR, "-e", f"SELECT GET_LOCK('gate', 600) FROM {table}")
        eventually(lambda: ring.sql(SURVIVOR, WAITING), bool, "the long statement")
        locker = ring.popen("mysql", SURVIVOR, "-e", GLOBAL_LOCK)
        (lock,) = eventually(lambda: ring.sql(SURVIVOR, LOCKING), bool, "the lock that waits")
        insert = f"INSERT INTO {other} (note) VALUES ('held')"
        writer = ring.popen("mysql", SURVIVOR, "-e", insert)
        time.sleep(LOOK_SECONDS)
        assert writer.poll() is None, "not even another table can be written"
        ring.sql(SURVIVOR, f"KILL {lock[0]}")
        assert writer.wait(timeout=60) == 0
        locker.wait(timeout=60)
        late = ring.popen("mysql", SURVIVOR, "-e", f"SELECT COUNT(*) FROM {table}")
        time.sleep(LOOK_SECONDS)
        assert late.poll() is None, "the statement's table stays closed when the lock is given up"
    for each in (reader, late):
        assert each.wait(timeout=60) == 0
    ring.sql(SURVIVOR, f"DROP TABLE {other}")


@pytest.mark.usefixtures("lost")
def test_a_copy_beside_a_long_statement_holds_no_writer_up_and_names_the_statement(
    ring: Lab, steps: Steps, table: str
) -> None:
    with session(ring, SURVIVOR, GATE):
        statement = f"SELECT GET_LOCK('gate', 600) FROM {table}"
        reader = ring.popen("mysql", SURVIVOR, "-e", statement)
        ((process,),) = eventually(
            lambda: ring.sql(SURVIVOR, WAITING), bool, "the statement is a long one"
        )
        copy = steps.begin(LOST, "seed")
        written = 0
        while copy.at_work:
            write(ring, table)
            written += 1
        error = parts(copy.end(expect=DEADLINE))
        assert written > 1
        assert f"FROM {table}` of root@localhost" in error["found"]
        assert f"(process {process})" in error["found"]
    assert reader.wait(timeout=60) == 0
    assert "copied" in str(steps.run(LOST, "seed")["done"])


@pytest.mark.usefixtures("lost")
def test_a_lock_that_is_not_had_in_time_lets_the_writers_go_on_and_is_tried_again(
    ring: Lab, steps: Steps, table: str
) -> None:
    other = f"{table}_2"
    ring.sql(SURVIVOR, f"CREATE TABLE {other} LIKE {table}")
    with session(ring, SURVIVOR, f"LOCK TABLES {other} WRITE"):
        copy = steps.begin(LOST, "seed")
        eventually(lambda: dumping(ring), bool, "tar at work")
        eventually(lambda: ring.sql(SURVIVOR, LOCKING), bool, "its lock waits")
        write(ring, table)
        assert copy.at_work
    copy.end()
    ring.sql(SURVIVOR, f"DROP TABLE {other}")


@pytest.mark.usefixtures("lost")
def test_an_account_of_another_plugin_is_left_out_of_the_copy_and_named(
    ring: Lab, steps: Steps
) -> None:
    unlogged = "SET sql_log_bin = 0"
    ring.sql(
        SURVIVOR,
        f"{unlogged}; CREATE USER {SHA} IDENTIFIED WITH sha256_password; SET old_passwords = 2;"
        f" SET PASSWORD FOR {SHA} = PASSWORD('word'); GRANT SELECT ON app.* TO {SHA};"
        f" GRANT SELECT ON app.* TO 'native'@'%' IDENTIFIED BY 'word'",
    )
    try:
        # What the server shows of it makes an account that anybody may use.
        shown = [row[0] for row in ring.sql(SURVIVOR, f"SHOW GRANTS FOR {SHA}")]
        assert not any("sha256" in grant for grant in shown)
        ring.sql(LOST, f"{unlogged}; {shown[-1]}")
        made = "SELECT plugin, Password = '' FROM mysql.user WHERE User = 'by_sha'"
        assert ring.sql(LOST, made) == [["mysql_native_password", "1"]]
        ring.sql(LOST, f"{unlogged}; DROP USER {SHA}")

        report = steps.run(LOST, "seed")
        assert ring.sql(LOST, made) == []
        assert any("by_sha@% was not copied: it logs in by" in note for note in report["notes"])
        native = "SELECT Password FROM mysql.user WHERE User = 'native'"
        assert ring.sql(LOST, native) == ring.sql(SURVIVOR, native)
        steps.run(SURVIVOR, "server")  # which lets no account be that has no password
    finally:
        for node in NODES:
            ring.sql(node, f"{unlogged}; GRANT USAGE ON *.* TO {SHA}, 'native'@'%'")
            ring.sql(node, f"{unlogged}; DROP USER {SHA}, 'native'@'%'")
