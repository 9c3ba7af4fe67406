"""The ring as the outputs of its stack tell of it."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.errors import HOST, INPUT, OpsError

PROGRAM = Path(__file__).resolve().parents[2]
"""The folder of the program, whose project the stack is of."""
SECONDS = 120


@dataclass(frozen=True)
class Node:
    """Where a node is reached, and the line of a known_hosts file that has its host key."""

    name: str
    address: str
    known_hosts: str


@dataclass(frozen=True)
class Ring:
    """Its nodes by name, and who logs in on them with which key."""

    nodes: Mapping[str, Node]
    login: str
    key: str = field(repr=False)


def read(stack: str | None, folder: Path = PROGRAM) -> Ring:
    """Asks Pulumi for the stack that is selected, or for the one that is named."""
    argv = ["pulumi", "stack", "output", "--json", "--show-secrets", "--non-interactive"]
    argv += ["--stack", stack] if stack is not None else []
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise OpsError(
            "no program `pulumi` on PATH",
            "the Pulumi CLI, which reads the stack",
            "install it: https://www.pulumi.com/docs/install/",
            HOST,
        ) from None
    except subprocess.TimeoutExpired:
        raise OpsError(
            f"`pulumi stack output` did not end within {SECONDS} s",
            "the outputs of the stack",
            f"run `pulumi stack` in {folder} and see what it waits for",
            HOST,
        ) from None
    if done.returncode != 0:
        raise OpsError(
            f"`pulumi stack output` ended with {done.returncode}: {done.stderr.strip()}",
            "the outputs of the stack",
            f"run `pulumi stack ls` in {folder}; `pulumi stack select`, or --stack",
            INPUT if stack is not None else HOST,
        )
    return parse(json.loads(done.stdout))


def parse(outputs: Any) -> Ring:
    """The outputs as components/outputs.py has them; raises OpsError where they are none."""
    try:
        nodes = {
            name: Node(name, each["publicAddress"], each["knownHosts"])
            for name, each in outputs["nodes"].items()
        }
        result = Ring(nodes, outputs["login"], outputs["sshPrivateKey"])
    except (KeyError, TypeError, AttributeError):
        nodes, result = {}, None
    if result is None or not nodes:
        raise OpsError(
            "no nodes, login or key in the outputs of the stack",
            "a ring that stands",
            "select its stack, or run `pulumi up`",
            HOST,
        )
    return result
