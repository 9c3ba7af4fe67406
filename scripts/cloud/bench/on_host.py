"""The bench's own tool on a node. It runs there as root, with Debian's Python and PyMySQL.

A verb answers with JSON. Clocks need no care: in the lab both hosts have the machine's.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql

sys.dont_write_bytecode = True
sys.path.insert(0, "/opt/mysql-ring/current")

from ring_node.backup import place  # noqa: E402
from ring_node.base import paths  # noqa: E402
from ring_node.host import files, gate  # noqa: E402
from ring_node.mysql import incarnations, login, master, scratch, shows, snapshot, sql  # noqa: E402
from ring_node.ring import admission, follow, reach, records  # noqa: E402

WAIT_SECONDS = 120.0
LOOK_SECONDS = 0.005
BEAT_SECONDS = 0.05
WRITE_SECONDS = 0.002
WARM_UP_SECONDS = 5.0
COPY_SECONDS = 600.0
# Of a copy by hand: a daemon of its own on a port that the security groups let the peer reach.
COPY_PORT = 3307
KEY = Path("/run/mysql-ring-bench-key")
LET_IN = Path("/run/mysql-ring-bench-key.pub")
DAEMON = Path("/run/mysql-ring-bench-sshd.pid")
BY_HAND = paths.VOLUME / "by-hand"


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


def until(
    probe: Callable[[], Any], pause: float = LOOK_SECONDS, seconds: float = WAIT_SECONDS
) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(pause)
    raise SystemExit(f"not so after {seconds:.0f} s")


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

    until(reached, 0.05, COPY_SECONDS)
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


def sysbench(login: str, test: str, *arguments: str) -> None:
    """Debian's sysbench over the server's socket; how it logs in is in a file."""
    done = subprocess.run(
        ["sysbench", f"--config-file={login}", test, *arguments],
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


def fill(table: str, count: str) -> None:
    """A table of sysbench's own shape with so many rows (a power of two), unlogged."""
    connection = connect()
    rows(connection, f"DROP TABLE IF EXISTS sbtest.{table}")
    rows(connection, "SET SESSION sql_log_bin = 0")
    rows(
        connection,
        f"CREATE TABLE sbtest.{table} (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,"
        " k INT NOT NULL DEFAULT 0, c CHAR(120) NOT NULL DEFAULT '',"
        f" pad CHAR(60) NOT NULL DEFAULT '', KEY k_{table} (k)) ENGINE=InnoDB",
    )
    rows(connection, "USE sbtest")
    into = f"INSERT INTO {table}"
    rows(connection, f"{into} VALUES (1, 1, REPEAT('x', 119), '')")
    row = (
        "id + %s, FLOOR(RAND() * %s), CONCAT(SHA1(RAND()), SHA1(RAND()), SUBSTRING(SHA1(RAND()),"
        " 2)), CONCAT(SHA1(RAND()), SUBSTRING(SHA1(RAND()), 22))"
    )
    made = 1
    while made < int(count):
        rows(connection, " ".join((into, "SELECT", row, "FROM", table)), made, int(count))
        made *= 2
    answer(made)


def rebuild(table: str) -> None:
    """A new file for it, unlogged."""
    connection = connect()
    rows(connection, "SET SESSION sql_log_bin = 0")
    rows(connection, f"ALTER TABLE sbtest.{table} ENGINE=InnoDB")
    answer(True)


def drop(table: str) -> None:
    rows(connect(), f"DROP TABLE IF EXISTS sbtest.{table}")
    answer(True)


def server_uuid() -> None:
    answer(rows(connect(), "SELECT @@server_uuid AS uuid")[0]["uuid"])


def threads(former: str) -> None:
    """When both threads run on a server that is not the former one."""
    print("ready", flush=True)

    def run() -> bool:
        try:
            connection = connect()
            if rows(connection, "SELECT @@server_uuid AS uuid")[0]["uuid"] == former:
                return False
            status = rows(connection, "SHOW SLAVE STATUS")
        except pymysql.err.MySQLError:  # it is between two servers
            return False
        return bool(status) and (
            (status[0]["Slave_IO_Running"], status[0]["Slave_SQL_Running"]) == ("Yes", "Yes")
        )

    until(run, 0.05, COPY_SECONDS)
    answer(time.time())


