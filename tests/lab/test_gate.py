"""A node serves clients only when it holds what its peer holds.

Only real servers, a real filter and clients on their own network can show who reads what while a
node comes back.
"""

import contextlib
import json
from collections.abc import Callable, Iterator

import pytest
from clients import ClientHost, Loop
from hosts import Node
from labs import NODES, Lab, eventually
from steps import REFUSED, RING_NODE, Steps, parts
from waits import PATIENCE

pytestmark = pytest.mark.data

HERE, AWAY = "node-1", "node-2"
AGENT = "mysql-ring-agent"
REFUSAL = "Connection refused"
OPENING = "/etc/mysql-ring/opening.json"
CA = "/etc/mysql/ssl/CA.pem"
# The slave starts when the test says so: until then a node that is back has not caught up.
HELD = "/run/systemd/system/mysql.service.d/held.conf"
HOLD = f"""
mkdir -p {HELD.rpartition("/")[0]}
( echo "[Service]"; echo "ExecStart="
  sed -n "s/^ExecStart=.*/& --skip-slave-start/p" /etc/systemd/system/mysql.service ) > {HELD}
systemctl daemon-reload
"""


@pytest.fixture
def rows(ring: Lab, table: str, steps: Steps) -> Iterator[str]:
    """A table with a row that both sides write, and one that only `HERE` writes."""
    ring.sql(HERE, f"INSERT INTO {table} (id, node, note) VALUES (1, 0, 'old'), (2, 0, '')")
    eventually(
        lambda: ring.value(AWAY, f"SELECT COUNT(*) FROM {table}"), lambda n: n == "2", "rows"
    )
    yield table
    root(ring, AWAY, f"rm -f {HELD}; systemctl daemon-reload; systemctl start mysql {AGENT}")
    ring.sql(AWAY, "START SLAVE")
    eventually(lambda: gate(ring, AWAY)["open"], bool, "the gate open again", 60)
    steps.wait_until_whole()


def root(lab: Lab, node: str, words: str) -> str:
    return lab.run_on(node, "sudo sh -e", stdin=words).stdout


def gate(lab: Lab, node: str) -> dict[str, object]:
    return json.loads(lab.ssh(node, f"{RING_NODE} gate"))


def is_back(lab: Lab, why: str) -> None:
    """The server runs, and the agent has said why its gate is closed."""
    eventually(lambda: str(gate(lab, AWAY)["why"]), lambda said: why in said, f"closed: {why}", 60)


def got_more(loop: Loop) -> None:
    """It asked several times from now on."""
    count = len(loop.got)
    eventually(lambda: len(loop.got), lambda now: now > count + 5, "more answers")


@contextlib.contextmanager
def away(lab: Lab) -> Iterator[None]:
    """`AWAY` is down inside, and comes back afterwards with a slave that does not start."""
    root(lab, AWAY, f"{HOLD} systemctl stop mysql")
    yield
    root(lab, AWAY, "systemctl start mysql")


def test_a_closed_gate_resets_clients_and_nobody_else(
    ring: Lab, client: ClientHost, table: str, steps: Steps
) -> None:
    root(ring, AWAY, f"systemctl stop {AGENT}")  # or it opens again
    try:
        with client.loop(AWAY, "SELECT SLEEP(0.1), 1") as loop:
            eventually(lambda: bool(loop.answers), bool, "an answer")
            root(ring, AWAY, "/usr/sbin/nft -f /etc/mysql-ring/gate.nft")
            eventually(lambda: REFUSAL in str(loop.got[-1]), bool, "a reset")
            got_more(loop)
            assert all(REFUSAL in each["error"] for each in loop.got[-5:])
        ring.sql(AWAY, f"INSERT INTO {table} (note) VALUES ('root')")
        assert steps.application(AWAY, f"INSERT INTO {table} (note) VALUES ('host')") == ""
        ring.sql(HERE, f"INSERT INTO {table} (note) VALUES ('peer')")
        for node in NODES:
            eventually(
                lambda node=node: ring.value(node, f"SELECT COUNT(*) FROM {table}"),
                lambda count: count == "3",
                f"the rows on {node}",
            )
    finally:
        root(ring, AWAY, f"systemctl start {AGENT}")
    eventually(lambda: gate(ring, AWAY)["open"], bool, "the gate open again")
    assert client.query(client.nodes[AWAY]["clientAddress"], "SELECT 1").stdout == "[[1]]\n"


