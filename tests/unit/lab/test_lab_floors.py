"""The rooms of scripts/cloud stand on floors: a module imports from its own room and from below."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit
CLOUD = Path(__file__).resolve().parents[3] / "scripts/cloud"
FLOORS = [
    {"groups", "names", "processes", "pulumi", "rooms", "wanted"},
    {"lab", "providers"},
    {"api", "network", "setup"},
    {"hosts", "refusals", "services"},
    {"aws", "cli"},
    {"bench", "daemon"},
    {"commands"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
PROVIDERS = "providers"
"""Each of its programs is one that the Pulumi engine starts."""


def room(module: str) -> str:
    """`cloud.api.state` is in the room `api`."""
    return module.split(".")[1]


def imports(path: Path) -> Iterator[str]:
    """The modules of `cloud` that a file imports, also inside a function."""
    package = ["cloud", *path.relative_to(CLOUD).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.startswith("cloud."))


def arrows() -> Iterator[tuple[Path, str, str]]:
    """Each file with its room and a room that it imports from."""
    for path in sorted(CLOUD.rglob("*.py")):
        within = path.relative_to(CLOUD).with_suffix("").parts
        if within != ("__init__",):
            for module in imports(path):
                yield path, within[0], room(module)


def test_a_module_imports_from_its_own_room_and_from_lower_floors_only() -> None:
    up = [
        f"{path.relative_to(CLOUD)} imports from {below}"
        for path, above, below in arrows()
        if above != below and FLOOR[below] >= FLOOR[above]
    ]
    assert not up


def test_every_room_stands_on_a_floor() -> None:
    there = {
        path.stem
        for path in CLOUD.iterdir()
        if path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py")))
    }
    assert there == {*FLOOR, "__init__"}


def test_the_providers_import_nothing_of_the_rest_but_from_the_ground() -> None:
    across = [
        f"{path.relative_to(CLOUD)} imports from {below}"
        for path, above, below in arrows()
        if above == PROVIDERS != below and below not in FLOORS[0]
    ]
    assert not across


def test_the_plugins_import_nothing_of_each_other() -> None:
    shared = {path.stem for path in (CLOUD / PROVIDERS).glob("*.py")}
    for path in sorted((CLOUD / PROVIDERS).rglob("*.py")):
        within = path.relative_to(CLOUD / PROVIDERS).parts
        own = {within[0]} if len(within) > 1 else set[str]()
        parts = [module.split(".") for module in imports(path)]
        assert {part[2] for part in parts if part[1] == PROVIDERS} <= {*own, *shared}, path
