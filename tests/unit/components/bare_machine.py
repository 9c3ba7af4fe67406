"""A machine that has a shell and no Python, for the scripts that look for one."""

import shutil
from pathlib import Path

import pytest

TOOLS = ("dirname", "sed", "sh")


def strip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go there, with nothing else on PATH than a folder in it, which is returned."""
    tools = folder / "tools"
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.chdir(folder)
    return tools


def program(path: Path, text: str) -> None:
    """A program of the shell in this place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
