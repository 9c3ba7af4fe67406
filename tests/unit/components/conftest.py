"""One run of the program with the article's values, shared by the tests that only read it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recording import Recorded, run

from components.ring import Ring, RingArgs
from components.settings import Settings

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
