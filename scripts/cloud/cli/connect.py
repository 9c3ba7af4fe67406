"""The commands that reach into a lab that is up: pulumi, ring, aws, ssh and mysql."""

import os
import shlex
import subprocess
import sys
from typing import NoReturn

from cloud.cli import cloud
from cloud.cli.errors import NOT_UP, LabError
from cloud.cli.nodes import Nodes
from cloud.cli.stack import stack_locks
from cloud.cli.surroundings import argv_in_world, aws_environment, environment
from cloud.lab import Lab

CLIENT = ("sudo", "mariadb", "--defaults-extra-file=/root/.my.cnf", "--skip-ssl")
"""Debian's client; it would try TLS first, which 5.6.24 does not speak in a version it takes."""


def require_up(lab: Lab) -> None:
    if not lab.exists() or cloud.running(lab) is None:
        raise LabError(
            f"found no stand-in cloud that serves the lab {lab.folder}; expected one; "
            "run `scripts/lab up`",
            NOT_UP,
        )


def pulumi(lab: Lab, arguments: tuple[str, ...]) -> NoReturn:
    """Become the Pulumi CLI, after a word on the lock of a dead update.

    Pulumi's own words on it name a `pulumi cancel` that is not on PATH and has another backend.
    """
    require_up(lab)
    if "cancel" not in arguments:
        for lock in stack_locks(lab):
            if lock.pid is not None and not lock.alive:
                print(
                    f"lab: found the lock of an update that died (process {lock.pid}); expected "
                    "none, because Pulumi changes nothing while it is there; run "
                    "`scripts/lab pulumi cancel --yes`, then this command again; "
                    "`scripts/lab up` needs no cancel",
                    file=sys.stderr,
                )
    os.chdir(lab.checkout)
    _become(argv_in_world(lab, ["pulumi", *arguments]), environment(lab))


def ring(lab: Lab, arguments: tuple[str, ...]) -> NoReturn:
    """Become the operator's command."""
    require_up(lab)
    entry = str(lab.checkout / "scripts" / "ring")
    _become(argv_in_world(lab, [entry, *arguments]), environment(lab))


def aws(lab: Lab, arguments: tuple[str, ...]) -> NoReturn:
    """Become the AWS command line, with the lab's region and keys."""
    require_up(lab)
    _become(argv_in_world(lab, ["aws", *arguments]), aws_environment(lab))


def ssh(lab: Lab, node: str, command: tuple[str, ...]) -> NoReturn:
    """Become the ssh client."""
    require_up(lab)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    _become(Nodes(lab).ssh(node, " ".join(command) or None, terminal=terminal), environment(lab))


def mysql(lab: Lab, node: str, sql: str | None, database: str | None) -> int:
    """Run Debian's client on the node, over the server's socket; SQL goes there on stdin."""
    require_up(lab)
    nodes = Nodes(lab)
    prompt = sql is None and sys.stdin.isatty() and sys.stdout.isatty()
    argv = [*CLIENT, *([] if prompt else ["--batch"]), *([database] if database else [])]
    command = nodes.ssh(node, shlex.join(argv), terminal=prompt)
    if sql is None:
        _become(command, environment(lab))
    return subprocess.run(command, env=environment(lab), input=f"{sql}\n".encode()).returncode


def _become(argv: list[str], surroundings: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(argv[0], argv, surroundings)  # noqa: S606 - no shell is wanted
