"""A folder that counts as whole by its name gets that name when its content is on the disk."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ring_node.host import archive
from ring_node.host.archive import Archive
from ring_node.verbs import tools

pytestmark = pytest.mark.unit


def release(folder: Path) -> Path:
    source, place = folder / "upload", folder / "releases" / "0123456789ab"
    source.mkdir()
    (source / "ring-node").write_text("print()\n")
    assert tools._copy(source, place)
    assert not tools._copy(source, place)
    return place


def mysql(folder: Path) -> Path:
    packed = folder / ".fetch.abc"
    with tarfile.open(packed, "w") as made:
        entry = tarfile.TarInfo("mysql-5.6/bin/mysqld")
        entry.size = 3
        made.addfile(entry, io.BytesIO(b"ELF"))
    return archive._unpack(
        packed, folder, Archive(("http://10.0.0.1/a",), "md5", "abc"), lambda _: None
    )


@pytest.mark.parametrize("make", [release, mysql])
def test_the_disk_has_it_before_it_has_its_name(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    rename = os.rename

    def renamed(old: Path, new: Path) -> None:
        done.append(f"rename to {new.name}")
        rename(old, new)

    monkeypatch.setattr(os, "rename", renamed)
    monkeypatch.setattr(os, "sync", lambda: done.append("sync"))
    monkeypatch.setattr(os, "chown", lambda *_: None)
    place = make(tmp_path)
    assert any(path.is_file() for path in place.rglob("*"))
    assert done == ["sync", f"rename to {place.name}"]
