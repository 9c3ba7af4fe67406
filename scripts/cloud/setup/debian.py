"""Debian's archive as this machine knows it: its addresses come from the machine's own apt."""

import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from cloud.setup.entry import SetupError, digest_of

RELEASE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
APT = Path("/etc/apt")
SUITES = (RELEASE, f"{RELEASE}-updates", f"{RELEASE}-security")
FORMAT = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN) $(CODENAME)"


@dataclass(frozen=True)
class Source:
    """One suite of Debian's archive: where it is, its name and its component."""

    uri: str
    suite: str
    component: str = "main"

    @property
    def folder(self) -> PurePosixPath:
        """Where the source lies in a mirror: host name, then path."""
        return url_path(self.uri)

    def release_url(self, path: str) -> str:
        return f"{self.uri.rstrip('/')}/dists/{self.suite}/{path}"


def url_path(url: str) -> PurePosixPath:
    """The place of a URL in a mirror's tree: host name (without port), then path.

    Raises SetupError for an address that a mirror cannot hold.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SetupError(
            f"found the address {url!r} in apt's sources; expected http:// or https:// with a host "
            "name; add such a source of Debian 12 to /etc/apt/sources.list.d"
        )
    if parts.query or ".." in unquote(parts.path).split("/"):
        raise SetupError(
            f"found the address {url!r}; expected one without a query and without '..'"
        )
    return PurePosixPath(parts.hostname, unquote(parts.path).lstrip("/"))


def sources(cache: Path, apt: Path = APT) -> list[Source]:
    """Debian 12's own sources that this machine's apt uses, component main.

    apt takes a second to tell: its answer is kept until its configuration changes.
    """
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    fingerprint = digest_of(*(file.read_bytes() for file in files if file.is_file()))
    kept = cache / "sources" / f"{fingerprint}.txt"
    if not kept.is_file():
        lines = _ask_apt()
        if not any(line.strip() for line in lines):
            # A machine whose apt has never fetched its lists knows no suite.
            subprocess.run(["apt-get", "update", "-q"], capture_output=True, timeout=600)
            lines = _ask_apt()
        parse_sources(lines)
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(f".{os.getpid()}")
        draft.write_text("\n".join(lines) + "\n")
        draft.replace(kept)
    return parse_sources(kept.read_text().splitlines())


def _ask_apt() -> list[str]:
    try:
        done = subprocess.run(
            ["apt-get", "indextargets", "--format", FORMAT, "Created-By: Packages"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    except FileNotFoundError:
        raise SetupError(
            f"found no apt-get on {platform.platform()}; expected Debian 12; "
            "run the lab on such a machine"
        ) from None
    return done.stdout.splitlines()


def parse_sources(lines: Iterable[str]) -> list[Source]:
    found: dict[str, Source] = {}
    for line in lines:
        fields = line.split()
        if len(fields) != 5:
            continue
        uri, suite, component, origin, codename = fields
        if origin == "Debian" and component == "main" and codename in SUITES:
            found.setdefault(codename, Source(uri.rstrip("/"), suite))
    if RELEASE not in found:
        raise SetupError(
            f"found no source of Debian's {RELEASE} main in apt's configuration; expected one; "
            "run `apt-get update`, and look at /etc/apt/sources.list.d"
        )
    return [found[suite] for suite in SUITES if suite in found]


def source_list(entries: Iterable[Source]) -> str:
    """The text of a sources.list with the entries."""
    return "".join(
        f"deb [signed-by={KEYRING}] {entry.uri} {entry.suite} {entry.component}\n"
        for entry in entries
    )


def release_hashes(release: str) -> dict[str, str]:
    """Path and SHA-256 of each index that a Release (or InRelease) file lists."""
    found: dict[str, str] = {}
    inside = False
    for line in release.splitlines():
        if line.startswith(" ") and inside:
            fields = line.split()
            if len(fields) == 3:
                found[fields[2]] = fields[0]
        else:
            inside = line.strip() == "SHA256:"
    return found


def download(url: str, target: Path, sha256: str) -> None:
    """Fetch a file with apt's own downloader, which checks its hash."""
    target.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["/usr/lib/apt/apt-helper", "download-file", url, str(target), f"SHA256:{sha256}"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode != 0:
        raise SetupError(
            f"apt-helper could not fetch {url}: {(done.stderr or done.stdout).strip()[-600:]}; "
            "expected the file of Debian's archive; check `apt-get update`, then run the command "
            "again"
        )
