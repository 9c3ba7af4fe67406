"""The nodes as the machine sees that runs their hosts: past the network, while faults are on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
from cloud import groups
from cloud.names import Names
from cloud.network import namespaces
from waits import BOOT_SECONDS, PATIENCE, within

if TYPE_CHECKING:
    from labs import Lab

# It ends with 9 where it has printed problems.
STATUS = "/opt/mysql-ring/current/ring-node status || [ $? = 9 ]"
CONNECT_SECONDS = 2
ANSWER_SECONDS = 8
FRESH_MS = 3000
# Scratch servers of a copy, a backup or a restore are in another unit.
SERVICE = "/system.slice/mysql.service"
BEAT = (
    "SELECT TIMESTAMPDIFF(MICROSECOND, beat, UTC_TIMESTAMP(6)) AS age FROM mysql_ring.heartbeat"
    " WHERE server_id = {}"
)
SLAVE_SAYS = (
    "Slave_IO_Running",
    "Slave_SQL_Running",
    "Last_IO_Error",
    "Last_SQL_Error",
    "Slave_IO_State",
    "Slave_SQL_Running_State",
)


class Node:
    """One node and its host, reached through the host's own files and control group."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab, self.name = lab, name
        self.names = Names.of(lab.folder)
        outputs = lab.outputs()
        self.id: str = outputs["nodes"][name]["instanceId"]
        self.server_id: int = outputs["nodes"][name]["serverId"]
        (self.peer_id,) = (
            each["serverId"] for other, each in outputs["nodes"].items() if other != name
        )
        self.client_address: str = outputs["nodes"][name]["clientAddress"]
        self.replication_address: str = outputs["nodes"][name]["replicationAddress"]
        self._passwords: dict[str, str] = outputs["passwords"]
        self._ca: str = outputs["caCertificate"]

    # -- the host

    @property
    def group(self) -> str:
        return f"{self.names.control_group}/{self.id}"

    @property
    def namespace(self) -> str:
        return self.names.host(self.id)

    def processes(self, command: str) -> dict[int, str]:
        """Processes of the host whose program has this name, with their command lines."""
        found = {}
        for pid in groups.processes(self.group):
            with contextlib.suppress(OSError):
                place = Path(f"/proc/{pid}")
                if (place / "comm").read_text().strip() == command:
                    words = (place / "cmdline").read_bytes().split(b"\0")
                    found[pid] = " ".join(word.decode(errors="replace") for word in words).strip()
        return found

    def init(self) -> int:
        """The host's systemd, by which its namespaces are entered."""
        for pid in self.processes("systemd"):
            with contextlib.suppress(OSError, StopIteration):
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                numbers = next(line for line in lines if line.startswith("NSpid:")).split()[1:]
                if len(numbers) > 1 and numbers[-1] == "1":
                    return pid
        raise RuntimeError(f"{self.name}: its host does not run")

    def run(self, *argv: str, stdin: str = "", seconds: float = 30) -> str:
        """Run a program on the host as root, not over the network."""
        done = subprocess.run(
            ["nsenter", "--all", f"--target={self.init()}", "--", *argv],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds * PATIENCE,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {argv[0]}: {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def status(self) -> dict[str, Any]:
        return json.loads(self.run("sh", "-c", STATUS))

    def freeze(self) -> None:
        """Stop every process of the host where it stands, as a stalled hypervisor does."""
        for hierarchy, name, value in (
            (Path("/sys/fs/cgroup/freezer"), "freezer.state", "FROZEN"),
            (Path("/sys/fs/cgroup"), "cgroup.freeze", "1"),
        ):
            switch = hierarchy / self.group / name
            if switch.exists():
                switch.write_text(value)
                return
        raise RuntimeError(f"{self.name}: found no freezer for the group {self.group}")

    def thaw(self) -> None:
        groups.thaw(self.group)

    # -- its server

    def mysqld(self) -> int:
        """The process of the ring's own server, whatever scratch servers run beside it."""
        pids = [pid for pid in self.processes("mysqld") if _is_in(SERVICE, pid)]
        if len(pids) != 1:
            raise RuntimeError(f"{self.name}: {len(pids)} servers run")
        return pids[0]

    def kill_server(self) -> int:
        pid = self.mysqld()
        os.kill(pid, signal.SIGKILL)
        return pid

    @contextlib.contextmanager
    def session(self, seconds: float = ANSWER_SECONDS) -> Iterator[pymysql.cursors.DictCursor]:
        """A session as root over the server's socket. Each answer comes within `seconds`."""
        connection = pymysql.connect(
            unix_socket=f"/proc/{self.mysqld()}/root/run/mysqld/mysqld.sock",
            user="root",
            password=self._passwords["root"],
            ssl_disabled=True,
            connect_timeout=CONNECT_SECONDS * PATIENCE,
            read_timeout=seconds * PATIENCE,
            write_timeout=seconds * PATIENCE,
            autocommit=True,
            charset="utf8",
            cursorclass=pymysql.cursors.DictCursor,
        )
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    @contextlib.contextmanager
    def client(self, seconds: float = ANSWER_SECONDS) -> Iterator[pymysql.cursors.DictCursor]:
        """A session as the application, from the client network, so through the node's gate. It
        comes from the network's router, whose own packets no security group sees."""
        client = pymysql.connect(
            host=self.client_address,
            user="app",
            password=self._passwords["app"],
            ssl=self._tls(),
            read_timeout=seconds * PATIENCE,
            write_timeout=seconds * PATIENCE,
            autocommit=True,
            charset="utf8",
            cursorclass=pymysql.cursors.DictCursor,
            defer_connect=True,
        )
        place = (self.client_address, 3306)
        client.connect(
            namespaces.call_inside(
                self._client_network,
                lambda: socket.create_connection(place, CONNECT_SECONDS * PATIENCE),
            )
        )
        try:
            with client.cursor() as cursor:
                yield cursor
        finally:
            client.close()

    @cached_property
    def _client_network(self) -> str:
        """The network namespace of its router."""
        described = self.lab.aws("ec2", "describe-instances", "--instance-ids", self.id)
        return self.names.vpc(described["Reservations"][0]["Instances"][0]["VpcId"])

    def _tls(self) -> ssl.SSLContext:
        """What a client of OpenSSL 3 needs to speak to the lab's 5.6.24, whose TLS is of 2015."""
        context = ssl.create_default_context(cadata=self._ca)
        context.check_hostname = False
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.options |= 0x4  # OP_LEGACY_SERVER_CONNECT
        context.set_ciphers("AES256-SHA:@SECLEVEL=0")
        return context

    def rows(self, statement: str) -> list[dict[str, Any]]:
        with self.session() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def threads(self) -> tuple[str, str]:
        """Slave_IO_Running and Slave_SQL_Running."""
        (row,) = self.rows("SHOW SLAVE STATUS")
        return row["Slave_IO_Running"], row["Slave_SQL_Running"]

    def heartbeat_age(self) -> float:
        """Age of the peer's heartbeat here in milliseconds, as `ring-node status` tells it."""
        return self.status()["heartbeat_age_ms"]

    def lacks(self) -> str:
        """Empty when both threads run and the peer's heartbeat is fresh, as this host's clock
        sees it; else what is amiss."""
        try:
            (beat,) = self.rows(BEAT.format(self.peer_id))
            (slave,) = self.rows("SHOW SLAVE STATUS")
        except Exception as error:
            return f"{self.name}: {error!r}"
        fresh = beat["age"] < FRESH_MS * 1000
        if fresh and (slave["Slave_IO_Running"], slave["Slave_SQL_Running"]) == ("Yes", "Yes"):
            return ""
        said = {name: slave[name] for name in SLAVE_SAYS if slave[name]}
        return f"{self.name}: heartbeat of {beat['age'] / 1e6:.1f} s ago, {said}"

    def wait_for_server(self, seconds: float = BOOT_SECONDS) -> float:
        _, took = within(seconds, f"{self.name}'s server answers", lambda: self.rows("SELECT 1"))
        return took


def _is_in(unit: str, pid: int) -> bool:
    try:
        groups_of = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return False
    return any(line.endswith(unit) for line in groups_of)
