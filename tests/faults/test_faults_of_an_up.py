"""An up dies or is hindered; the next `scripts/lab up` ends in a verified ring.

First in its tier: the ring that the others use is what these ups have made.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from cloud.api.faults import FILE
from cloud.cli.errors import BUSY
from conftest import is_back
from hosts import Node
from labs import NODES, Lab
from updates import DESTROY_COMMAND, Update, cloud_holds

pytestmark = pytest.mark.faults

Figure = Callable[[str, float], None]

BAD_SECONDS = 12
STATE = "state/.pulumi/stacks/mysql-ring/lab.json"
ONCE = {"vpcs": 2, "subnets": 2, "interfaces": 4, "addresses": 2, "instances": 2}

# What the CLI prints when a phase is under way, how long after that it is ended, and how.
PHASES = {
    "network": (r"aws:ec2:NetworkInterface \S+ creating", 0.05, Update.kill),
    "instances": (r"aws:ec2:Instance \S+ creating", 0.3, Update.kill_cli),
    "tools": (r"node-\d-tools creating", 0.5, Update.interrupt),
    "install": (r"node-\d-mysql-install creating", 2.0, Update.kill),
    "server": (r"node-\d-mysql-server creating", 0.5, Update.kill_cli),
    "accounts": (r"node-\d-accounts creating", 0.1, Update.interrupt),
    "seed": (r"node-\d-seed creating", 0.1, Update.kill),
    "replicate": (r"node-\d-replicate creating", 0.1, Update.kill_cli),
}


def pending(lab: Lab) -> list[str]:
    """What the state says to be under way."""
    state = json.loads((lab.folder / STATE).read_text())["checkpoint"]["latest"]
    return [
        f"{each['type']} {each['resource']['urn'].rsplit('::', 1)[1]}"
        for each in state.get("pending_operations") or []
    ]


@pytest.fixture
def bare(lab: Lab) -> Lab:
    """A lab without a ring."""
    if lab.folder.exists() and lab.resources():
        lab.run(*DESTROY_COMMAND, timeout=300)
    return lab


def test_an_up_killed_in_each_phase_ends_in_a_verified_ring(bare: Lab, figure: Figure) -> None:
    for phase, (line, pause, end) in PHASES.items():
        up = Update(bare, "up")
        up.reaches(line)
        if phase == "install":
            second = bare.run("up", expect=BUSY)
            assert f"process {up.process.pid}" in second.stderr
        time.sleep(pause)
        end(up)
        assert "The ring" not in up.text, phase
        left = pending(bare)
        assert bool(left) == (end is not Update.interrupt), f"{phase}: {left}"
    begun = time.monotonic()
    bare.up()
    figure("last up took", time.monotonic() - begun)
    is_back([Node(bare, name) for name in NODES])
    assert cloud_holds(bare) == ONCE
    bare.pulumi("preview", "--expect-no-changes", "--non-interactive")


@contextmanager
def bad_day(lab: Lab, answer: str) -> Iterator[None]:
    """The API answers nothing but errors for a while, and somebody was told so."""
    log, order = lab.folder / "cloud" / "daemon.log", lab.folder / "cloud" / FILE
    begin = log.stat().st_size
    order.write_text(json.dumps({"answer": answer, "seconds": BAD_SECONDS}))
    try:
        yield
    finally:
        order.unlink()
    with log.open("rb") as stream:
        stream.seek(begin)
        assert stream.read().count(b"as ordered") > 5


def test_updates_outlast_an_api_that_fails_or_throttles_for_a_while(
    ring: Lab, figure: Figure
) -> None:
    tagged = ("ec2", "describe-vpcs", "--filters", "Name=tag:Day,Values=bad")
    changed = ring.settings_with(tags={"Day": "bad"})
    begun = time.monotonic()
    with bad_day(ring, "error"):
        ring.pulumi(
            "up", "--yes", "--skip-preview", "--non-interactive", "--config-file", str(changed)
        )
    figure("update over errors took", time.monotonic() - begun)
    assert len(ring.aws(*tagged)["Vpcs"]) == 2

    begun = time.monotonic()
    with bad_day(ring, "throttle"):
        ring.up()
    figure("update over throttling took", time.monotonic() - begun)
    assert ring.aws(*tagged)["Vpcs"] == []
