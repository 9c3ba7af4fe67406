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
# pulumi_aws puts the reading of a module off until something of it is named.
PROGRAM = """\
import pulumi_aws.ec2
import pulumi_aws.iam
import pulumi_aws.s3
import pulumi_command.local
import pulumi_command.remote

NAMED = (
    pulumi_aws.ec2.Vpc,
    pulumi_aws.iam.Role,
    pulumi_aws.s3.Bucket,
    pulumi_command.local.Command,
    pulumi_command.remote.Command,
)
"""
NOTHING = "import pulumi\n"
PREVIEW = ("preview", "--suppress-permalink=true")
LIMIT, AIM = 2.0, 1.5


def measure(place: Place, repeat: int, say: Callable[[str], None]) -> list[Figure]:
    """Ring, imports and a program that does nothing at all in turns, after one turn that does not
    count."""
    place.require_ring()
    folder = place.lab.folder / "imports"
    folder.mkdir(exist_ok=True)
    (folder / "Pulumi.yaml").write_text(PROJECT)
    settings = folder / f"Pulumi.{STACK}.yaml"
    if not settings.exists():
        write_private(settings, "config: {}\n")
    surroundings = {"PULUMI_STACK": STACK, "PULUMI_OPTION_CONFIG_FILE": str(settings)}

    def program(text: str, arguments: tuple[str, ...]) -> float:
        (folder / "__main__.py").write_text(text)
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
        nothing: list[float] = []
        for turn in range(repeat + 1):
            say(f"{name}: turn {turn} of {repeat}")
            beside.append(program(PROGRAM, command))
            nothing.append(program(NOTHING, command))
            ours.append(place.pulumi(command).seconds)
        figures.append(
            Figure(
                name,
                title,
                "a program that only imports",
                ours[1:],
                beside[1:],
                LIMIT,
                AIM,
                extra={f"{name}_of_nothing_seconds": min(nothing[1:])},
            )
        )
    return figures