def test_a_connection_that_stands_ends_when_the_gate_closes(ring: Lab, client: ClientHost) -> None:
    root(ring, AWAY, f"systemctl stop {AGENT}")
    try:
        with client.loop(AWAY, "SELECT SLEEP(600)") as loop:
            asleep = (
                "SELECT id FROM information_schema.processlist WHERE info = 'SELECT SLEEP(600)'"
            )
            ((number,),) = eventually(lambda: ring.sql(AWAY, asleep), bool, "a client")
            assert loop.got == []
            root(ring, AWAY, "/usr/sbin/nft -f /etc/mysql-ring/gate.nft")
            eventually(lambda: len(loop.got), lambda now: now > 1, "its end, and what comes then")
            assert REFUSAL not in loop.got[0]["error"], "it stood, and was ended"
            assert all(REFUSAL in each["error"] for each in loop.got[1:])
        ring.sql(AWAY, f"KILL {number}")  # the server sleeps on
    finally:
        root(ring, AWAY, f"systemctl start {AGENT}")
    eventually(lambda: gate(ring, AWAY)["open"], bool, "the gate open again")


def test_a_gate_that_somebody_flushes_away_is_closed_again(ring: Lab, client: ClientHost) -> None:
    address = client.nodes[AWAY]["clientAddress"]
    ask = "SELECT 1"
    root(ring, AWAY, f"systemctl stop {AGENT}")
    try:
        with away(ring):
            pass
        root(ring, AWAY, "nft flush ruleset")
        assert client.query(address, ask).stdout == "[[1]]\n", "without the agent it is open"
        root(ring, AWAY, f"systemctl start {AGENT}")
        eventually(lambda: REFUSAL in client.query(address, ask).stderr, bool, "a reset again")
        root(ring, AWAY, "nft flush ruleset")
        eventually(lambda: REFUSAL in client.query(address, ask).stderr, bool, "and once more")
    finally:
        root(ring, AWAY, f"rm -f {HELD}; systemctl daemon-reload; systemctl start {AGENT}")
        ring.sql(AWAY, "START SLAVE")
    eventually(lambda: gate(ring, AWAY)["open"], bool, "the gate open again")


def test_each_start_of_the_server_closes_the_gate_and_stops_writes_and_events(
    ring: Lab, client: ClientHost
) -> None:
    shown = "SELECT CONCAT(@@global.read_only, @@global.event_scheduler)"
    address = client.nodes[AWAY]["clientAddress"]
    root(ring, AWAY, f"systemctl stop {AGENT}; systemctl restart mysql")
    try:
        assert ring.value(AWAY, shown) == "1OFF"
        assert REFUSAL in client.query(address, "SELECT 1").stderr
        pid = root(
            ring, AWAY, "systemctl show --property=MainPID --value mysql; pkill -KILL mysqld"
        )
        eventually(
            lambda: root(ring, AWAY, "systemctl show --property=MainPID,ActiveState --value mysql"),
            lambda now: pid.strip() not in now and "active" in now.split(),
            "systemd starts it again",
        )
        assert REFUSAL in client.query(address, "SELECT 1").stderr
    finally:
        root(ring, AWAY, f"systemctl start mysql {AGENT}")
    eventually(lambda: gate(ring, AWAY)["open"], bool, "the gate open again")
    assert ring.value(AWAY, shown) == "0OFF"


def test_a_node_that_was_away_answers_no_client_with_an_old_row_and_no_row_ends_different(
    ring: Lab, client: ClientHost, rows: str
) -> None:
    read = f"SELECT node + 0, note FROM {rows} WHERE id = 2"
    count = f"UPDATE {rows} SET node = node + 1 WHERE id = 2"
    mine = (
        f"UPDATE {rows} SET note = CONCAT(note, ' and away') WHERE id = 1 AND note NOT LIKE '%away'"
    )
    with client.loop(HERE, count) as writer:
        with away(ring):
            ring.sql(HERE, f"UPDATE {rows} SET note = 'new' WHERE id = 1")
            got_more(writer)
            floor = int(ring.value(HERE, f"SELECT node FROM {rows} WHERE id = 2"))
        with client.loop(AWAY, read) as reader, client.loop(AWAY, mine) as other:
            is_back(ring, "the slave has stopped")
            for loop in (reader, other):
                got_more(loop)
                assert not [each for each in loop.got if REFUSAL not in each.get("error", "")]
            ring.sql(AWAY, "START SLAVE")
            eventually(lambda: bool(reader.answers), bool, "an answer", 60)
            got_more(reader)
            got_more(other)
    assert floor > 0
    assert min(int(each) for each in reader.answers) >= floor
    assert [each["changed"] for each in other.got if each.get("changed")] == [1]
    for node in NODES:
        eventually(
            lambda node=node: ring.value(node, f"SELECT note FROM {rows} WHERE id = 1"),
            lambda note: note == "new and away",
            f"the row on {node}",
        )


