"""Files that are whole or not there."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from . import programs

SYNC_SECONDS = 1800.0


def read_bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def write(path: Path, content: bytes, *, mode: int, owner: str = "root") -> bool:
    """Makes `path` hold exactly this, atomically and durably. False when it did already."""
    return bool(write_all({path: (content, mode)}, owner=owner))


def write_all(wanted: Mapping[Path, tuple[bytes, int]], *, owner: str) -> list[Path]:
    """Files with content and mode, as `write` does it; those that were changed.

    None of them is in its place before there was room for all of them.
    """
    user = pwd.getpwnam(owner)
    staged: dict[Path, Path] = {}
    try:
        for path, (content, mode) in wanted.items():
            if not _is(path, content, mode, user.pw_uid):
                staged[path] = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
                _stage(staged[path], content, mode, user)
        for path, temporary in staged.items():
            os.replace(temporary, path)
    except BaseException:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)
        raise
    for folder in {path.parent for path in staged}:
        sync_folder(folder)
    return list(staged)


def _is(path: Path, content: bytes, mode: int, owner: int) -> bool:
    try:
        status = path.stat()
        same = (status.st_mode & 0o7777, status.st_uid) == (mode, owner)
        return same and path.read_bytes() == content
    except FileNotFoundError:
        return False


def _stage(path: Path, content: bytes, mode: int, user: pwd.struct_passwd) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fchown(stream.fileno(), user.pw_uid, user.pw_gid)
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())


def remove(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_folder(path.parent)
    return True


def folder(path: Path, *, mode: int, owner: str = "root") -> bool:
    """Makes `path` a folder of this owner and mode. False when it was one already."""
    user = pwd.getpwnam(owner)
    existed = path.is_dir()
    if not existed:
        path.mkdir(parents=True, mode=mode)
    status = path.stat()
    same = (status.st_mode & 0o7777, status.st_uid) == (mode, user.pw_uid)
    if not same:
        os.chown(path, user.pw_uid, user.pw_gid)
        os.chmod(path, mode)
    return not (existed and same)


def link(path: Path, target: Path) -> bool:
    """Makes `path` a symbolic link to `target`, atomically. False when it was already."""
    if path.is_symlink() and Path(os.readlink(path)) == target:
        return False
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    temporary.symlink_to(target)
    os.replace(temporary, path)
    return True


def remove_tree(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def sync_file_system(path: Path) -> None:
    """All that was written to the file system of `path` is on its disk, or this raises."""
    programs.run(
        ["sync", "--file-system", str(path)],
        seconds=SYNC_SECONDS,
        expected="all that was written on the disk",
        next_step="look at `dmesg` on the host, then run this again",
    )


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
