"""Which data directory is the server's: the one that a link names, of those on the data volume.

An incarnation is a data directory (`data`) and the logs that belong to it (`log`), in a folder of
its own. The link `current` always leads to a whole one, and is switched by one rename.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from ..base import paths
from ..host import files

FOLDERS = ("data", "log")
KEPT = "kept"  # in the folder of one that must not go yet


def make(folder: Path) -> None:
    """An incarnation's folders, empty."""
    for path in (folder, *(folder / name for name in FOLDERS)):
        path.mkdir(mode=0o750)
        shutil.chown(path, paths.MYSQL_USER, paths.MYSQL_USER)


def current() -> Path | None:
    """The folder of the incarnation that the server is, or will be when it starts."""
    return paths.CURRENT.resolve() if paths.CURRENT.is_symlink() else None


def take_place(folder: Path) -> Path | None:
    """Makes `folder`, on the data volume and whole, the current incarnation; the former one.

    The server must be stopped. Before the last rename the old one is in force, after it the new.
    """
    former = current()
    files.sync_file_system(folder)  # what is in it, before the link says so
    place = paths.INCARNATIONS / secrets.token_hex(4)
    os.rename(folder, place)
    files.sync_folder(paths.INCARNATIONS)
    files.link(paths.CURRENT, place)
    files.sync_folder(paths.VOLUME)
    return former


def keep(folder: Path) -> None:
    """`remove_former` leaves it, whatever takes its place, until `remove_kept`."""
    files.write(folder / KEPT, b"", mode=0o644)


def remove_former() -> None:
    """Removes every incarnation but the current one and those that are kept; none when the link
    leads to none of them."""
    _remove(kept=False)


def remove_kept() -> list[Path]:
    """Removes those that are kept, but for the current one."""
    return _remove(kept=True)


def _remove(*, kept: bool) -> list[Path]:
    here, removed = current(), list[Path]()
    if here is None or not paths.INCARNATIONS.is_dir():
        return removed
    if here.parent == paths.INCARNATIONS.resolve() and here.is_dir():
        for place in paths.INCARNATIONS.iterdir():
            if place.name != here.name and (place / KEPT).exists() == kept:
                files.remove_tree(place)
                removed.append(place)
    return removed