def test_with_an_open_gate_it_answers_with_old_rows_and_a_row_ends_different(
    ring: Lab, client: ClientHost, rows: str
) -> None:
    """The fault that the gate is there for; and the way to open it by hand."""
    with away(ring):
        ring.sql(HERE, f"UPDATE {rows} SET note = 'new' WHERE id = 1")
    is_back(ring, "the slave has stopped")
    address = client.nodes[AWAY]["clientAddress"]
    read = f"SELECT note FROM {rows} WHERE id = 1"
    assert REFUSAL in client.query(address, read).stderr
    for name, status in ((HERE, REFUSED), (AWAY, 0)):
        done = ring.run_on(AWAY, f"{RING_NODE} open --though-behind {name}", expect=status)
        if status:
            assert f"--though-behind {HERE}, on {AWAY}" in parts(done.stderr)["found"]
            assert REFUSAL in client.query(address, read).stderr
    assert client.query(address, read).stdout == '[["old"]]\n'
    assert client.query(address, f"UPDATE {rows} SET note = 'away' WHERE id = 1").returncode == 0
    ring.sql(AWAY, "START SLAVE")
    eventually(lambda: ring.value(HERE, read), lambda note: note == "away", "the row over there")
    eventually(lambda: ring.value(AWAY, read), lambda note: note == "new", "the row over here")


def test_a_node_opens_without_a_peer_that_cannot_be_asked_for_as_long_as_it_is_told(
    ring: Lab, client: ClientHost, table: str, steps: Steps
) -> None:
    address = client.nodes[AWAY]["clientAddress"]
    kept = root(ring, AWAY, f"cat {OPENING}")
    long, short = (json.dumps({"open_without_peer_seconds": seconds}) for seconds in (3600, 5))
    try:
        root(ring, HERE, "systemctl stop mysql")
        root(ring, AWAY, f"echo '{long}' > {OPENING}; systemctl restart mysql")
        is_back(ring, "the peer cannot be asked")
        assert REFUSAL in client.query(address, "SELECT 1").stderr
        root(ring, AWAY, f"echo '{short}' > {OPENING}")
        eventually(lambda: gate(ring, AWAY)["open"], bool, "the gate open without the peer", 60)
        wrote = client.query(address, f"INSERT INTO {table} (note) VALUES ('alone')")
        assert wrote.returncode == 0, wrote.stderr
    finally:
        root(ring, AWAY, f"echo '{kept.strip()}' > {OPENING}")
        root(ring, HERE, "systemctl start mysql")
    eventually(lambda: gate(ring, HERE)["open"], bool, "the gate of the node that is back", 60)
    assert ring.value(HERE, f"SELECT note FROM {table}") == "alone", "it opened with the row"
    steps.wait_until_whole()


SESSIONS = "SELECT COUNT(*) FROM information_schema.processlist WHERE user <> 'system user'"


@contextlib.contextmanager
def connections(ring: Lab, steps: Steps) -> Iterator[Callable[[], str]]:
    """What leaves `HERE` no connection for anyone, until the end."""
    # One session all the while: the place that is left for SUPER may be the agent's just then.
    with Node(ring, HERE).session() as session:
        session.execute("SELECT @@global.max_connections AS number")
        before = session.fetchall()[0]["number"]

        def no_more() -> str:
            """Of a session that has just ended the place may still be counted, and then be free."""
            session.execute(f"SET GLOBAL max_connections = ({SESSIONS})")
            return steps.application(HERE, "SELECT 1")

        try:
            yield lambda: eventually(no_more, lambda said: "1040" in said, "no connection left")
        finally:
            session.execute(f"SET GLOBAL max_connections = {before}")


def test_a_node_waits_for_a_peer_that_has_no_connection_left_however_long_that_takes(
    ring: Lab, client: ClientHost, table: str, steps: Steps
) -> None:
    address = client.nodes[AWAY]["clientAddress"]
    kept = root(ring, AWAY, f"cat {OPENING}")
    with connections(ring, steps) as take_all:
        try:
            root(
                ring,
                AWAY,
                f"""systemctl stop mysql
                echo '{{"open_without_peer_seconds": 5}}' > {OPENING}""",
            )
            eventually(
                lambda: ring.value(HERE, f"{SESSIONS} AND command LIKE 'Binlog Dump%'"),
                lambda count: count == "0",
                "the peer's slave gone",
            )
            ring.sql(HERE, f"INSERT INTO {table} (note) VALUES ('new')")
            take_all()
            root(ring, AWAY, "systemctl start mysql")
            is_back(ring, "has no connection left")
            told = written(ring)
            eventually(
                lambda: written(ring), lambda now: now > told + 10, "more than it is to wait", 60
            )
            assert "has no connection left" in str(gate(ring, AWAY)["why"])
            assert REFUSAL in client.query(address, "SELECT 1").stderr
        finally:
            root(ring, AWAY, f"echo '{kept.strip()}' > {OPENING}")
    eventually(lambda: gate(ring, AWAY)["open"], bool, "the gate open", 60)
    assert ring.value(AWAY, f"SELECT note FROM {table}") == "new", "it opened with the row"
    steps.wait_until_whole()


