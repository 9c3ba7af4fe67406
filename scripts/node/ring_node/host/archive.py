"""The vendor's archive: fetched, checked, unpacked beside its place, then put there at once."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..base import paths
from ..base.errors import Exit, NodeError, refused
from ..base.report import Report
from ..base.waiting import Deadline
from . import files, programs, room

FETCH_SECONDS = 900.0
UNPACK_SECONDS = 300.0
SILENCE_SECONDS = 20.0  # longest wait for the next bytes
ATTEMPTS = 3
PAUSE_SECONDS = 3.0
CHUNK = 1 << 20
SPACE_BYTES = 3 << 30  # 5.6.51 unpacks to 1.9 GB, besides its 330 MB archive
ROOM = f"at least {SPACE_BYTES >> 20} MiB for the archive and what is in it"
# Of the loader, ld.so(8).
LACKING = re.compile(r"error while loading shared libraries: (?P<library>[^:\s]+):")
VERSION = re.compile(r"Ver (5\.6\.\d+)\S* .*?for (\S+) on (\S+)")
SETTINGS = "correct mysqlArchiveUrl and mysqlArchiveChecksum in the settings"
MANIFEST = ".mysql-ring-archive"


@dataclass(frozen=True)
class Archive:
    url: str
    algorithm: str
    digest: str


def install(archive: Archive, report: Report, libraries: Callable[[], object]) -> str:
    """Makes /opt/mysql/current this archive's MySQL; answers its version.

    `libraries` returns when the packages are there that the server needs to run.
    """
    identity = f"{archive.algorithm}:{archive.digest}"
    files.folder(paths.MYSQL_ROOT, mode=0o755)
    _remove_leftovers()
    place = _unpacked(identity)
    if place is None:
        fetched = paths.MYSQL_ROOT / f".fetch.{archive.digest}"
        try:
            with room.needed(paths.MYSQL_ROOT, ROOM):
                _fetch(archive, fetched)
                place = _unpack(fetched, identity, archive.url, libraries)
        finally:
            fetched.unlink(missing_ok=True)
        report.did(f"MySQL {check(place)} from {archive.url} in {place}")
    libraries()
    version = check(place)
    if files.link(paths.MYSQL, place):
        report.did(f"{paths.MYSQL} points at {place.name}")
    return version


def check(place: Path) -> str:
    """The version of the server in `place`; refuses what is not MySQL 5.6 for x86-64."""
    mysqld = place / "bin" / "mysqld"
    if not mysqld.is_file():
        raise _unsuitable(f"no bin/mysqld in {place.name}")
    machine = elf_machine(mysqld)
    if machine != "x86-64":
        raise _unsuitable(f"bin/mysqld is made for {machine}")
    status, output, problems = programs.attempt(
        [str(mysqld), "--no-defaults", "--version"], seconds=30, next_step=SETTINGS
    )
    lacking = LACKING.search(problems)
    if lacking:
        raise _no_library(lacking["library"])
    found = VERSION.search(output)
    if status != 0 or found is None:
        raise _unsuitable(f"mysqld --version says: {(output + problems).strip()[-300:]}")
    return found[1]


def elf_machine(path: Path) -> str:
    """What machine an ELF program is for, by its header (ELF specification, e_machine)."""
    with path.open("rb") as stream:
        header = stream.read(20)
    if header[:4] != b"\x7fELF" or len(header) < 20:
        return "no Linux at all (it is not an ELF program)"
    number = int.from_bytes(header[18:20], "little" if header[5] == 1 else "big")
    return {62: "x86-64", 183: "aarch64", 3: "i386"}.get(number, f"ELF machine {number}")


def _no_library(library: str) -> NodeError:
    package = debian_package(library)
    return NodeError(
        Exit.HOST,
        f"mysqld of the archive needs {library}, and this host has none",
        "the libraries that the archive's mysqld is linked with",
        f"install Debian's package of it (`apt-get install {package}`; if there is none of that "
        "name, look for the file on packages.debian.org), then run this again",
    )


def debian_package(library: str) -> str:
    """A shared library's package by Debian's policy (8.1): libnuma.so.1 is in libnuma1."""
    stem, _, version = library.partition(".so")
    version = version.removeprefix(".")
    dash = "-" if version and stem[-1:].isdigit() else ""
    return f"{stem}{dash}{version}".lower().replace("_", "-")


def _unsuitable(found: str) -> NodeError:
    return NodeError(Exit.REFUSED, found, "the archive of a MySQL 5.6 for Linux x86-64", SETTINGS)


def _unpacked(identity: str) -> Path | None:
    for manifest in sorted(paths.MYSQL_ROOT.glob(f"*/{MANIFEST}")):
        if manifest.read_text().strip() == identity and not manifest.parent.is_symlink():
            return manifest.parent
    return None


def _remove_leftovers() -> None:
    """Of a run that was killed, perhaps for another archive."""
    for pattern in (".fetch.*", ".unpack.*"):
        for path in paths.MYSQL_ROOT.glob(pattern):
            files.remove_tree(path)


def refuse_small_disk(archive: Archive) -> None:
    """Before anything is installed: room for this archive, unless it is there already."""
    if _unpacked(f"{archive.algorithm}:{archive.digest}") is not None:
        return
    _remove_leftovers()
    free = room.free(paths.MYSQL_ROOT)
    if free < SPACE_BYTES:
        raise refused(f"{free >> 20} MiB free in {paths.MYSQL_ROOT}", ROOM, room.NEXT_STEP)


def _fetch(archive: Archive, target: Path) -> None:
    deadline = Deadline(FETCH_SECONDS)
    problem = ""
    for left in reversed(range(ATTEMPTS)):
        try:
            digest = _download(archive, target, deadline)
        except urllib.error.HTTPError as error:
            problem = f"{archive.url} answers {error.code} {error.reason}"
            if error.code < 500:
                break
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            if getattr(error, "errno", None) in room.DISK_FULL:
                raise
            problem = f"{archive.url} cannot be fetched: {getattr(error, 'reason', error)}"
        else:
            if digest == archive.digest:
                return
            raise NodeError(
                Exit.REFUSED,
                f"{archive.url} has the {archive.algorithm} checksum {digest}",
                archive.digest,
                SETTINGS,
            )
        if not left or deadline.over:
            break
        time.sleep(PAUSE_SECONDS)
    raise NodeError(
        Exit.UNREACHABLE, problem, "the archive of MySQL 5.6", f"{SETTINGS}, or run this again"
    )


def _download(archive: Archive, target: Path, deadline: Deadline) -> str:
    """Writes the archive from its beginning and answers its checksum."""
    digest = hashlib.new(archive.algorithm, usedforsecurity=False)
    request = urllib.request.Request(archive.url, headers={"User-Agent": "mysql-ring"})  # noqa: S310
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


def _unpack(fetched: Path, identity: str, url: str, libraries: Callable[[], object]) -> Path:
    temporary = paths.MYSQL_ROOT / f".unpack.{fetched.name.rpartition('.')[2]}"
    files.remove_tree(temporary)
    temporary.mkdir()
    try:
        programs.run(
            ["tar", "--extract", "--no-same-owner", "--file", str(fetched),
             "--directory", str(temporary)],
            seconds=UNPACK_SECONDS,
            expected=f"{url} to be a tar archive, and room for what is in it",
            next_step=SETTINGS,
        )  # fmt: skip
        folders = list(temporary.iterdir())
        if len(folders) != 1 or not folders[0].is_dir():
            raise _unsuitable(f"{len(folders)} entries at the top of the archive")
        libraries()
        check(folders[0])
        (folders[0] / MANIFEST).write_text(identity + "\n")
        place = paths.MYSQL_ROOT / folders[0].name
        if place.exists():  # of another archive with the same top folder
            place = paths.MYSQL_ROOT / f"{folders[0].name}-{identity.rpartition(':')[2][:12]}"
        os.sync()  # the manifest says that it is whole
        os.rename(folders[0], place)
        files.sync_folder(paths.MYSQL_ROOT)
        return place
    finally:
        files.remove_tree(temporary)
