"""The programs of examples/, by the real CLI: what they would make, and two rings that stand."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import deployer
import pytest
import yaml
from labs import ROOT, CommandFailed, Lab

pytestmark = pytest.mark.lab

EXAMPLES = ROOT / "examples"
TWO_RINGS = ("orders", "stock")
DEPLOYER = "deployer"
WORD = "a-word-for-the-app"
PASSWORD = "ring-with-application:password"  # noqa: S105 - the name of a setting
PLAIN = ("--non-interactive", "--color", "never")
# What the program reads as mysql-ring:nodes: both server ids of the first ring changed.
OTHER_SERVERS = [
    {
        "name": f"node-{number}",
        "clientAddress": f"192.168.100.{9 + number}",
        "replicationAddress": f"10.10.1.{9 + number}",
        "serverId": 70 + number,
        "autoIncrementOffset": number,
    }
    for number in (1, 2)
]


class Example:
    """A program of examples/ with a stack of its own in the lab's backend."""

    def __init__(self, lab: Lab, name: str, folder: Path) -> None:
        self.lab, self.place = lab, EXAMPLES / name
        self.always: dict[str, Any] = {}
        # `stack init` writes beside Pulumi.yaml.
        (folder / "Pulumi.yaml").write_text((self.place / "Pulumi.yaml").read_text())
        self.settings = folder / "Pulumi.lab.yaml"
        self.set({})
        lab.pulumi("stack", "init", "lab", "--non-interactive", "--cwd", str(folder))

    def set(self, values: dict[str, Any]) -> None:
        """The lab's settings with these beside them, by their full names."""
        document = yaml.safe_load((self.lab.folder / "Pulumi.lab.yaml").read_text())
        document["config"].update({**self.always, **values})
        self.settings.write_text(yaml.safe_dump(document))

    def pulumi(self, *arguments: str) -> str:
        where = ("--cwd", str(self.place), "--config-file", str(self.settings))
        done = self.lab.pulumi(*arguments, *PLAIN, *where)
        return done.stdout + done.stderr

    def fails(self, *arguments: str) -> str:
        with pytest.raises(CommandFailed) as caught:
            self.pulumi(*arguments)
        return str(caught.value)

    def remove(self) -> None:
        self.lab.pulumi("stack", "rm", "lab", "--yes", "--cwd", str(self.settings.parent))


@pytest.fixture
def application(ring: Lab, tmp_path: Path) -> Iterator[Example]:
    example = Example(ring, "application", tmp_path)
    yield example
    example.remove()


@pytest.fixture
def credentials(ring: Lab) -> Iterator[dict[str, str]]:
    """Of a user who may do what the deployer's policy says for both rings, and nothing else."""
    aws = ring.aws
    with ExitStack() as stack:
        aws("iam", "create-user", "--user-name", DEPLOYER)
        who = ("--user-name", DEPLOYER)
        stack.callback(aws, "iam", "delete-user", *who)
        for name in TWO_RINGS:
            document = ("--policy-document", deployer.of_ring(name))
            made = aws("iam", "create-policy", "--policy-name", name, *document)
            policy = ("--policy-arn", made["Policy"]["Arn"])
            stack.callback(aws, "iam", "delete-policy", *policy)
            aws("iam", "attach-user-policy", *who, *policy)
            stack.callback(aws, "iam", "detach-user-policy", *who, *policy)
        key = aws("iam", "create-access-key", *who)["AccessKey"]
        access = ("--access-key-id", key["AccessKeyId"])
        stack.callback(aws, "iam", "delete-access-key", *who, *access)
        yield {"aws:accessKey": key["AccessKeyId"], "aws:secretKey": key["SecretAccessKey"]}


@pytest.fixture
def two_rings(ring: Lab, tmp_path: Path, credentials: dict[str, str]) -> Iterator[Example]:
    example = Example(ring, "two_rings", tmp_path)
    example.always = credentials
    example.set({})
    yield example
    example.set({})
    example.pulumi("destroy", "--yes", "--skip-preview")
    example.remove()


def test_a_ring_beside_other_resources_is_previewed(application: Example) -> None:
    application.set({PASSWORD: WORD})
    shown = application.pulumi("preview", "--diff")
    assert re.search(r"\+ \d+ to create", shown)
    for name in ("app", "app-to-node-2", "db", "db-node-1-instance"):
        assert re.search(rf"::{name}\]$", shown, re.MULTILINE), name
    assert WORD not in shown


def test_a_secret_of_another_program_is_judged_in_its_preview_and_not_shown(
    application: Example,
) -> None:
    application.set({PASSWORD: "hush"})
    shown = application.fails("preview")
    assert "1 mistake in the settings, seen when outputs were known" in shown
    assert "- passwords.app: found 4 characters, expected 8 to 32" in shown
    assert "hush" not in shown
    assert "Traceback" not in shown


def test_two_rings_of_one_stack_stand_by_the_deployers_policies_alone_and_each_is_guarded(
    two_rings: Example,
) -> None:
    """Each step `verify` has written on its node and read on the other one of its own ring. Each
    action of the policy is used, or explained on its page."""
    log = two_rings.lab.folder / "cloud" / "daemon.log"
    begins = log.stat().st_size
    shown = two_rings.pulumi("up", "--yes", "--skip-preview", "--suppress-outputs")
    for ring in TWO_RINGS:
        for node in ("node-1", "node-2"):
            assert f"{ring}-replication-{node}-verify created" in shown
    two_rings.pulumi("preview", "--expect-no-changes")

    two_rings.set({"mysql-ring:nodes": OTHER_SERVERS})
    refused = two_rings.fails("preview")
    assert "2 mistakes in the settings, nothing was changed" in refused
    for index in (0, 1):
        assert f"- nodes[{index}].serverId: found 7{index + 1}" in refused

    two_rings.set({})
    two_rings.pulumi("refresh", "--yes", "--suppress-outputs")
    two_rings.pulumi("destroy", "--yes", "--skip-preview", "--suppress-outputs")
    asked = deployer.asked(log.read_bytes()[begins:].decode(), DEPLOYER)
    assert asked
    assert asked <= deployer.allowed()
    assert deployer.allowed() - asked <= deployer.explained()


def test_a_cli_that_is_too_old_is_refused(application: Example, tmp_path: Path) -> None:
    """The lab's own is new enough for the program, and too old for this one."""
    project = (application.place / "Pulumi.yaml").read_text()
    assert '">=3.226.0"' in project
    newer = tmp_path / "newer"
    newer.mkdir()
    project = project.replace("3.226.0", "99.0.0").replace("../../venv", str(ROOT / "venv"))
    (newer / "Pulumi.yaml").write_text(project)
    (newer / "__main__.py").write_text("")
    with pytest.raises(CommandFailed, match=r'does not satisfy the version range ">=99\.0\.0"'):
        application.lab.pulumi("preview", *PLAIN, "--cwd", str(newer))
