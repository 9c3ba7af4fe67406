"""The rooms of the node tool, and which way their imports go."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import ring_node

pytestmark = pytest.mark.unit

TOOL = Path(ring_node.__file__).parent
# Each knows the rooms behind it, and its own files.
ORDER = ("verbs", "agent", "backup", "ring", "mysql", "host", "base")
ENTRY = "cli"
SIDE_BY_SIDE = {("agent", "backup")}
# Of the server: its program, its client library, and its places in base/paths.
SERVER = re.compile(
    r"mysqld|pymysql|\bpaths\.(MYSQL|DATA|LOGS|ERROR_LOG|SOCKET|CONFIG|SSL|CA|CERTIFICATE|KEY"
    r"|ROOT_CLIENT)\w*"
)
PEER = re.compile(r"(?<![a-z])peer", re.IGNORECASE)  # not ssl's getpeercert


def room_of(file: Path) -> str:
    """The folder that a file lies in; the entry and the package itself are above all rooms."""
    inside = file.relative_to(TOOL)
    return inside.parts[0] if len(inside.parts) == 2 else f"({inside})"


def imports(source: str, file: Path) -> Iterator[tuple[str, ...]]:
    """Every module of the tool that a file imports, wherever in it: `("host", "files")`."""
    package = ("ring_node", *file.relative_to(TOOL).parts[:-1])
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = above + tuple(node.module.split(".") if node.module else ())
            found = [(*base, alias.name) for alias in node.names]
        else:
            continue
        yield from (names[1:] for names in found if names[0] == "ring_node" and len(names) > 1)


def wrong_arrows(source: str, file: Path) -> list[str]:
    """What a file of a room imports and may not."""
    here = room_of(file)
    result = []
    for target in imports(source, file):
        there = target[0]
        if there == here:
            own = here == "verbs" and target[1:2] != (file.stem,)
        else:
            known = there in ORDER and ORDER.index(there) > ORDER.index(here)
            own = not known or (here, there) in SIDE_BY_SIDE
        if own:
            result.append(f"{here}/{file.name} imports {'.'.join(target)}")
    return result


def code(source: str) -> str:
    """A file without its comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


FILES = sorted(path for path in TOOL.rglob("*.py") if path.parent != TOOL)


def test_every_file_lies_in_a_room() -> None:
    above = {path.stem for path in TOOL.glob("*.py")}
    assert above == {"__init__", ENTRY}
    assert {room_of(path) for path in FILES} <= set(ORDER)


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(TOOL)))
def test_a_file_imports_from_its_own_room_and_the_ones_below_it(file: Path) -> None:
    assert wrong_arrows(file.read_text(), file) == []


@pytest.mark.parametrize(
    ("place", "line", "right"),
    [
        ("host/files.py", "from ..mysql import sql", False),
        ("mysql/sql.py", "from ..ring.documents import Peer", False),
        ("ring/join.py", "def a():\n    from ..verbs import seed", False),
        ("agent/beat.py", "from ..backup import store", False),
        ("backup/store.py", "from ..agent import beat", False),
        ("verbs/accounts.py", "from . import replicate", False),
        ("verbs/accounts.py", "def a():\n    from .replicate import start", False),
        ("verbs/accounts.py", "import ring_node.verbs.replicate", False),
        ("verbs/accounts.py", "from .. import cli", False),
        ("verbs/accounts.py", "from ..elsewhere import a", False),
        ("verbs/accounts.py", "from ..ring import follow\nimport os", True),
        ("backup/store.py", "from ..ring import records\nfrom . import catalogue", True),
        ("base/lock.py", "from .errors import Exit", True),
    ],
)
def test_an_arrow_that_goes_up_or_from_verb_to_verb_is_seen(
    place: str, line: str, right: bool
) -> None:
    assert (wrong_arrows(line, TOOL / place) == []) is right


@pytest.mark.parametrize(("room", "word"), [("host", SERVER), ("mysql", PEER)])
def test_the_host_says_nothing_of_a_server_and_a_server_nothing_of_a_peer(
    room: str, word: re.Pattern[str]
) -> None:
    found = {
        path.name: words
        for path in FILES
        if room_of(path) == room and (words := word.findall(code(path.read_text())))
    }
    assert found == {}


def test_a_server_or_a_peer_is_seen_in_code_and_not_in_comments() -> None:
    source = '"""Of mysqld."""\n# a peer\nwrite(paths.DATA, "the peer")\n'
    assert SERVER.search(code(source))
    assert PEER.search(code(source))
    assert not SERVER.search(code('"""Of mysqld."""\n'))
