"""An up dies or is hindered; the next `scripts/lab up` ends in a verified ring.

First in its tier: the ring that the others use is what these ups have made.
"""

import json
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import holdings
import pytest
from bad_days import REFUSED, UNTIL_THE_END, bad_day
from cloud.cli.errors import BUSY
from conftest import is_back
from hosts import Node
from labs import NODES, STATE, UP_SECONDS, Lab, Stamp
from updates import DESTROY_COMMAND, Update
from waits import within

pytestmark = pytest.mark.updates

Figure = Callable[[str, float], None]

WAVE_SECONDS = 120
UPLOAD = r"command:remote:CopyToRemote ring-node-\d-tools-upload"
# What the API does not tell about, and what it has made when the up is killed: a provider that gets
# no answer about what it made keeps it to itself, and the state never hears of it. Pulumi has eight
# resources at work on two cores: no more than six of a wave get stuck.
WAVES = (
    (
        "DescribeVpcs|DescribeKeyPairs|GetRole|HEAD|GET",
        ("ec2 CreateVpc", "ec2 ImportKeyPair", "iam CreateRole", "s3 PUT"),
        Update.kill,
    ),
    (
        "DescribeSecurityGroups|DescribeInternetGateways|GetRolePolicy",
        ("ec2 CreateSecurityGroup", "ec2 CreateInternetGateway", "iam PutRolePolicy"),
        Update.kill,
    ),
    (
        "DescribeNetworkInterfaces|DescribeAddresses",
        ("ec2 CreateNetworkInterface", "ec2 AllocateAddress"),
        Update.kill_cli,
    ),
    ("DescribeInstances", ("ec2 RunInstances",), Update.kill),
)
TAKEN_IN = {
    "aws:ec2/eip:Eip",
    "aws:ec2/instance:Instance",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/keyPair:KeyPair",
    "aws:ec2/networkInterface:NetworkInterface",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/vpc:Vpc",
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:s3/bucket:Bucket",
}
# What is being made when an up is ended, for how long it has been, and how the up ends. The state
# notes what is being made: no kill can come too early or too late unseen.
STEPS = (
    (UPLOAD, 0.0, Update.kill_cli),
    (r"command:remote:Command ring-node-\d-tools-release", 0.5, Update.interrupt),
    (r"command:remote:Command ring-node-\d-tools-release", 0.0, Update.kill),
    (r"command:remote:Command ring-node-\d-mysql-install", 2.0, Update.kill),
    (r"command:remote:Command ring-node-\d-mysql-tls", 0.0, Update.kill_cli),
    (r"command:remote:Command ring-node-\d-mysql-config", 0.0, Update.kill),
    (r"command:remote:Command ring-node-\d-mysql-server", 0.5, Update.kill_cli),
    (r"command:remote:Command ring-node-\d-mysql-accounts", 0.1, Update.interrupt),
    (r"command:remote:Command ring-node-\d-mysql-accounts", 0.0, Update.kill),
    (r"command:remote:Command ring-replication-node-\d-seed", 0.0, Update.kill_cli),
    (r"command:remote:Command ring-replication-node-\d-replicate", 0.1, Update.kill),
    (r"command:remote:Command ring-replication-node-\d-verify", 0.0, Update.kill_cli),
)


