"""What may be done with a device, by what is on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ring_node.base import paths
from ring_node.host import volumes
from ring_node.host.volumes import Content
from ring_node.verbs import mount

pytestmark = pytest.mark.unit

ZEROS = bytes(volumes.PROBED)
XFS = {"TYPE": "xfs", "UUID": "11111111-2222-3333-4444-555555555555"}


def xfs(*, in_progress: bool) -> bytes:
    """The begin of a device with an XFS, as mkfs.xfs 6.1 leaves it when it ends or is killed."""
    head = bytearray(ZEROS)
    head[:4] = b"XFSB"
    head[126] = in_progress
    return bytes(head)


@pytest.mark.parametrize(
    ("signature", "head", "content"),
    [
        ({}, ZEROS, Content.BLANK),
        (XFS, xfs(in_progress=False), Content.XFS),
        (XFS, xfs(in_progress=True), Content.UNFINISHED),
        ({"TYPE": "ext4"}, ZEROS, Content.FOREIGN),
        ({"PTTYPE": "gpt"}, ZEROS, Content.FOREIGN),
        ({"TYPE": "linux_raid_member"}, ZEROS, Content.FOREIGN),
        ({"TYPE": "what blkid cannot tell (status 8)"}, xfs(in_progress=True), Content.FOREIGN),
        ({}, xfs(in_progress=False), Content.UNKNOWN),
        ({}, ZEROS[:-1] + b"x", Content.UNKNOWN),
    ],
)
def test_a_device_is_what_its_signature_and_its_begin_say(
    signature: dict[str, str], head: bytes, content: Content
) -> None:
    assert volumes.judge(signature, head) is content


@pytest.mark.parametrize(
    ("content", "begun", "may"),
    [
        (Content.BLANK, False, True),
        (Content.BLANK, True, True),
        (Content.UNFINISHED, False, True),
        (Content.UNFINISHED, True, True),
        (Content.UNKNOWN, False, False),
        (Content.UNKNOWN, True, True),
        (Content.XFS, False, False),
        (Content.XFS, True, False),
        (Content.FOREIGN, False, False),
        (Content.FOREIGN, True, False),
    ],
)
def test_only_what_nobody_can_have_written_to_is_made_a_file_system(
    content: Content, begun: bool, may: bool
) -> None:
    assert volumes.may_make(content, begun=begun) is may


@pytest.mark.parametrize("new", [True, False], ids=["mounted now", "mounted before"])
def test_a_mount_removes_what_is_left_of_copies_and_never_a_copy_that_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: bool
) -> None:
    for name in ("SNAPSHOTS", "ARRIVING", "IMAGES", "RESTORING"):
        folder = tmp_path / name / "0a1b2c3d"
        folder.mkdir(parents=True)
        monkeypatch.setattr(paths, name, folder.parent)
    monkeypatch.setattr(volumes, "mount_again", lambda: new)
    done = mount.run().done
    left = list(tmp_path.rglob("0a1b2c3d"))
    assert (len(done), len(left)) == ((4, 0) if new else (0, 4))
