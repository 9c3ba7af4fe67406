"""An up dies or is hindered; the next `scripts/lab up` ends in a verified ring."""

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import holdings
import pytest
from bad_days import REFUSED, bad_day
from cloud.cli.errors import BUSY
from conftest import is_back
from gates import REACHED_SECONDS, Gate, Gates
from hosts import Node
from labs import ANY_NODE, NODES, Lab, eventually, hostname, resource, step_name
from updates import UP_COMMAND, Update

pytestmark = pytest.mark.updates

Figure = Callable[[str, float], None]

# What the API has made and does not tell of, when the up is killed: the provider waits for the
# answer, and the state never hears of it. Pulumi has eight resources at work on two cores: no more
# than eight of a wave wait.
WAVES = (
    (
        ("ec2 CreateVpc", "ec2 ImportKeyPair", "ec2 CreateVolume", "iam CreateRole", "s3 PUT"),
        Update.kill,
    ),
    (
        ("ec2 CreateSecurityGroup", "ec2 CreateInternetGateway", "iam PutRolePolicy"),
        Update.kill,
    ),
    (("ec2 CreateNetworkInterface", "ec2 AllocateAddress"), Update.kill_cli),
    (("ec2 RunInstances",), Update.kill),
    (("ec2 AttachVolume",), Update.kill_cli),
)
# What the first wave is about, and must not be there before it.
FIRST = "Create.*|ImportKeyPair|PUT"
TAKEN_IN = {
    "aws:ebs/volume:Volume",
    "aws:ec2/eip:Eip",
    "aws:ec2/instance:Instance",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/keyPair:KeyPair",
    "aws:ec2/networkInterface:NetworkInterface",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/volumeAttachment:VolumeAttachment",
    "aws:ec2/vpc:Vpc",
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:s3/bucket:Bucket",
}
PEER_USER = "ring_peer"
WORD = f"SELECT password FROM mysql.user WHERE user = '{PEER_USER}' ORDER BY host LIMIT 1"
CA = "sudo sha256sum /etc/mysql/ssl/CA.pem"


@dataclass(frozen=True)
class Step:
    """What is being made when an up is ended, where it is held, and how the up ends."""

    what: str
    lay: Callable[[Gates], AbstractContextManager[Gate]]
    end: Callable[[Update], None]

    @classmethod
    def of_a_verb(cls, verb: str, at: str, end: Callable[[Update], None]) -> "Step":
        what = f"command:remote:Command {step_name(ANY_NODE, verb)}"
        return cls(what, lambda gates: gates.verb(verb, at), end)


INSTALL = Step.of_a_verb("install", "rename /opt/mysql/", Update.kill)
# What each script of scripts/keys begins with, and nothing else on the operator's machine
KEYS = Step(r"command:local:Command \S+", lambda gates: gates.program("dirname"), Update.kill)
STEPS = (
    Step(
        f"command:remote:CopyToRemote {resource(ANY_NODE, 'tools-upload')}",
        Gates.upload,
        Update.kill_cli,
    ),
    Step.of_a_verb("tools", "rename /opt/mysql-ring/releases/", Update.interrupt),
    Step.of_a_verb("tools", "", Update.kill),
    INSTALL,
    Step.of_a_verb("volume", "run mkfs", Update.kill),
    Step.of_a_verb("tls", "rename /etc/mysql/ssl/", Update.kill_cli),
    Step.of_a_verb("config", "", Update.kill),
    Step.of_a_verb("server", "run setpriv --reuid=mysql", Update.kill_cli),
    Step.of_a_verb("accounts", "send GRANT", Update.interrupt),
    Step.of_a_verb("accounts", "", Update.kill),
    Step.of_a_verb("seed", "", Update.kill_cli),
    Step.of_a_verb("replicate", "send START SLAVE", Update.kill),
    Step.of_a_verb("restart", "", Update.kill),
    Step.of_a_verb("verify", "", Update.kill_cli),
)