class Walk:
    """Ups that end before their end, one after the other, and what they leave behind."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.orphans: dict[str, str] = {}
        """What the last up made that the state does not know: name and identifier."""
        self.adopted: dict[str, str] = {}
        """What the ups before it have taken in."""
        self._read: tuple[Stamp | None, list[dict[str, Any]]] = (None, [])

    def pending(self) -> list[dict[str, Any]]:
        """What the state says to be under way. Asked often: what has not changed is not read."""
        stamp = self.lab.stamp()
        if stamp != self._read[0]:
            state = json.loads((self.lab.folder / STATE).read_text())["checkpoint"]["latest"]
            self._read = stamp, state.get("pending_operations") or []
        return self._read[1]

    def under_way(self) -> list[str]:
        """Type and name of each resource that is being made."""
        return [
            f"{each['resource']['type']} {_name(each['resource'])}"
            for each in self.pending()
            if each["type"] == "creating"
        ]

    def ended_at(
        self, what: str, pause: float, end: Callable[[Update], None], refused: str = ""
    ) -> None:
        """An up that ends while a resource of the program is being made; `refused`: actions that
        the API does not take meanwhile."""
        up = Update(self.lab, "up")

        def at_work() -> list[str]:
            _must_run(up, what)
            return [each for each in self.under_way() if re.fullmatch(what, each)]

        with ExitStack() as stack:
            if refused:
                up.reaches("Updating")
                stack.enter_context(bad_day(self.lab, "error", UNTIL_THE_END, refused))
            within(UP_SECONDS, f"{what} is being made", at_work, pause=0.01)
            if "install" in what:
                second = self.lab.run("up", expect=BUSY)
                assert f"process {up.process.pid}" in second.stderr
            time.sleep(pause)
            end(up)
        self._look_back(up)
        left = self.under_way()
        if end is Update.interrupt:
            assert left == []
        else:
            late = f"the kill came after the end of {what}; under way: {left}"
            assert any(re.fullmatch(what, each) for each in left), late

    def ended_in_a_wave(
        self, looks: str, made: tuple[str, ...], end: Callable[[Update], None]
    ) -> None:
        """An up that dies when the API has made things and has not told of them."""
        up = Update(self.lab, "up")
        up.reaches("Updating")
        with bad_day(self.lab, "error", UNTIL_THE_END, looks) as log:

            def lacking() -> list[str]:
                _must_run(up, ", ".join(made))
                return [each for each in made if f"{each}: 200" not in log()]

            within(WAVE_SECONDS, "the API has made it all", lacking, lambda left: not left)
            end(up)
        self._look_back(up)
        self.orphans = self._unknown()
        assert self.orphans

    def _look_back(self, up: Update) -> None:
        """What the up before this one left was taken in by this one, which said so."""
        assert "The ring" not in up.text
        said = " ".join(up.text.split())
        for name, identifier in self.orphans.items():
            assert f"killed update created: {name} ({identifier})" in said, up.text[:4000]
        self.adopted |= self.orphans
        self.orphans = {}

    def _unknown(self) -> dict[str, str]:
        there = holdings.of_the_api(self.lab)
        known = {resource["urn"] for resource in self.lab.resources()}
        found = {}
        for each in self.pending():
            resource = each["resource"]
            if each["type"] == "creating" and resource["urn"] not in known:
                for held in there.get(holdings.key(resource), []):
                    found[_name(resource)] = holdings.identifier(resource, held)
        return found


def _must_run(up: Update, what: str) -> None:
    if up.process.poll() is not None:
        pytest.fail(f"the up ended without {what}:\n{up.text[-4000:]}")


def _name(resource: dict[str, Any]) -> str:
    return resource["urn"].rsplit("::", 1)[1]


@pytest.fixture
def bare(lab: Lab) -> Lab:
    """A lab without a ring."""
    if lab.folder.exists() and lab.resources():
        lab.run(*DESTROY_COMMAND, timeout=300)
    return lab


def test_an_up_killed_in_each_phase_ends_in_a_verified_ring(bare: Lab, figure: Figure) -> None:
    walk = Walk(bare)
    # What the waves are about must not be there before them.
    walk.ended_at(r"command:local:Command \S+", 0.0, Update.kill, refused="Create.*|PUT")
    for looks, made, end in WAVES:
        walk.ended_in_a_wave(looks, made, end)
    for what, pause, end in STEPS:
        walk.ended_at(what, pause, end)
    begun = time.monotonic()
    bare.up()
    figure("last up took", time.monotonic() - begun)
    figure("things taken in", len(walk.adopted))
    is_back([Node(bare, name) for name in NODES])

    held = {_name(resource): resource for resource in bare.resources()}
    assert {name: held[name].get("id") for name in walk.adopted} == walk.adopted
    assert {held[name]["type"] for name in walk.adopted} >= TAKEN_IN
    assert holdings.difference(bare) == {}
    bare.pulumi("preview", "--expect-no-changes", "--non-interactive")


def test_updates_outlast_an_api_that_fails_or_throttles_for_a_while(
    ring: Lab, figure: Figure
) -> None:
    tagged = ("ec2", "describe-vpcs", "--filters", "Name=tag:Day,Values=bad")
    changed = ring.settings_with(tags={"Day": "bad"})
    begun = time.monotonic()
    with bad_day(ring, "error") as log:
        ring.pulumi(
            "up", "--yes", "--skip-preview", "--non-interactive", "--config-file", str(changed)
        )
        assert log().count(REFUSED) > 5
    figure("update over errors took", time.monotonic() - begun)
    assert len(ring.aws(*tagged)["Vpcs"]) == 2

    begun = time.monotonic()
    with bad_day(ring, "throttle") as log:
        ring.up()
        assert log().count(REFUSED) > 5
    figure("update over throttling took", time.monotonic() - begun)
    assert ring.aws(*tagged)["Vpcs"] == []
