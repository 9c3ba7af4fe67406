"""The table of docs/lab/aws-provider.md: what a change of each argument does.

`python -m cloud.providers.aws.table` prints it.
"""

import inspect

from cloud.providers.aws.resource import AwsResource
from cloud.providers.aws.resources import RESOURCES
from cloud.providers.schema import Argument

BEGIN, END = "<!-- table of the types -->", "<!-- end of the table -->"


def _paths(arguments: tuple[Argument, ...], above: str = "", replaced: bool = False) -> list:
    """Each argument's path, those of an object by its fields, and whether a change replaces."""
    found = []
    for one in arguments:
        path, replaces = f"{above}{one.name}", replaced or one.replace
        if one.fields:
            found.extend(_paths(one.fields, f"{path}.", replaces))
        else:
            found.append((path, replaces))
    return found


def _list(paths: list[str]) -> str:
    return ", ".join(f"`{path}`" for path in sorted(paths)) or "nothing"


def rows() -> list[tuple[str, str, str, str, str]]:
    found = []
    for token, resource in RESOURCES.items():
        module, name = token.split(":")[1].split("/")[0], token.rsplit(":", 1)[1]
        paths = _paths(resource.table.arguments)
        own = type(resource).diff is not AwsResource.diff
        besides = inspect.getdoc(type(resource).diff) if own else ""
        found.append(
            (
                f"{module}.{name}",
                _list([path for path, replaces in paths if replaces]),
                _list([path for path, replaces in paths if not replaces]),
                " ".join((besides or "").split()),
                resource.table.source.removeprefix("terraform-provider-aws "),
            )
        )
    return sorted(found)


def render() -> str:
    lines = [
        "| type | replaced by a change of | updated by a change of | besides | source |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(render(), end="")
