"""`scripts/lab down`: the lab ends, and nothing of it is left."""

import contextlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from rich.console import Console

from cloud import processes
from cloud.cli import cloud, interrupt, lock
from cloud.cli.errors import BUSY, NOT_CONFIRMED, LabError
from cloud.lab import Lab
from cloud.names import Names, namespace_path
from cloud.processes import Process

END_SECONDS = 10
CACHED = re.compile(r"^(locks|logs|pycache|sources|uv|[a-z-]+-[0-9a-f]{12})$")
"""Names of what the set-up makes in the cache."""


def down(lab: Lab, out: Console, err: Console, *, yes: bool, cache: bool) -> None:
    """Take the lab down after a confirmation; with `cache`, remove what the set-up built too."""
    if not lab.folder.exists() and not cache:
        out.print(f"Nothing is up: there is no lab in {lab.folder}.", markup=False)
        return
    if not yes:
        confirm(lab, cache)
    if lab.folder.exists():
        with interrupt.as_exception(), _lab_held(lab, err), err.status("") as status:
            _take_down(lab, lambda text: status.update(text))
        out.print(f"The lab {lab.folder} is gone, with its data.", markup=False)
    if cache:
        _remove_cache(lab.cache)
        out.print(f"The cache {lab.cache} is empty.", markup=False)


def confirm(lab: Lab, cache: bool) -> None:
    """Ask for the lab's id; LabError when there is nobody to ask or the answer is another."""
    what = f"the lab {lab.folder} with both servers' data" + (" and the cache" if cache else "")
    if not sys.stdin.isatty():
        raise LabError(
            f"found no terminal to confirm on; expected a confirmation, because this destroys "
            f"{what}; say `scripts/lab down --yes`",
            NOT_CONFIRMED,
        )
    answer = click.prompt(f"This destroys {what}. Type {lab.id} to go on", default="", err=True)
    if answer.strip() != lab.id:
        raise LabError(
            f"found {answer.strip()!r}; expected {lab.id}; nothing was changed; run it again to "
            "confirm, or say `scripts/lab down --yes`",
            NOT_CONFIRMED,
        )


@contextmanager
def _lab_held(lab: Lab, err: Console) -> Iterator[None]:
    """Hold the lab; end an `up` that has it first."""
    with ExitStack() as stack:
        try:
            stack.enter_context(lock.held(lab, lock.DOWN))
        except lock.LabBusy as busy:
            owner = busy.owner
            if owner is None or owner.command != lock.UP:
                raise
            err.print(f"end {owner}", markup=False)
            lock.end(owner)
            stack.enter_context(lock.held(lab, lock.DOWN))
        yield


def _take_down(lab: Lab, say: Callable[[str], None]) -> None:
    say("end what runs in the lab")
    end_processes(processes_inside(lab))
    cloud.stop(lab, say)
    left = mounts_below(lab.folder)
    if left:
        raise LabError(
            f"found mounts below {lab.folder}: {', '.join(left)}; expected none after the "
            "stand-in cloud ended; unmount them, then run `scripts/lab down` again"
        )
    say("remove the lab's folder")
    shutil.rmtree(lab.folder)


def processes_inside(lab: Lab) -> list[int]:
    """Programs in the lab's world: Pulumi, ssh and what they started."""
    world = namespace_path(Names.of(lab.folder).world)
    try:
        place = world.stat().st_ino
    except FileNotFoundError:
        return []
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            inside = (process / "ns/net").stat().st_ino == place
        except OSError:
            continue
        if inside:
            found.append(int(process.name))
    return found


def end_processes(pids: list[int]) -> None:
    """Ask processes to end, and kill those that stay."""
    known = [process for pid in pids if (process := Process.of(pid)) is not None]
    left = sorted(process.pid for process in processes.end(known, END_SECONDS))
    if left:
        raise LabError(
            f"found the processes {left} of the lab alive after SIGKILL; expected none; look at "
            "them with `ps`, then run `scripts/lab down` again"
        )


def mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    points = [line.split()[1].encode().decode("unicode_escape") for line in lines]
    return [point for point in points if Path(point).is_relative_to(folder)]


def _remove_cache(cache: Path) -> None:
    """Remove what the set-up put into the cache, and the folder when nothing else is in it."""
    users = daemons_on(cache)
    if users:
        raise LabError(
            f"found labs that run on the cache {cache} (processes {users}); expected none; take "
            "them down first (`MYSQL_RING_LAB=FOLDER scripts/lab down`)",
            BUSY,
        )
    for path in cache.iterdir() if cache.is_dir() else ():
        if CACHED.match(path.name):
            shutil.rmtree(path)
    with contextlib.suppress(OSError):
        cache.rmdir()


def daemons_on(cache: Path) -> list[int]:
    """Stand-in clouds whose hosts lie on an image of the cache."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if b"cloud.daemon" in words and any(
                    word.startswith(str(cache).encode() + b"/") for word in words
                ):
                    found.append(int(process.name))
    return found
