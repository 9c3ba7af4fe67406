"""The shell of .github/workflows/preview.yml, by the real CLI: what it makes of a stack's settings,
and what a preview says before and after."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from labs import ROOT, CommandFailed, Lab

pytestmark = pytest.mark.lab

WORKFLOW = ROOT / ".github" / "workflows" / "preview.yml"
STACK = "reviewed"
COMMITTED = "192.0.2.0/24"
OPERATORS = ["203.0.113.7/32", "198.51.100.0/24"]
PLAIN = ("--non-interactive", "--color", "never")


class Review:
    """A stack in the lab's backend with settings as they are committed."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.settings = folder / f"Pulumi.{STACK}.yaml"
        document = yaml.safe_load((lab.folder / "Pulumi.lab.yaml").read_text())
        del document["config"]["mysql-ring:adminCidrs"]
        self.settings.write_text(yaml.safe_dump(document))
        (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
        # `stack init` writes beside Pulumi.yaml.
        lab.pulumi("stack", "init", STACK, "--non-interactive", "--cwd", str(folder))

    def config(self) -> dict[str, Any]:
        return yaml.safe_load(self.settings.read_text())["config"]

    def job(self, **values: str) -> None:
        """The steps of the workflow that are shell, where its other steps have put the CLI."""
        program = self.folder / "pulumi"
        where = f"--cwd {self.folder} --config-file {self.settings}"
        program.write_text(f'#!/bin/sh\nexec {ROOT}/scripts/lab pulumi "$@" {where}\n')
        program.chmod(0o755)
        (job,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
        for step in job["steps"]:
            if "run" in step:
                assert step["env"].keys() == values.keys()
                subprocess.run(
                    ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                    cwd=ROOT,
                    env={
                        **self.lab.environment,
                        **values,
                        "PATH": f"{self.folder}:{os.environ['PATH']}",
                    },
                    check=True,
                    timeout=300,
                )

    def preview(self) -> str:
        settings = ("--stack", STACK, "--config-file", str(self.settings))
        return self.lab.pulumi("preview", "--diff", *PLAIN, *settings).stdout


def as_the_cli_writes(config: dict[str, Any]) -> dict[str, Any]:
    """`pulumi config set` writes every number and truth value of the file as a string."""
    return {
        name: value if isinstance(value, list) else str(value).lower()
        for name, value in config.items()
    }


@pytest.fixture
def review(ring: Lab, tmp_path: Path) -> Iterator[Review]:
    made = Review(ring, tmp_path)
    yield made
    ring.pulumi("stack", "rm", STACK, "--yes", "--cwd", str(tmp_path))


@pytest.mark.parametrize("between", [" ", "\n"])
def test_a_preview_in_a_pull_request_has_the_operators_ranges(review: Review, between: str) -> None:
    with pytest.raises(CommandFailed, match=r"- adminCidrs: found"):
        review.preview()
    before = review.config()
    review.job(STACK=STACK, ADMIN_CIDRS=between.join(OPERATORS))
    given = {"mysql-ring:adminCidrs": OPERATORS}
    assert as_the_cli_writes(review.config()) == as_the_cli_writes({**before, **given})
    shown = review.preview()
    ranges = set(re.findall(r'cidrIpv4 *: "([0-9./]+)"', shown))
    assert set(OPERATORS) <= ranges


def test_ranges_that_are_committed_are_not_added_to(review: Review) -> None:
    review.settings.write_text(
        yaml.safe_dump(
            {
                **yaml.safe_load(review.settings.read_text()),
                "config": {**review.config(), "mysql-ring:adminCidrs": [COMMITTED] * 3},
            }
        )
    )
    review.job(STACK=STACK, ADMIN_CIDRS=OPERATORS[0])
    assert review.config()["mysql-ring:adminCidrs"] == OPERATORS[:1]
