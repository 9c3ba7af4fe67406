"""The whole set-up: every entry that is missing, side by side, each with its progress."""

import hashlib
import shutil
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import yaml

from cloud.lab import PROJECT, Lab, write_private
from cloud.setup import archive, base, debian, mirror, toolchain
from cloud.setup.debian import url_path
from cloud.setup.entry import MARKER, Entry, SetupError, digest_of, stop
from cloud.setup.progress import Display


@dataclass(frozen=True)
class Prepared:
    """What the set-up brought: where each part is, and how long each part took."""

    base_tree: Path
    seconds: dict[str, float]


@dataclass(frozen=True)
class Job:
    entry: Entry
    after: tuple[str, ...] = ()


def prepare(lab: Lab) -> Prepared:
    """Build what is missing in the cache, then lay the lab's mirror out."""
    sources = debian.sources(lab.cache)
    base_entry = base.entry(sources)
    archive_entry = archive.entry()
    mirror_entry = mirror.entry(sources, base_entry, lab.cache)
    jobs = [Job(base_entry), Job(archive_entry), Job(mirror_entry, after=(base_entry.name,))]
    installed = toolchain.installed_cli()
    bundle = toolchain.bundle_entry(lab.cache)
    if installed is None:
        tools = (toolchain.cli_entry(), toolchain.host_entry())
        jobs += [Job(entry) for entry in tools]
        jobs.append(Job(bundle, after=tuple(entry.name for entry in tools)))
    seconds = build_all(jobs, lab.cache)
    compose_mirror(lab, mirror_entry.path(lab.cache), archive_entry.path(lab.cache))
    lab.create()
    write_private(lab.folder / "toolchain", str(installed or bundle.path(lab.cache)))
    return Prepared(base_entry.path(lab.cache) / base.TREE, seconds)


def build_all(jobs: list[Job], cache: Path) -> dict[str, float]:
    """Build entries side by side, each after those that it names; seconds of those built."""
    missing = [job for job in jobs if not job.entry.is_complete(cache)]
    if not missing:
        return {}
    stop.clear()
    waiting = {job.entry.name: job for job in missing}
    running: dict[Future[float], str] = {}
    seconds: dict[str, float] = {}
    with Display() as display, ThreadPoolExecutor(len(missing)) as pool:
        try:
            while waiting or running:
                names = set(waiting) | set(running.values())
                for name in [n for n, job in waiting.items() if not names & set(job.after)]:
                    entry = waiting.pop(name).entry
                    report = display.line(name)
                    running[pool.submit(_build, entry, cache, report)] = name
                done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    seconds[name] = future.result()
                    display.finish(name, seconds[name])
        except BaseException:
            stop.set()
            raise
    return seconds


def _build(entry: Entry, cache: Path, report: Callable[[str], None]) -> float:
    begun = time.monotonic()
    entry.ensure(cache, report)
    return time.monotonic() - begun


def compose_mirror(lab: Lab, packages: Path, mysql: Path) -> None:
    """Lay the mirror's tree out in the lab: Debian's packages and the MySQL archive.

    The archive lies at the address that the stack's settings name.
    """
    settings = yaml.safe_load(lab.committed_settings.read_text())["config"]
    url = str(settings[f"{PROJECT}:mysqlArchiveUrl"])
    checksum = str(settings[f"{PROJECT}:mysqlArchiveChecksum"])
    stamp = digest_of(packages.name, mysql.name, url, checksum)
    marker = lab.mirror / MARKER
    if marker.is_file() and marker.read_text() == stamp:
        return
    check_archive(mysql, checksum)
    shutil.rmtree(lab.mirror, ignore_errors=True)
    shutil.copytree(packages / mirror.ROOT, lab.mirror)
    target = lab.mirror / url_path(unquote(url))
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(mysql / archive.FILE_NAME, target)
    marker.write_text(stamp)


def check_archive(folder: Path, checksum: str) -> None:
    """Raise SetupError when the stack's settings expect another archive than the one made."""
    kind, _, wanted = checksum.partition(":")
    found = hashlib.new(kind, (folder / archive.FILE_NAME).read_bytes()).hexdigest()
    if found != wanted:
        raise SetupError(
            f"the archive {archive.FILE_NAME} has the checksum {kind}:{found}; Pulumi.lab.yaml "
            f"expects {checksum}; if the recipe in scripts/cloud/setup/archive.py was changed on "
            "purpose, set mysqlArchiveChecksum there to what was found"
        )
