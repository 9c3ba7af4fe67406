"""A ring whose nodes answer as a test says, and what its verbs print."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from click.testing import CliRunner, Result
from ops.command import Outside, main
from ops.errors import OpsError
from ops.nodes import TOOL
from ops.ssh import Done
from ops.stack import Node, Ring

NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n-----END OPENSSH PRIVATE KEY-----\n"
NODES = {
    name: Node(name, f"203.0.113.{number}", f"203.0.113.{number} ssh-ed25519 AAAA{number}")
    for number, name in ((1, "node-1"), (2, "node-2"))
}
RING = Ring(NODES, "admin", KEY)
CUT = Done(None, "", "ssh: connect to host 203.0.113.1 port 22: Connection timed out")
UUID = "6f1a2b3c-0000-11f0-8000-0123456789ab"

Said = dict[str, Any] | Done | list[dict[str, Any] | Done]


def failed(code: int, found: str, next_step: str = "do this") -> Done:
    text = (
        f"ring-node: found: {found}\n           expected: the other\n"
        f"           next step: {next_step}\n"
    )
    return Done(code, "", text)


class Nodes:
    """The transport: it answers what a test put down for a node and a verb, one after the other
    where it is a list, and notes all that it is asked."""

    def __init__(self, **said: dict[str, Said]) -> None:
        """`said`: by verb (with _ for -) and node."""
        self.said = {verb.replace("_", "-"): each for verb, each in said.items()}
        self.asked: list[tuple[str, str, Any]] = []
        self.commands: list[str] = []
        self.progress: list[str] = []
        self.stopped = self.closed = False

    def run(self, node: str, command: str, stdin: str, hear: Callable[[str], None]) -> Done:
        self.commands.append(command)
        verb, *options = command.partition(f" {TOOL} ")[2].split()
        assert verb, command
        told = json.loads(stdin) if stdin else None
        self.asked.append((node, " ".join([verb, *options]), told))
        for line in self.progress:
            hear(f"{line}\n")
        answer = self.said[verb][node] if verb != "archive" else self.archived(node)
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Done):
            return answer
        code = 9 if answer.get("healthy") is False else 0
        report = {"verb": verb, "changed": False, "done": ["no change"], **answer}
        return Done(code, json.dumps(report) + "\n", "")

    def archived(self, node: str) -> Said:
        """Where a test says nothing of it, it is done."""
        return self.said.get("archive", {}).get(node, {})

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        self.closed = True


class World(Outside):
    """A stack and its nodes."""

    def __init__(self, nodes: Nodes, stack: Ring | OpsError = RING) -> None:
        self.nodes, self.stack = nodes, stack
        self.named: list[str | None] = []

    def read(self, name: str | None) -> Ring:
        self.named.append(name)
        if isinstance(self.stack, OpsError):
            raise self.stack
        return self.stack

    def connect(self, ring: Ring) -> Nodes:
        assert ring is self.stack
        return self.nodes

    def now(self) -> datetime:
        return NOW


def run(nodes: Nodes, *words: str, stack: Ring | OpsError = RING, **options: Any) -> Result:
    options.setdefault("env", {"COLUMNS": "200"})
    return CliRunner().invoke(
        main, list(words), prog_name="ring", obj=World(nodes, stack), **options
    )


def backup(node: str = "node-1", name: str = "20261126T031500Z", **changes: Any) -> dict[str, Any]:
    time = datetime.strptime(name, "%Y%m%dT%H%M%SZ").strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "node": node,
        "name": name,
        "taken_at": time,
        "server_uuid": UUID,
        "mysql_version": "5.6.24-log",
        "bytes": 3 << 30,
        "files": 120,
        "seconds": 95.4,
        "stored_bytes": 512 << 20,
        "export": False,
        "inexact": [],
        "checked": {"tables": 40, "seconds": 12.3, "left_out": []},
        "master": ["bin.000004", 120],
        "problem": None,
        "next_step": None,
        **changes,
    }


def broken(node: str = "node-1", name: str = "20261125T031500Z") -> dict[str, Any]:
    whole = dict.fromkeys(backup())
    said = {"problem": "its manifest was cut", "next_step": "take another one"}
    return {**whole, "node": node, "name": name, **said}


def logs(node: str = "node-1", **changes: Any) -> dict[str, Any]:
    return {
        "node": node,
        "server_uuid": UUID,
        "first_file": "bin.000001",
        "last_file": "bin.000012",
        "logs": 12,
        "stored_bytes": 5 << 20,
        "first_time": "2026-11-20T00:00:00Z",
        "last_time": "2026-11-26T11:55:00Z",
        "gaps": [],
        "problem": None,
        **changes,
    }


def drill(node: str = "node-2", at: str = "2026-11-26T05:00:00Z", **changes: Any) -> dict[str, Any]:
    return {
        "node": node,
        "at": at,
        "backup": "node-1/20261126T031500Z",
        "good": True,
        "tables_compared": 40,
        "seconds": 65.0,
        "problem": None,
        "next_step": None,
        **changes,
    }


def restored(name: str = "night", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "folder": f"/srv/mysql-ring/restored/{name}",
        "socket": f"/srv/mysql-ring/restored/{name}/mysqld.sock",
        "running": True,
        "backup": "node-1/20261126T031500Z",
        "moment": {"at": "2026-11-26T03:20:00Z"},
        "connect": f"sudo mariadb --socket=/srv/mysql-ring/restored/{name}/mysqld.sock",
        "restored_at": "2026-11-26T11:00:00Z",
        "as_of": None,
        **changes,
    }


def kept(node: str, **changes: Any) -> dict[str, Any]:
    """What the verb `backups` says."""
    return {
        "bucket": "prod-ring-0123",
        "stack": "prod",
        "ring": "ring",
        "node": node,
        "backups": [backup()],
        "logs": [logs("node-1"), logs("node-2")],
        "turns": [],
        "drills": [],
        "restored": [],
        **changes,
    }


def replayed(**changes: Any) -> dict[str, Any]:
    """How far a restore came, as the node tool says it (backup/replay.py, Replayed)."""
    return {
        "reached": [
            {
                "server_id": 2,
                "transactions": 7,
                "time": "2026-11-26T03:19:59Z",
                "log": "bin.000012",
                "position": 1234,
            }
        ],
        "transactions": 7,
        "misfits": 0,
        "misfits_from": None,
        "seconds": 1.5,
        "notes": [],
        **changes,
    }


def both(**changes: Any) -> dict[str, Said]:
    return {name: kept(name, **changes) for name in NODES}


def well(**changes: Any) -> dict[str, Any]:
    """What the verb `status` says of a node that serves."""
    return {"healthy": True, "service": "active", "gate": "open", "connections": 5, **changes}
