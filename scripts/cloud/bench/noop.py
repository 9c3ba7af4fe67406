"""`up` without a change and `preview`, against a program that only imports what the ring uses."""

from collections.abc import Callable

from cloud.bench.figures import Figure
from cloud.bench.place import PLAIN, UP, Place
from cloud.lab import write_private

STACK = "imports"
PROJECT = """\
name: mysql-ring-imports
description: What the imports of the ring's program cost alone
runtime: python
"""
PROGRAM = """\
import pulumi_aws.ec2
import pulumi_aws.iam
import pulumi_aws.s3
import pulumi_command  # noqa: F401
"""
PREVIEW = ("preview", "--suppress-permalink=true")
LIMIT, AIM = 2.0, 1.5


def measure(place: Place, repeat: int, say: Callable[[str], None]) -> list[Figure]:
    """Ring and imports in turns, after one turn that does not count."""
    place.require_ring()
    folder = place.lab.folder / "imports"
    folder.mkdir(exist_ok=True)
    (folder / "Pulumi.yaml").write_text(PROJECT)
    (folder / "__main__.py").write_text(PROGRAM)
    settings = folder / f"Pulumi.{STACK}.yaml"
    if not settings.exists():
        write_private(settings, "config: {}\n")
    surroundings = {"PULUMI_STACK": STACK, "PULUMI_OPTION_CONFIG_FILE": str(settings)}

    def imports(arguments: tuple[str, ...]) -> float:
        return place.pulumi(arguments, folder=folder, surroundings=surroundings).seconds

    if not list(place.lab.state.glob(f".pulumi/stacks/*/{STACK}.json")):
        place.pulumi(
            ("stack", "init", STACK, "--non-interactive"),
            folder=folder,
            surroundings={"PULUMI_OPTION_CONFIG_FILE": str(settings)},
        )
    figures = []
    for name, title, command in (
        ("noop_up", "`up` without a change", (*UP, *PLAIN)),
        ("preview", "`preview` without a change", (*PREVIEW, *PLAIN)),
    ):
        ours: list[float] = []
        beside: list[float] = []
        for turn in range(repeat + 1):
            say(f"{name}: turn {turn} of {repeat}")
            beside.append(imports(command))
            ours.append(place.pulumi(command).seconds)
        figures.append(
            Figure(name, title, "a program that only imports", ours[1:], beside[1:], LIMIT, AIM)
        )
    return figures
