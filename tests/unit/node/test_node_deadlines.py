"""A verb ends by its own deadlines before Pulumi gives its step up."""

from __future__ import annotations

import pytest
from ring_node import cli
from ring_node.backup import born, restore
from ring_node.host import archive, network, packages, volumes
from ring_node.mysql import datadir, lifecycle, options, scratch, sql
from ring_node.ring import copying, documents, follow, relay, replicating, restart, seeding
from ring_node.verbs import tools, verify, wait_serving

from components.step import MINUTES

pytestmark = pytest.mark.unit

LITTLE = 60.0  # for all that takes seconds, of each verb
# systemctl starts or restarts, and stops what did not come up.
START = 30 + lifecycle.START_SECONDS + 2 * lifecycle.STOP_SECONDS + 60
ENTER = (
    2 * sql.CONNECT_SECONDS + 2 * restart.TURN_SECONDS + restart.PEER_OPEN_SECONDS
    + 2 * restart.FRESH_SECONDS
)  # fmt: skip
RESTART = (  # with new files, then with the old ones again
    2 * ENTER + restart.GREETING_SECONDS + relay.DRAIN_SECONDS
    + 2 * (START + restart.OPEN_SECONDS + documents.OPEN_WITHOUT_PEER_LONGEST
           + restart.BACK_SECONDS)
)  # fmt: skip
PROOF = scratch.START_SECONDS + scratch.STOP_SECONDS
COPY = copying.COPY_SECONDS + copying.TRIES * PROOF
SEED = START + seeding.QUIET_SECONDS + seeding.DRAIN_SECONDS + 2 * relay.STOP_SECONDS + COPY + START
APT = packages.LOCK_SECONDS + packages.ATTEMPTS * packages.APT_SECONDS
LONGEST = {
    "tools": tools.FIRST_BOOT_SECONDS + network.ADDRESS_SECONDS,
    "install": max(2 * APT, archive.FETCH_SECONDS + archive.UNPACK_SECONDS),
    "volume": 2 * volumes.DEVICE_SECONDS + volumes.GROWTH_SECONDS + 6 * volumes.PROGRAM_SECONDS,
    "tls": RESTART,
    "config": options.JUDGE_SECONDS,
    "server": datadir.INITIALISE_SECONDS + START,
    "accounts": relay.DRAIN_SECONDS + relay.STOP_SECONDS,
    "restore-new": network.ADDRESS_SECONDS + START + born.PEER_SECONDS + 2 * APT
    + born.RIGHTS_SECONDS + restore.SECONDS + 2 * PROOF + START,
    "seed": seeding.PEER_SECONDS + SEED,
    "replicate": replicating.PEER_SECONDS + replicating.COORDINATES_SECONDS + SEED
    + relay.DRAIN_SECONDS + 2 * relay.STOP_SECONDS + follow.THREADS_SECONDS
    + follow.CATCH_UP_SECONDS + replicating.OPEN_SECONDS,
    "restart": RESTART,
    "wait-serving": wait_serving.BACK_SECONDS + restart.BEATS_SECONDS + 2 * sql.CONNECT_SECONDS,
    "verify": 2 * verify.FRESH_SECONDS + 2 * verify.ROW_SECONDS,
    "schedule": 2 * APT,
}  # fmt: skip


@pytest.mark.parametrize("verb", MINUTES)
def test_a_step_outlasts_its_verb(verb: str) -> None:
    waits = cli.LOCK_SECONDS if cli.VERBS[verb].locks else 0.0
    assert waits + LONGEST[verb] + LITTLE < MINUTES[verb] * 60
