"""The files that the server reads when it starts: in place, or left until its next restart.

Three places: where the server reads them; `WAITING`, what takes their place with the restart; and
`FORMER`, what was there before, from the moment in which they are exchanged until a server has been
judged good. A restart that is killed leaves the last two, and the next one knows both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from ..base import paths
from ..base.lock import held
from ..host import files
from . import lifecycle

ROOT = "root"
# Mode and owner of each in its place.
KINDS = {
    paths.CONFIG: (0o644, ROOT),
    paths.CA: (0o644, paths.MYSQL_USER),
    paths.CERTIFICATE: (0o644, paths.MYSQL_USER),
    paths.KEY: (0o400, paths.MYSQL_USER),
}


def put(contents: Mapping[Path, bytes]) -> list[Path]:
    """Puts files in their places, for a server that is down. Answers those that changed."""
    _remember(contents)
    if exchanged():
        _keep(paths.WAITING, contents)  # the next restart has both to choose from
    else:
        for path in contents:
            files.remove(_in(paths.WAITING, path))
    return _place(contents)


def leave(contents: Mapping[Path, bytes]) -> list[Path]:
    """Leaves files for the restart of a server that runs. Answers those that it has not read, and
    that were not left before.

    Where they are what was there before a killed restart, they are back in place: the server runs
    with either, a restart stays due, and any start of it is one with these.
    """
    _remember(contents)
    same = {path for path, content in contents.items() if content == read_by_server(path)}
    for path in same:
        files.remove(_in(paths.WAITING, path))
    if same == contents.keys():
        _place(contents)
    return _keep(paths.WAITING, {path: contents[path] for path in contents if path not in same})


def read_by_server(path: Path) -> bytes | None:
    """The file that the server started with, as far as a killed restart lets one say."""
    former = files.read_bytes(_in(paths.FORMER, path))
    return files.read_bytes(path) if former is None else former


def laid(path: Path) -> bytes | None:
    """What the server will read when it restarts."""
    waits = files.read_bytes(_in(paths.WAITING, path))
    return read_by_server(path) if waits is None else waits


def waiting() -> dict[Path, bytes]:
    return _kept(paths.WAITING)


def exchanged() -> bool:
    """Whether files were exchanged for a restart that has not come to its end."""
    return bool(_kept(paths.FORMER))


def under_way() -> bool:
    """Whether a verb is at work on such a restart. One that was killed says nothing of now."""
    return exchanged() and held(paths.LOCK)


def edited() -> bool:
    """Whether the my.cnf in its place is not one that the program sent."""
    found, sent = files.read_bytes(paths.CONFIG), _sent()
    return bool(sent) and (found is None or _digest(found) not in sent)


def restart_due() -> bool:
    return bool(waiting()) or exchanged()


def left_down() -> bool:
    """Whether a killed restart left a server that does not answer, such as one with a file that
    stops it from starting. systemd tries it again and again: it looks as if it runs."""
    return exchanged() and not lifecycle.greets()


def exchange(only: Collection[Path] | None = None) -> None:
    """Puts the files that wait in place, or `only` those of them. One that a killed restart put
    there, and that is none of these, goes back to what it was."""
    former = _kept(paths.FORMER)
    new = {path: text for path, text in waiting().items() if only is None or path in only}
    present = {path: files.read_bytes(path) for path in new if path not in former}
    _keep(paths.FORMER, {path: text for path, text in present.items() if text is not None})
    _place({**former, **new})


def take_back() -> None:
    """Puts back what was in place before."""
    _place(_kept(paths.FORMER))


def settle() -> None:
    """The server runs with what is in place. What else waits goes on waiting."""
    # In this order: killed in between, the next run restarts once more, with the same files.
    for path in KINDS:
        files.remove(_in(paths.FORMER, path))
    for path, content in waiting().items():
        if content == files.read_bytes(path):
            files.remove(_in(paths.WAITING, path))


def _remember(contents: Mapping[Path, bytes]) -> None:
    """Notes a my.cnf of the program before it is anywhere; one that is nowhere any more is left
    out."""
    if paths.CONFIG not in contents:
        return
    kept = (_in(folder, paths.CONFIG) for folder in (paths.WAITING, paths.FORMER))
    places = (paths.CONFIG, *kept)
    there = {_digest(found) for found in map(files.read_bytes, places) if found is not None}
    sent = (there & _sent()) | {_digest(contents[paths.CONFIG])}
    files.write(paths.LAID, json.dumps(sorted(sent)).encode(), mode=0o644, owner=ROOT)


def _sent() -> set[str]:
    return set(json.loads(files.read_bytes(paths.LAID) or b"[]"))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _in(folder: Path, path: Path) -> Path:
    return folder / path.name


def _kept(folder: Path) -> dict[Path, bytes]:
    found = {path: files.read_bytes(_in(folder, path)) for path in KINDS}
    return {path: content for path, content in found.items() if content is not None}


def _keep(folder: Path, contents: Mapping[Path, bytes]) -> list[Path]:
    files.folder(folder, mode=0o700, owner=ROOT)
    kept = {_in(folder, path): path for path in contents}
    wanted = {place: (contents[path], 0o600) for place, path in kept.items()}
    return [kept[place] for place in files.write_all(wanted, owner=ROOT)]


def _place(contents: Mapping[Path, bytes]) -> list[Path]:
    changed: list[Path] = []
    for owner in sorted({owner for _, owner in KINDS.values()}):
        wanted = {
            path: (content, KINDS[path][0])
            for path, content in contents.items()
            if KINDS[path][1] == owner
        }
        changed += files.write_all(wanted, owner=owner)
    return changed
