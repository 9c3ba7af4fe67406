"""One run of the program with the article's values, shared by the tests that only read it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import pulumi
from pulumi_aws import config as aws
from recording import STATE, Recorded, answering, run

from components.configuration import read
from components.guard import mistakes
from components.problems import SettingsError
from components.ring import Ring, RingArgs
from components.settings import ARTICLE_NODES, NodeCertificate

KEYS = Path(__file__).parents[3] / "scripts" / "keys"
ADMIN = "198.51.100.0/24"


def stand_up(**changes: object) -> Recorded:
    """The registrations of a whole ring with some settings changed."""
    return run(lambda: Ring("ring", ring_args(**changes)).outputs)


def ring_args(**changes: object) -> RingArgs:
    """The article's ring with some settings changed."""
    return RingArgs(**{"admin_cidrs": [ADMIN], **changes})  # type: ignore[arg-type]


def configured(state: dict[str, Any] | None = None) -> RingArgs:
    """What the program reads from the configuration, for a stack in which `state` stands.

    Raises SettingsError with every mistake, as the program does.
    """

    def answer(token: str, _: dict[str, Any]) -> dict[str, Any]:
        assert token == STATE
        return {"outputs": state or {}}

    with answering(answer):
        args = read(pulumi.Config("mysql-ring"), "ring")
        if found := mistakes("ring", args, aws.region):
            raise SettingsError(found)
    return args


@pytest.fixture(scope="session")
def ring() -> Recorded:
    return stand_up()


@dataclass(frozen=True)
class Given:
    """Keys and certificates as an operator would bring them."""

    ssh_private_key: str
    ca_certificate: str
    ca_private_key: str
    node_certificates: dict[str, NodeCertificate]


def _made(name: str, *arguments: str, stdin: str = "") -> dict[str, str]:
    done = subprocess.run(
        [str(KEYS / name), *arguments], input=stdin, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def given() -> Given:
    authority = _made("authority")
    both = authority["certificate"] + authority["key"]
    signed = {
        node.name: _made(
            "server-certificate",
            node.name,
            node.replication_address,
            node.client_address,
            stdin=both,
        )
        for node in ARTICLE_NODES
    }
    return Given(
        _made("ssh-key", "make")["private_key"],
        authority["certificate"],
        authority["key"],
        {name: NodeCertificate(made["certificate"], made["key"]) for name, made in signed.items()},
    )