def writes(login: str, *arguments: str) -> None:
    """Seconds that each write of one row takes beside sysbench, until standard input ends."""
    connection = connect()
    rows(connection, "CREATE DATABASE IF NOT EXISTS bench")
    rows(connection, "CREATE TABLE IF NOT EXISTS bench.writes (id INT PRIMARY KEY, at DOUBLE)")
    found = []
    with loaded(login, *arguments):
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], WRITE_SECONDS)[0]:
            begun = time.monotonic()
            rows(connection, "REPLACE INTO bench.writes VALUES (1, %s)", time.time())
            found.append(round(time.monotonic() - begun, 4))
    answer(found)


@contextmanager
def loaded(login: str, *arguments: str) -> Iterator[None]:
    """sysbench runs beside the block; it has been at work for a while before."""
    load = subprocess.Popen(
        ["sysbench", f"--config-file={login}", "oltp_read_write", *arguments, "--time=3600", "run"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        time.sleep(WARM_UP_SECONDS)
        yield
        if load.poll() is not None:
            raise SystemExit(f"sysbench ended with {load.returncode} before its time")
    finally:
        load.kill()
        load.wait()


def hold() -> None:
    """A snapshot of this server, until standard input ends."""
    with sql.own() as session, snapshot.taken(session) as held:
        print("ready", flush=True)
        sys.stdin.read()
        held.check()
        answer(held.locked_seconds)


def snapshots(login: str, count: str, seconds: str, *arguments: str) -> None:
    """So many of them beside sysbench, one after the other, each held for so long: how long each
    had the lock."""
    found = []
    with loaded(login, *arguments):
        for _ in range(int(count)):
            with sql.own() as session, snapshot.taken(session) as held:
                time.sleep(float(seconds))
                held.check()
                found.append(held.locked_seconds)
    answer(found)


def parts() -> None:
    """In how many parts the files of sysbench's tables lie on the volume."""
    found = 0
    for file in (paths.DATA / "sbtest").glob("*.ibd"):
        done = subprocess.run(
            ["xfs_bmap", str(file)], check=True, stdout=subprocess.PIPE, text=True
        )
        found += len(done.stdout.splitlines()) - 1  # the first line is its name
    answer(found)


def flush() -> None:
    """The open binary log is closed: the next pass of the archive sends it."""
    rows(connect(), "FLUSH LOCAL BINARY LOGS")
    answer(True)


def timers(action: str) -> None:
    """systemctl starts or stops all timers of the tool; what they had begun ends."""
    found = [path.name for path in (paths.UNITS / "timers.target.wants").glob("mysql-ring-*.timer")]
    subprocess.run(["systemctl", action, *found], check=True)
    if action == "stop":
        services = [name.replace(".timer", ".service") for name in found]
        subprocess.run(["systemctl", "stop", *services], check=True)
    answer(found)


def stop() -> None:
    subprocess.run(
        ["systemctl", "stop", paths.AGENT_SERVICE, paths.MYSQL_SERVICE, paths.COPY_SOCKET],
        check=True,
    )
    answer(True)


def start() -> None:
    subprocess.run(
        ["systemctl", "start", paths.MYSQL_SERVICE, paths.AGENT_SERVICE, paths.COPY_SOCKET],
        check=True,
    )
    answer(True)


def key() -> None:
    """A new key for the copy by hand: its public half."""
    for left in (KEY, KEY.with_suffix(".pub")):
        left.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(KEY)], check=True)
    answer(KEY.with_suffix(".pub").read_text())


def let_in(address: str) -> None:
    """The holder of the key on standard input logs in as root on the replication address."""
    LET_IN.write_text(sys.stdin.read())
    subprocess.run(
        [
            "/usr/sbin/sshd", "-f", "/dev/null", f"-p{COPY_PORT}", f"-oListenAddress={address}",
            f"-oAuthorizedKeysFile={LET_IN}", f"-oPidFile={DAEMON}", "-oStrictModes=no",
            "-oPermitRootLogin=prohibit-password", "-oHostKey=/etc/ssh/ssh_host_ed25519_key",
        ],
        check=True,
    )  # fmt: skip
    answer(True)


def shut_out() -> None:
    os.kill(int(DAEMON.read_text()), signal.SIGTERM)
    LET_IN.unlink()
    answer(True)


