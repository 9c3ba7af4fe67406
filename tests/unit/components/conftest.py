"""One run of the program with the article's values, shared by the tests that only read it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recording import Recorded, run

from components.ring import Ring, RingArgs
from components.settings import ARTICLE_NODES, NodeCertificate, Settings

KEYS = Path(__file__).parents[3] / "scripts" / "keys"
ADMIN = "198.51.100.0/24"


def stand_up(**changes: object) -> Recorded:
    """The registrations of a whole ring with some settings changed."""
    given: dict[str, object] = {"admin_cidrs": (ADMIN,), **changes}

    def program() -> dict[str, object]:
        ring = Ring("ring", RingArgs(Settings(**given)))  # type: ignore[arg-type]
        return {
            "nodes": ring.nodes,
            "ca_certificate": ring.ca_certificate,
            "users": ring.users,
            "passwords": ring.passwords,
            "ssh_private_key": ring.ssh_private_key,
            "ssh_host_keys": ring.ssh_host_keys,
            "bucket": ring.bucket_name,
        }

    return run(program)


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
