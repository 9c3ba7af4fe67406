"""The provider plugins of the lab's own PULUMI_HOME: the official ones, or the stand-ins."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from cloud.lab import CHECKOUT, Lab
from cloud.pulumi import plugin_version
from cloud.setup.entry import SetupError

PLUGINS = {name: plugin_version(name) for name in ("aws", "command")}
"""The versions that requirements.txt pins."""


AUTO, OFFICIAL = "auto", "official"
CHOICES = (AUTO, OFFICIAL)
"""`auto` takes each official plugin that is installed and the stand-in of any other."""


def require(choice: str, caller: Mapping[str, str] = os.environ) -> None:
    """Raise SetupError when official plugins are asked for and not all of them are installed."""
    home = _home(caller) / "plugins"
    missing = [name for name in PLUGINS if not _is_whole(_official(name, caller), name)]
    if choice == OFFICIAL and missing:
        names = ", ".join(f"{name} {PLUGINS[name]} ({_there(home, name)})" for name in missing)
        commands = " && ".join(_install_command(home, name) for name in missing)
        raise SetupError(
            f"found no official plugin {names} in {home}; expected each, "
            f"because the official plugins were asked for; run `{commands}`"
        )


def _there(home: Path, name: str) -> str:
    """What there is of a plugin that cannot be used in the version wanted."""
    folder = _folder(home, name)
    if _partial(folder).exists():
        return "an install of it was cut short"
    if folder.exists():
        return f"its {_program(name)} is not a program"
    prefix = _prefix(name)
    folders = (path.name for path in home.glob(f"{prefix}*") if path.is_dir())
    versions = sorted(each.removeprefix(prefix) for each in folders)
    return f"there is {', '.join(versions)}" if versions else "there is none"


def _install_command(home: Path, name: str) -> str:
    """Pulumi leaves a folder that is there as it is, unless told otherwise."""
    again = " --reinstall" if _folder(home, name).exists() else ""
    return f"pulumi plugin install resource {name} {PLUGINS[name]}{again}"


def _home(caller: Mapping[str, str]) -> Path:
    return Path(caller.get("PULUMI_HOME") or Path(caller.get("HOME", "/root"), ".pulumi"))


def _official(name: str, caller: Mapping[str, str]) -> Path:
    return _folder(_home(caller) / "plugins", name)


def _folder(home: Path, name: str) -> Path:
    return home / f"{_prefix(name)}{PLUGINS[name]}"


def _prefix(name: str) -> str:
    return f"resource-{name}-v"


def _program(name: str) -> str:
    return f"pulumi-resource-{name}"


def _partial(folder: Path) -> Path:
    """The file that Pulumi keeps beside a plugin's folder while it installs it."""
    return folder.with_name(folder.name + ".partial")


def install(lab: Lab, caller: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Put each plugin in place; for each its kind, `official` or `stand-in`."""
    target = lab.pulumi_home / "plugins"
    target.mkdir(parents=True, exist_ok=True)
    kinds = {}
    for name in PLUGINS:
        official = _official(name, caller)
        folder = target / official.name
        if _is_whole(official, name):
            kinds[name] = "official"
            _bring(folder, official)
        else:
            kinds[name] = "stand-in"
            _write_launcher(folder, name)
    return kinds


def _is_whole(folder: Path, name: str) -> bool:
    program = folder / _program(name)
    return program.is_file() and os.access(program, os.X_OK) and not _partial(folder).exists()


def _bring(folder: Path, official: Path) -> None:
    """The plugin's files in a real folder: the engine passes over one that is a link."""
    if not folder.is_symlink() and _files(folder) == _files(official):
        return
    _remove(folder)
    shutil.copytree(official, folder, copy_function=_link)


def _files(folder: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of each file below a folder."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            state = path.stat()
            found[path.relative_to(folder)] = state.st_size, state.st_mtime_ns
    return found


def _link(source: str, target: str) -> None:
    """A second name for the file, or a copy where that cannot be: on another file system."""
    try:
        Path(target).hardlink_to(Path(source).resolve())
    except OSError:
        shutil.copy2(source, target)


def _write_launcher(folder: Path, name: str) -> None:
    program = folder / _program(name)
    python = shlex.quote(sys.executable)
    text = (
        "#!/bin/sh\n"
        f"export PYTHONPATH={shlex.quote(str(CHECKOUT / 'scripts'))} PYTHONSAFEPATH=1\n"
        f'exec {python} -m cloud.providers.{name} "$@"\n'
    )
    if folder.is_symlink() or not program.exists() or program.read_bytes() != text.encode():
        _remove(folder)  # first: its program may be another name of the official one
        folder.mkdir()
        program.write_text(text)
        program.chmod(0o755)


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