def by_hand(address: str) -> None:
    """The peer's data directory by tar over ssh, and a server on it that follows the peer's, which
    starts again meanwhile: when the files were there, and when both threads ran."""
    folder = paths.ARRIVING / "by-hand"
    paths.ARRIVING.mkdir(mode=0o755, exist_ok=True)
    files.remove_tree(folder)
    incarnations.make(folder)
    ssh = (
        f"ssh -q -i {KEY} -p {COPY_PORT} -oBatchMode=yes -oStrictHostKeyChecking=no"
        f" -oUserKnownHostsFile=/dev/null root@{address}"
    )
    send = f"tar -C {paths.CURRENT} -cf - data"
    subprocess.run(
        ["bash", "-c", f"set -o pipefail; {ssh} '{send}' | tar -C {folder} -xf -"], check=True
    )
    there = time.time()
    begun = subprocess.Popen(["bash", "-c", f"{ssh} systemctl start {paths.MYSQL_SERVICE}"])
    (folder / "data" / "auto.cnf").unlink()
    with scratch.running(folder) as server:
        if begun.wait() != 0:
            raise SystemExit("the peer's server did not start")
        kept, pair = records.credentials(), records.pair()
        with reach.peer(address, kept.peer) as other:
            place = shows.show_master_status(other)
        assert place is not None
        session = server.session

        def both_run() -> bool:
            status = shows.show_slave_status(session)
            return status is not None and status.both_run

        session.do("RESET SLAVE ALL")
        session.do(master.change_master(follow.connection(pair, kept.replication), place))
        session.do("START SLAVE")
        until(both_run, 0.05)
        running = time.time()
        session.do("STOP SLAVE")
    files.remove_tree(folder)
    answer({"files": there, "running": running})


def put_by_hand() -> None:
    """The data directory into the bucket: the seconds that it took."""
    where = place.read()
    uri = f"s3://{where.bucket}/{where.backups()}by-hand/data.tar.zst"
    words = (
        f"tar -C {paths.CURRENT} -cf - data | zstd -q -T0 |"
        f" s3cmd --config={paths.S3CFG} --no-progress put - {uri}"
    )
    begun = time.monotonic()
    subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words}"], check=True, stdout=subprocess.DEVNULL
    )
    answer(time.monotonic() - begun)


def get_by_hand(key: str) -> None:
    """An object of a data directory out of the bucket, unpacked: the seconds that it took."""
    where = place.read()
    files.remove_tree(BY_HAND)
    BY_HAND.mkdir()
    words = (
        f"s3cmd --config={paths.S3CFG} --no-progress get s3://{where.bucket}/{key} - |"
        f" zstd -q -d | tar --blocking-factor=2048 -C {BY_HAND} -xf -"
    )
    begun = time.monotonic()
    subprocess.run(["bash", "-c", f"set -o pipefail; {words}"], check=True)
    seconds = time.monotonic() - begun
    files.remove_tree(BY_HAND)
    answer(seconds)


def load_by_hand(socket: str) -> None:
    """The rows of a scratch server with mydumper, and back into its emptied database by myloader:
    how many they are and the seconds of myloader."""
    files.remove_tree(BY_HAND)
    BY_HAND.mkdir()
    dumped, empty = BY_HAND / "dumped", BY_HAND / "none.cnf"
    empty.touch()
    common = [
        f"--defaults-file={empty}", f"--socket={socket}", "--user=root", "--database=sbtest",
        f"--threads={os.cpu_count()}",
    ]  # fmt: skip
    quiet: Any = {"check": True, "stdout": subprocess.DEVNULL}
    server = pymysql.connect(
        user="root", unix_socket=socket, autocommit=True, cursorclass=pymysql.cursors.DictCursor
    )

    def count() -> int:
        tables = [str(*row.values()) for row in rows(server, "SHOW TABLES FROM sbtest")]
        ask = "SELECT COUNT(*) AS n FROM"
        return sum(rows(server, f"{ask} sbtest.{table}")[0]["n"] for table in tables)

    before = count()
    subprocess.run(["mydumper", *common, f"--outputdir={dumped}"], **quiet)
    rows(server, "DROP DATABASE sbtest")
    rows(server, "CREATE DATABASE sbtest")
    rows(server, "SET GLOBAL innodb_flush_log_at_trx_commit = 0")
    begun = time.monotonic()
    subprocess.run(["myloader", *common, f"--directory={dumped}"], **quiet)
    seconds = time.monotonic() - begun
    if count() != before or not before:
        raise SystemExit(f"myloader brought {count()} rows back of {before}")
    files.remove_tree(BY_HAND)
    answer({"seconds": seconds, "rows": before})


VERBS: dict[str, Callable[..., None]] = {
    verb.__name__: verb
    for verb in (
        reset, watch, session, configure, caught_up, position, pulse, lag, sysbench, private,
        fill, drop, server_uuid, threads, writes, stop, start, key, let_in, shut_out, by_hand,
        put_by_hand, get_by_hand, load_by_hand, rebuild, hold, snapshots, parts, flush, timers,
    )
}  # fmt: skip

if __name__ == "__main__":
    VERBS[sys.argv[1]](*sys.argv[2:])
