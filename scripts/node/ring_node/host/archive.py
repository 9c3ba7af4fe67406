"""The vendor's archive: fetched, checked, unpacked beside its place, then put there at once."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import Exit, NodeError, refused
from ..base.waiting import Deadline
from . import files, programs, room

FETCH_SECONDS = 900.0
UNPACK_SECONDS = 300.0
SILENCE_SECONDS = 20.0  # longest wait for the next bytes
ATTEMPTS = 3
PAUSE_SECONDS = 3.0
CHUNK = 1 << 20
# That of Debian 12's curl. The vendor's CDN has answered 403 to programs that it does not know, and
# to addresses of EC2 above all (ansible/ansible#82719, actions/runner-images#8773).
USER_AGENT = "curl/7.88.1"
SPACE_BYTES = 3 << 30  # 5.6.51 unpacks to 1.9 GB, besides its 330 MB archive
ROOM = f"at least {SPACE_BYTES >> 20} MiB for the archive and what is in it"
SETTINGS = "correct mysqlArchiveUrl and mysqlArchiveChecksum in the settings"
MANIFEST = ".mysql-ring-archive"


@dataclass(frozen=True)
class Archive:
    """The same file at each address."""

    urls: tuple[str, ...]
    algorithm: str
    digest: str

    @property
    def identity(self) -> str:
        return f"{self.algorithm}:{self.digest}"


def install(archive: Archive, root: Path, judge: Callable[[Path], object]) -> tuple[Path, bool]:
    """The folder below `root` with what is in this archive, and whether it is new.

    `judge` refuses an unpacked folder that is not what it should be.
    """
    files.folder(root, mode=0o755)
    _remove_leftovers(root)
    place = _unpacked(archive, root)
    if place is not None:
        return place, False
    fetched = root / f".fetch.{archive.digest}"
    try:
        with room.needed(root, ROOM):
            _fetch(archive, fetched)
            return _unpack(fetched, root, archive, judge), True
    finally:
        fetched.unlink(missing_ok=True)


def unsuitable(found: str) -> NodeError:
    return NodeError(Exit.REFUSED, found, "the archive of a MySQL 5.6 for Linux x86-64", SETTINGS)


def _unpacked(archive: Archive, root: Path) -> Path | None:
    for manifest in sorted(root.glob(f"*/{MANIFEST}")):
        if manifest.read_text().strip() == archive.identity and not manifest.parent.is_symlink():
            return manifest.parent
    return None


def _remove_leftovers(root: Path) -> None:
    """Of a run that was killed, perhaps for another archive."""
    for pattern in (".fetch.*", ".unpack.*"):
        for path in root.glob(pattern):
            files.remove_tree(path)


def refuse_small_disk(archive: Archive, root: Path) -> None:
    """Before anything is installed: room for this archive, unless it is there already."""
    if _unpacked(archive, root) is not None:
        return
    _remove_leftovers(root)
    free = room.free(root)
    if free < SPACE_BYTES:
        raise refused(f"{free >> 20} MiB free in {root}", ROOM, room.NEXT_STEP)


def _fetch(archive: Archive, target: Path) -> None:
    """From the first address that has it. One that refuses, or has something else, is not asked
    again."""
    import http.client  # here: most verbs know what an archive is and fetch none
    import urllib.error

    deadline = Deadline(FETCH_SECONDS)
    problems: dict[str, str] = {}
    left, others = list(archive.urls), 0
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        for url in tuple(left):
            try:
                digest = _download(url, archive.algorithm, target, deadline)
            except urllib.error.HTTPError as error:
                problems[url] = f"{url} answers {error.code} {error.reason}"
                if error.code < 500:
                    left.remove(url)
            except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
                if getattr(error, "errno", None) in room.DISK_FULL:
                    raise
                problems[url] = f"{url} cannot be fetched: {getattr(error, 'reason', error)}"
            else:
                if digest == archive.digest:
                    return
                problems[url] = f"{url} has the {archive.algorithm} checksum {digest}"
                left.remove(url)
                others += 1
        if not left or deadline.over:
            break
    found = "; ".join(problems.values())
    if others == len(archive.urls):
        raise NodeError(Exit.REFUSED, found, archive.digest, SETTINGS)
    raise NodeError(
        Exit.UNREACHABLE, found, "the archive of MySQL 5.6", f"{SETTINGS}, or run this again"
    )


def _download(url: str, algorithm: str, target: Path, deadline: Deadline) -> str:
    """Writes the archive from its beginning and answers its checksum."""
    import urllib.request

    digest = hashlib.new(algorithm, usedforsecurity=False)
    request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT})  # noqa: S310
    with (
        urllib.request.urlopen(request, timeout=SILENCE_SECONDS) as answer,  # noqa: S310
        target.open("wb") as stream,
    ):
        stated = answer.headers.get("Content-Length")
        received = 0
        while chunk := answer.read(CHUNK):
            if deadline.over:
                raise TimeoutError(f"not complete after {deadline.seconds:.0f} s")
            digest.update(chunk)
            stream.write(chunk)
            received += len(chunk)
    if stated is not None and received != int(stated):
        raise ConnectionError(f"{received} of {stated} bytes came")
    return digest.hexdigest()


def _unpack(fetched: Path, root: Path, archive: Archive, judge: Callable[[Path], object]) -> Path:
    temporary = root / f".unpack.{fetched.name.rpartition('.')[2]}"
    files.remove_tree(temporary)
    temporary.mkdir()
    try:
        programs.run(
            ["tar", "--extract", "--no-same-owner", "--file", str(fetched),
             "--directory", str(temporary)],
            seconds=UNPACK_SECONDS,
            expected="the archive to be a tar archive, and room for what is in it",
            next_step=SETTINGS,
        )  # fmt: skip
        folders = list(temporary.iterdir())
        if len(folders) != 1 or not folders[0].is_dir():
            raise unsuitable(f"{len(folders)} entries at the top of the archive")
        judge(folders[0])
        (folders[0] / MANIFEST).write_text(archive.identity + "\n")
        place = root / folders[0].name
        if place.exists():  # of another archive with the same top folder
            place = root / f"{folders[0].name}-{archive.digest[:12]}"
        os.sync()  # the manifest says that it is whole
        os.rename(folders[0], place)
        files.sync_folder(root)
        return place
    finally:
        files.remove_tree(temporary)
