"""The provider plugins of the lab's own PULUMI_HOME: the official ones, or the stand-ins."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from cloud.lab import CHECKOUT, Lab

PLUGINS = {"aws": "7.51.1", "command": "1.2.1"}
"""The versions that requirements.txt pins."""


def install(lab: Lab, caller: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Put each plugin in place; for each its kind, `official` or `stand-in`."""
    home = Path(caller.get("PULUMI_HOME") or Path(caller.get("HOME", "/root"), ".pulumi"))
    target = lab.pulumi_home / "plugins"
    target.mkdir(parents=True, exist_ok=True)
    kinds = {}
    for name, version in PLUGINS.items():
        folder = target / f"resource-{name}-v{version}"
        official = home / "plugins" / folder.name
        if _is_whole(official, name):
            kinds[name] = "official"
            _link(folder, official)
        else:
            kinds[name] = "stand-in"
            _write_launcher(folder, name)
    return kinds


def _is_whole(folder: Path, name: str) -> bool:
    program = folder / f"pulumi-resource-{name}"
    partial = folder.with_name(folder.name + ".partial")
    return program.is_file() and os.access(program, os.X_OK) and not partial.exists()


def _link(folder: Path, official: Path) -> None:
    if folder.is_symlink() and folder.readlink() == official:
        return
    _remove(folder)
    folder.symlink_to(official)


def _write_launcher(folder: Path, name: str) -> None:
    if folder.is_symlink():
        _remove(folder)
    folder.mkdir(exist_ok=True)
    program = folder / f"pulumi-resource-{name}"
    python = shlex.quote(sys.executable)
    text = (
        "#!/bin/sh\n"
        f"export PYTHONPATH={shlex.quote(str(CHECKOUT / 'scripts'))} PYTHONSAFEPATH=1\n"
        f'exec {python} -m cloud.providers.{name} "$@"\n'
    )
    if not program.exists() or program.read_text() != text:
        program.write_text(text)
        program.chmod(0o755)


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
