"""The local mirror: what the hosts download, under the names that they ask in production.

Debian's indexes are the real ones with their signatures, so the hosts' apt verifies them; of the
packages it holds those that the hosts install, with all that they depend on.
"""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from cloud.setup.base import TREE
from cloud.setup.commands import run_logged
from cloud.setup.debian import Source, download, release_hashes, source_list, url_path
from cloud.setup.entry import Entry, Report, SetupError, digest_of
from cloud.setup.packages import MIRRORED

RECIPE = "1"
ROOT = "root"
INDEX = "main/binary-amd64/Packages"
INSTALL = ("install", "--yes", "--no-install-recommends")
URI_LINE = re.compile(r"^'(?P<url>[^']+)' (?P<file>\S+) \d+\b")


def entry(sources: list[Source], base: Entry, cache: Path) -> Entry:
    def build(folder: Path, report: Report) -> None:
        _build(folder, sources, base.path(cache) / TREE, report)

    digest = digest_of(RECIPE, base.digest, source_list(sources), *MIRRORED)
    return Entry("mirror", digest, build)


def _build(folder: Path, sources: list[Source], tree: Path, report: Report) -> None:
    apt = _private_apt(folder / "apt", tree, sources)
    run_logged(
        [*apt, "update"],
        folder / "update.log",
        report,
        what="apt-get update",
        next_step="check that apt-get update works on this machine, then run the command again",
        timeout=600,
    )
    root = folder / ROOT
    for source in sources:
        report(f"indexes of {source.suite}")
        _copy_indexes(root, source, folder / "apt/lists")
    files = list(parse_uris(_uris(apt)))
    run_logged(
        [*apt, *INSTALL, "--download-only", *MIRRORED],
        folder / "packages.log",
        report,
        what="apt-get install --download-only",
        next_step="check that apt-get works on this machine, then run the command again",
        timeout=1200,
    )
    for url, name in files:
        target = root / url_path(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "apt/cache/archives" / name, target)
    shutil.rmtree(folder / "apt")


def _private_apt(state: Path, tree: Path, sources: list[Source]) -> list[str]:
    """An apt-get that keeps all of its state in a folder and knows the image's packages.

    It keeps the machine's own apt.conf, which may name a proxy.
    """
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "sources.list").write_text(source_list(sources))
    options = {
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": tree / "var/lib/dpkg/status",
        "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
    }
    return ["apt-get", *(f"-o{name}={value}" for name, value in options.items())]


def _copy_indexes(root: Path, source: Source, lists: Path) -> None:
    """Put the signed release file and the package index of a source where its clients ask."""
    prefix = str(source.folder).replace("/", "_") + f"_dists_{source.suite}_"
    release = lists / f"{prefix}InRelease"
    if not release.is_file():
        raise SetupError(
            f"found no {release.name} after apt-get update; expected the signed release file of "
            f"{source.suite}; run `apt-get update` and look at its output"
        )
    folder = root / source.folder / "dists" / source.suite
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(release, folder / "InRelease")
    path = f"{INDEX}.xz"
    sha256 = release_hashes(release.read_text()).get(path)
    if sha256 is None:
        raise SetupError(
            f"found no {path} in the release file of {source.suite}; expected a Debian archive; "
            "look at the sources in /etc/apt/sources.list.d"
        )
    by_hash = folder / Path(path).parent / "by-hash/SHA256" / sha256
    download(source.release_url(f"{Path(path).parent}/by-hash/SHA256/{sha256}"), by_hash, sha256)
    (folder / path).hardlink_to(by_hash)


def _uris(apt: list[str]) -> list[str]:
    argv = [*apt, *INSTALL, "--print-uris", *MIRRORED]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise SetupError(
            f"apt-get {shlex.join(argv[len(apt) :])} ended with {done.returncode}: "
            f"{done.stderr.strip()[-800:]}; expected packages of Debian 12; correct the list in "
            "scripts/cloud/setup/packages.py"
        )
    return done.stdout.splitlines()


def parse_uris(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Address and file name of each package in the output of `apt-get --print-uris`."""
    for line in lines:
        match = URI_LINE.match(line)
        if match:
            yield match["url"], match["file"]
        elif line.startswith("'"):
            raise SetupError(f"found the line {line!r} of apt-get; expected address, file and size")