@contextlib.contextmanager
def a_verb_at_work(ring: Lab) -> Iterator[None]:
    """The lock of the host is held, as by every verb that changes something."""
    verb = ring.popen_on(AWAY, "sudo flock /run/mysql-ring.lock cat")
    assert verb.stdin is not None
    try:
        yield
    finally:
        verb.stdin.close()
        verb.wait(timeout=30 * PATIENCE)


DENIED = """
cp -a /etc/mysql-ring/credentials.json /root/kept
python3 - <<'END'
import json, pathlib
place = pathlib.Path("/etc/mysql-ring/credentials.json")
value = json.loads(place.read_text())
value["peer"]["password"] = value["peer"]["password"][::-1]
place.write_text(json.dumps(value))
END
"""
GRANTED = "mv /root/kept /etc/mysql-ring/credentials.json"
# By a CA that has signed nothing here; the agent reads it when it connects.
DISTRUSTED = f"""
cp -a {CA} /root/kept
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=elsewhere -keyout /dev/null -out {CA}
"""
TRUSTED = f"mv /root/kept {CA}"


@pytest.mark.parametrize(
    ("fault", "undo", "why"),
    [(DENIED, GRANTED, "Access denied"), (DISTRUSTED, TRUSTED, "no trust in the peer's server")],
    ids=["denied", "distrusted"],
)
def test_a_node_waits_for_a_peer_that_runs_and_turns_it_away_however_long_that_takes(
    ring: Lab, client: ClientHost, table: str, steps: Steps, fault: str, undo: str, why: str
) -> None:
    """Its slave does not run either, as while the CA changes: it lacks what the peer wrote."""
    address = client.nodes[AWAY]["clientAddress"]
    kept = root(ring, AWAY, f"cat {OPENING}")
    closed = f"the peer runs, and does not let this node ask it: {why}"
    try:
        root(ring, AWAY, f"""echo '{{"open_without_peer_seconds": 1}}' > {OPENING}; {fault}""")
        with away(ring):
            ring.sql(HERE, f"INSERT INTO {table} (note) VALUES ('new')")
        eventually(lambda: str(gate(ring, AWAY)["why"]), lambda said: why in said, closed, 60)
        told = written(ring)
        eventually(lambda: written(ring), lambda now: now > told + 5, "more than it is to wait", 60)
        said = str(gate(ring, AWAY)["why"])
        assert "the peer runs, and does not let this node ask it" in said
        assert why in said
        assert REFUSAL in client.query(address, "SELECT 1").stderr
        # Nor does one whose restart was killed do without, whenever that was.
        former = "/etc/mysql-ring/former"
        root(ring, AWAY, f"mkdir -p -m 700 {former}; cp /etc/mysql/ssl/CA.pem {former}/CA.pem")
        told = written(ring)
        eventually(lambda: written(ring), lambda now: now > told + 5, "more than it is to wait", 60)
        assert REFUSAL in client.query(address, "SELECT 1").stderr
        # In a restart of its own turn, as another CA needs one, it does.
        with a_verb_at_work(ring):
            eventually(lambda: gate(ring, AWAY)["open"], bool, "the gate open in its turn", 60)
        root(ring, AWAY, f"rm -r {former}; systemctl restart mysql")
        is_back(ring, why)
        # Without that, when the peer lets it in.
        root(ring, AWAY, f"{undo}; rm -f {HELD}; systemctl daemon-reload")
        ring.sql(AWAY, "START SLAVE")
        eventually(lambda: gate(ring, AWAY)["open"], bool, "the gate open", 60)
        assert ring.value(AWAY, f"SELECT note FROM {table}") == "new", "it opened with the row"
    finally:
        root(
            ring,
            AWAY,
            f"""echo '{kept.strip()}' > {OPENING}; rm -f {HELD}; rm -rf /etc/mysql-ring/former
            test ! -e /root/kept || {undo}
            systemctl daemon-reload; systemctl restart mysql""",
        )
    eventually(lambda: gate(ring, AWAY)["open"], bool, "the gate open again", 60)
    steps.wait_until_whole()


def written(lab: Lab) -> float:
    """When the agent of `AWAY` last wrote its file, by that host's clock."""
    return float(json.loads(root(lab, AWAY, "cat /run/mysql-ring/agent.json"))["written"])
