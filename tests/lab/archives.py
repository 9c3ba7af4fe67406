"""Archives that look like the vendor's and are not: each with one thing wrong."""

import contextlib
import hashlib
import io
import shutil
import struct
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from labs import ROOT, Lab

X86_64, AARCH64 = 62, 183  # e_machine
BASE = 0x400000
HEADERS = 64 + 56  # of an ELF file with one segment


def program(text: str, machine: int = X86_64) -> bytes:
    """A whole ELF program that writes this text and ends with 0."""
    said = text.encode()
    where = BASE + HEADERS
    code = b"".join(
        (
            b"\xb8\x01\x00\x00\x00",  # mov eax, 1 (write)
            b"\xbf\x01\x00\x00\x00",  # mov edi, 1
            b"\x48\x8d\x35" + struct.pack("<i", 16),  # lea rsi, [the text behind this code]
            b"\xba" + struct.pack("<I", len(said)),  # mov edx, length
            b"\x0f\x05",  # syscall
            b"\xb8\x3c\x00\x00\x00",  # mov eax, 60 (exit)
            b"\x31\xff",  # xor edi, edi
            b"\x0f\x05",  # syscall
        )
    )
    size = HEADERS + len(code) + len(said)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = ident + struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, where, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x1000)
    return head + segment + code + said


def packed(files: dict[str, bytes]) -> bytes:
    result = io.BytesIO()
    with tarfile.open(fileobj=result, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return result.getvalue()


def archive_settings() -> dict[str, str]:
    """The document of `ring-node install` for the lab's own archive."""
    config = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text())["config"]
    return {
        "url": config["mysql-ring:mysqlArchiveUrl"],
        "checksum": config["mysql-ring:mysqlArchiveChecksum"],
    }


class Shelf:
    """A folder of the lab's mirror, at the name that the program fetches MySQL from."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url

    def put(self, name: str, content: bytes) -> dict[str, str]:
        """The document of `ring-node install` for this archive."""
        (self.folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return {"url": f"{self.url}/{name}", "checksum": f"sha256:{digest}"}


@contextlib.contextmanager
def shelf(lab: Lab, url: str) -> Iterator[Shelf]:
    parts = urlsplit(url)
    name = f"test-{time.time_ns()}"
    folder = lab.folder / "mirror" / str(parts.hostname) / name
    folder.mkdir()
    try:
        yield Shelf(folder, f"{parts.scheme}://{parts.netloc}/{name}")
    finally:
        shutil.rmtree(folder)
