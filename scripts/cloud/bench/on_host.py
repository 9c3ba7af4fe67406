"""The bench's own tool on a node. It runs there as root, with Debian's Python and PyMySQL.

A verb answers with JSON. Clocks need no care: in the lab both hosts have the machine's.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql

sys.dont_write_bytecode = True
sys.path.insert(0, "/opt/mysql-ring/current")

from ring_node.base import paths  # noqa: E402
from ring_node.host import gate  # noqa: E402
from ring_node.mysql import login  # noqa: E402
from ring_node.ring import admission  # noqa: E402

WAIT_SECONDS = 120.0
LOOK_SECONDS = 0.005
BEAT_SECONDS = 0.05


def connect() -> Any:
    text = paths.ROOT_CLIENT.read_text()
    return pymysql.connect(
        user="root",
        password=login.stored_password(text) or "",
        unix_socket=str(paths.SOCKET),
        charset="utf8",
        autocommit=True,
        cursorclass=pymysql.cursors.DictCursor,
    )


def rows(connection: Any, statement: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall()


def answer(value: Any) -> None:
    print(json.dumps(value, default=str), flush=True)


def until(probe: Callable[[], Any], pause: float = LOOK_SECONDS) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(pause)
    raise SystemExit(f"not so after {WAIT_SECONDS:.0f} s")


def reset() -> None:
    """Back to a prepared server that has not been seeded: the state after the verb accounts."""
    subprocess.run(["systemctl", "stop", paths.AGENT_SERVICE], check=True)
    admission.revoke()
    gate.close()
    connection = connect()
    for statement in ("STOP SLAVE", "RESET SLAVE ALL", "SET SESSION sql_log_bin = 0"):
        rows(connection, statement)
    rows(connection, "USE mysql_ring")
    for table in ("heartbeat", "probe", "origin", "source"):
        rows(connection, f"TRUNCATE TABLE {table}")
    rows(connection, "SET GLOBAL read_only = 1")
    paths.PEER.unlink(missing_ok=True)
    answer(True)


def watch(server_id: str) -> None:
    """When the first heartbeat of that node is read here."""
    connection = connect()
    print("ready", flush=True)
    statement = "SELECT beat FROM mysql_ring.heartbeat WHERE server_id = %s"
    until(lambda: any(row["beat"] for row in rows(connection, statement, server_id)))
    answer(time.time())


def session() -> None:
    """Statements from standard input, one JSON text per line, each answered by its rows."""
    connection = connect()
    print("ready", flush=True)
    for line in sys.stdin:
        answer(rows(connection, json.loads(line)))


def configure() -> None:
    """Standard input becomes my.cnf, and the server starts with it."""
    paths.CONFIG.write_text(sys.stdin.read())
    subprocess.run(["systemctl", "restart", paths.MYSQL_SERVICE], check=True)
    answer(True)


def caught_up(file: str, offset: str) -> None:
    """Both threads run, and everything up to a place in the peer's log is applied."""
    goal = (len(file), file, int(offset))

    def reached() -> bool:
        status = rows(connect(), "SHOW SLAVE STATUS")[0]
        name = status["Relay_Master_Log_File"]
        run = (status["Slave_IO_Running"], status["Slave_SQL_Running"])
        return run == ("Yes", "Yes") and (
            (len(name), name, int(status["Exec_Master_Log_Pos"])) >= goal
        )

    until(reached, 0.05)
    answer(True)


def position() -> None:
    answer(rows(connect(), "SHOW MASTER STATUS")[0])


def pulse(seconds: str) -> None:
    """Writes the time into one row, often."""
    connection = connect()
    rows(connection, "CREATE DATABASE IF NOT EXISTS bench")
    rows(connection, "CREATE TABLE IF NOT EXISTS bench.pulse (id INT PRIMARY KEY, at DOUBLE)")
    print("ready", flush=True)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        rows(connection, "REPLACE INTO bench.pulse VALUES (1, %s)", time.time())
        time.sleep(BEAT_SECONDS)
    answer(True)


def lag(seconds: str) -> None:
    """How old each of the peer's pulses is when it is first read here, in milliseconds."""
    connection = connect()
    print("ready", flush=True)
    end = time.monotonic() + float(seconds)
    found: list[float] = []
    last = None
    while time.monotonic() < end:
        try:
            row = rows(connection, "SELECT SQL_NO_CACHE at FROM bench.pulse")
        except pymysql.err.ProgrammingError:  # not there yet
            row = ()
        if row and row[0]["at"] != last:
            if last is not None:
                found.append((time.time() - row[0]["at"]) * 1000)
            last = row[0]["at"]
        time.sleep(LOOK_SECONDS)
    answer(found)


def sysbench(login: str, *arguments: str) -> None:
    """Debian's sysbench over the server's socket; how it logs in is in a file."""
    done = subprocess.run(
        ["sysbench", f"--config-file={login}", "oltp_read_write", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode != 0:
        raise SystemExit((done.stdout + done.stderr)[-1500:])
    answer(done.stdout)


def private(path: str) -> None:
    """Standard input becomes a file that only root can read."""
    file = Path(path)
    file.touch(mode=0o600)
    file.write_text(sys.stdin.read())
    answer(True)


VERBS: dict[str, Callable[..., None]] = {
    verb.__name__: verb
    for verb in (
        reset, watch, session, configure, caught_up, position, pulse, lag, sysbench, private,
    )
}  # fmt: skip

if __name__ == "__main__":
    VERBS[sys.argv[1]](*sys.argv[2:])