class Walk:
    """Ups that end before their end, one after the other, and what they leave behind."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.orphans: dict[str, str] = {}
        """What the last up made that the state does not know: name and identifier."""
        self.adopted: dict[str, str] = {}
        """What the ups before it have taken in."""

    def pending(self) -> list[dict[str, Any]]:
        """What the state says to be under way."""
        return self.lab.state().get("pending_operations") or []

    def under_way(self) -> list[str]:
        """Type and name of each resource that is being made."""
        return [
            f"{each['resource']['type']} {_name(each['resource'])}"
            for each in self.pending()
            if each["type"] == "creating"
        ]

    def ended_at(self, step: Step, before: str = "") -> None:
        """An up that ends while a resource of the program is being made; `before`: actions that
        the API does not take meanwhile."""
        with ExitStack() as stack:
            if before:
                stack.enter_context(self.lab.gates.api(before=before))
            gate = stack.enter_context(step.lay(self.lab.gates))
            up = Update(self.lab, "up")
            gate.wait(by=up)
            if step is INSTALL:
                second = self.lab.run("up", expect=BUSY)
                assert f"process {up.process.pid}" in second.stderr
            step.end(up)
        self._look_back(up)
        left = self.under_way()
        if step.end is Update.interrupt:
            assert left == []
        else:
            assert any(re.fullmatch(step.what, each) for each in left), (step.what, left)

    def ended_in_a_wave(self, made: tuple[str, ...], end: Callable[[Update], None]) -> None:
        """An up that dies when the API has made things and has not told of them."""
        actions = "|".join(each.split()[1] for each in made)
        with self.lab.gates.api(after=actions) as gate:
            up = Update(self.lab, "up")
            gate.wait(*(f"{each}: 200" for each in made), by=up)
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


def _name(resource: dict[str, Any]) -> str:
    return resource["urn"].rsplit("::", 1)[1]


def test_an_up_killed_in_each_phase_ends_in_a_verified_ring(bare: Lab, figure: Figure) -> None:
    walk = Walk(bare)
    walk.ended_at(KEYS, before=FIRST)
    assert holdings.of_the_api(bare) == {}
    for made, end in WAVES:
        walk.ended_in_a_wave(made, end)
    for step in STEPS:
        walk.ended_at(step)
    begun = time.monotonic()
    bare.up()
    figure("last up took", time.monotonic() - begun)
    figure("things taken in", len(walk.adopted))
    is_back([Node(bare, name) for name in NODES])

    held = {_name(resource): resource for resource in bare.resources()}
    kept = {name: holdings.kept_as(held[name], each) for name, each in walk.adopted.items()}
    assert {name: held[name].get("id") for name in kept} == kept
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


def test_the_password_for_the_peer_changes_with_the_ca_and_my_cnf_though_ups_die_in_between(
    ring: Lab, nodes: list[Node]
) -> None:
    first, second = NODES
    before = {name: (ring.value(name, WORD), ring.ssh(name, CA)) for name in NODES}
    changed = ring.settings_with(mysqlSettings={"tmp_table_size": "48M"})
    settings = ("--config-file", str(changed))
    anew = [
        word
        for name in (f"password-{PEER_USER}", "ca")
        for word in ("--replace", ring.urn(f"ring-credentials-{name}"))
    ]
    # The second one has neither, the first one both: none logs in on the other, nor trusts it.
    with ring.gates.verb("tls", host=hostname(ring, second)) as gate:
        up = Update(ring, *UP_COMMAND, *settings, *anew)
        gate.wait(by=up)
        eventually(
            lambda: ring.value(first, WORD),
            lambda word: word != before[first][0],
            f"another password on {first}",
            REACHED_SECONDS,
        )
        assert ring.ssh(first, CA) != before[first][1]
        assert (ring.value(second, WORD), ring.ssh(second, CA)) == before[second]
        up.kill()
    ring.pulumi("cancel", "--yes")
    # Then it has the certificates alone.
    with ring.gates.verb("accounts", host=hostname(ring, second)) as gate:
        up = Update(ring, *UP_COMMAND, *settings)
        gate.wait(by=up)
        assert ring.ssh(second, CA) == ring.ssh(first, CA)
        assert ring.value(second, WORD) == before[second][0] != ring.value(first, WORD)
        up.kill()
    ring.pulumi("cancel", "--yes")
    up = Update(ring, *UP_COMMAND, *settings)
    assert up.end() == 0, up.text[-4000:]
    for name in NODES:
        assert ring.value(name, WORD) == ring.value(first, WORD) != before[name][0]
        assert ring.value(name, "SELECT @@tmp_table_size") == str(48 << 20)
    is_back(nodes)
    ring.pulumi("preview", "--expect-no-changes", *settings)
