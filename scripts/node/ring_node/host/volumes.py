"""The volume that data lives on: found by its id, made a file system once, mounted, grown.

Nothing but a blank volume is ever written to. What was verified blank is written down on the root
volume before it is made a file system, with the UUID that it is to get: a run that is killed there
is done again.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ..base import paths
from ..base.errors import Exit, NodeError, refused, too_late
from ..base.report import Report
from ..base.waiting import Deadline, poll
from . import files
from .programs import attempt, run

# How udev names an EBS volume on a Nitro instance: model and serial number, which is the id of the
# volume without its dash. https://docs.aws.amazon.com/ebs/latest/userguide/nvme-ebs-volumes.html
BY_ID = Path("/dev/disk/by-id")
MODEL = "nvme-Amazon_Elastic_Block_Store_"
DEVICE_SECONDS = 180.0  # the attachment may still be under way
GROWTH_SECONDS = 300.0
PROGRAM_SECONDS = 300.0
PROBED = 1 << 20  # bytes at the begin of a device that are zeros on a blank one
LABEL = "mysql-ring"
XFS_IN_PROGRESS = 126  # xfs_dsb in the kernel's fs/xfs/libxfs/xfs_format.h: mkfs has not ended
NOTHING_FOUND = 2  # of blkid(8) in its low-level probing mode
UNIT = f"""\
# Written by ring-node. Do not edit: `systemctl edit mysql-ring-volume` for additions.
[Unit]
Description=Data volume of the MySQL ring
ConditionPathExists={paths.VOLUME_RECORD}
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={paths.CURRENT_RELEASE}/ring-node mount
TimeoutStartSec=600

[Install]
WantedBy=multi-user.target
"""


class Content(Enum):
    """What is on a device."""

    BLANK = "nothing"
    UNFINISHED = "an XFS that mkfs was killed at: nobody ever mounted it"
    XFS = "an XFS"
    UNKNOWN = "something that has no signature"
    FOREIGN = "something else"


@dataclass(frozen=True)
class Record:
    """What the root volume says of the data volume. `made`: it has its file system."""

    volume_id: str
    uuid: str
    made: bool


@dataclass(frozen=True)
class Owner:
    """What the data volume says of itself."""

    volume_id: str
    node: str


def judge(signature: Mapping[str, str], head: bytes) -> Content:
    """`signature`: what blkid finds anywhere on it; `head`: its first MiB."""
    if signature.get("TYPE") == "xfs":
        unfinished = head[XFS_IN_PROGRESS : XFS_IN_PROGRESS + 1] == b"\x01"
        return Content.UNFINISHED if unfinished else Content.XFS
    if signature:
        return Content.FOREIGN
    return Content.UNKNOWN if head.strip(b"\0") else Content.BLANK


def may_make(content: Content, *, begun: bool) -> bool:
    """Whether nobody's data is lost when it is made a file system. `begun`: it was verified blank,
    and mkfs was about to run. A host that lost power then may have left parts of its work."""
    return content in (Content.BLANK, Content.UNFINISHED) or (begun and content is Content.UNKNOWN)


def ready(volume_id: str, node: str, report: Report) -> None:
    """Makes that volume this node's, mounted at /srv/mysql-ring. Refuses any other content."""
    device = found(volume_id)
    if not _mounted(device):
        record = _with_file_system(device, volume_id, report)
        _mount(device, record)
        report.did(f"{volume_id} mounted at {paths.VOLUME}")
    _own(volume_id, node, report)
    # Last: a boot mounts what this says, and must not look for a volume that was refused.
    _write_record(Record(volume_id, _signature(device).get("UUID", ""), made=True))


def mount_again() -> bool:
    """At boot: the volume that was this node's, and no other one. False when it was mounted."""
    # Read anew each time: while that one is waited for, `volume` may mount another one.
    poll(lambda: _link(_made().volume_id).exists() or None, Deadline(DEVICE_SECONDS))
    record = _made()
    device = found(record.volume_id, 0.0)
    new = not _mounted(device)
    if new:
        _mount(device, record)
    owner = read_owner()
    if owner is not None:
        _refuse_other(record.volume_id, None, owner)
    return new


def _made() -> Record:
    """The record of a volume that is ready."""
    record = read_record()
    if record is None or not record.made:
        raise refused(
            f"{paths.VOLUME_RECORD} names no volume that is ready",
            "the node's data volume",
            "run `pulumi up`, or `ring-node volume` with its document",
        )
    return record


def grow(volume_id: str, gib: int, report: Report) -> None:
    """Waits until the device is that large, then lets the file system have all of it."""
    device = found(volume_id)
    wanted = gib << 30
    if poll(lambda: size(device) >= wanted or None, Deadline(GROWTH_SECONDS)) is None:
        raise too_late(
            f"{volume_id} has {size(device) / (1 << 30):.2f} GiB on this host",
            f"{gib} GiB within {GROWTH_SECONDS:.0f} s of its modification",
            "see `aws ec2 describe-volumes-modifications`, then run this again",
        )
    before = _blocks()
    run(
        ["xfs_growfs", "-d", str(paths.VOLUME)],
        seconds=PROGRAM_SECONDS,
        expected=f"the file system as large as {volume_id}",
        next_step="look at `dmesg` on the host",
    )
    if _blocks() != before:
        report.did(f"file system grown to {gib} GiB")


def found(volume_id: str, seconds: float = DEVICE_SECONDS) -> Path:
    """The device of that volume. It may be attached after the host has booted."""
    link = _link(volume_id)
    if poll(lambda: link.exists() or None, Deadline(seconds)) is None:
        others = ", ".join(sorted(each.name.removeprefix(MODEL) for each in _volumes())) or "none"
        raise too_late(
            f"no {link}; of EBS this host has: {others}",
            f"{volume_id} attached within {DEVICE_SECONDS:.0f} s, on an instance type that shows "
            "its volumes as NVMe",
            f"attach {volume_id} to this instance, then run this again",
        )
    return link.resolve()


def size(device: Path) -> int:
    """Bytes of a block device."""
    with device.open("rb") as stream:
        return stream.seek(0, os.SEEK_END)


def read_record() -> Record | None:
    value = _json(paths.VOLUME_RECORD)
    return None if value is None else Record(value["volume_id"], value["uuid"], value["made"])


def read_owner() -> Owner | None:
    value = _json(paths.VOLUME_OWNER)
    return None if value is None else Owner(value["volume_id"], value["node"])


def is_mounted() -> bool:
    return os.path.ismount(paths.VOLUME)


def problem() -> str | None:
    """Why nothing on the volume can be read, such as that it was detached; None: it can be.

    The mount stays when the device goes, and `is_mounted` then says no.
    """
    try:
        os.stat(paths.VOLUME)
    except FileNotFoundError:
        return None
    except OSError as error:
        return str(error)
    return None


def _link(volume_id: str) -> Path:
    return BY_ID / (MODEL + volume_id.replace("-", ""))


def _volumes() -> list[Path]:
    return list(BY_ID.glob(f"{MODEL}vol*")) if BY_ID.is_dir() else []


def _json(path: Path) -> Any:
    try:
        content = files.read_bytes(path)
        return None if content is None else json.loads(content)
    except OSError as error:
        raise _broken(error) from None


def _broken(error: OSError) -> NodeError:
    return NodeError(
        Exit.HOST,
        f"the data volume cannot be read: {error}",
        "a volume that answers",
        "see `dmesg` and the volume's state on AWS; attach it again if it was detached, then "
        "reboot this host",
    )


def _write_record(record: Record) -> None:
    text = json.dumps(asdict(record)) + "\n"
    files.write(paths.VOLUME_RECORD, text.encode(), mode=0o644)


def _mounted(device: Path) -> bool:
    """Whether it is mounted in its place; refuses another one there."""
    if not is_mounted():
        return False
    try:
        there = os.stat(paths.VOLUME).st_dev
    except OSError as error:
        raise _broken(error) from None
    if there != os.stat(device).st_rdev:
        raise refused(
            f"another device than {device} is mounted at {paths.VOLUME}",
            "the node's data volume there, or nothing",
            f"stop mysql, `umount {paths.VOLUME}`, then run this again",
        )
    return True


def _with_file_system(device: Path, volume_id: str, report: Report) -> Record:
    """What the record of a volume is to be that has its file system, made on a blank one."""
    signature = _signature(device)
    content = judge(signature, _head(device))
    known = read_record()
    if known is not None and known.volume_id != volume_id:
        known = None  # of a volume that was this node's before
    if may_make(content, begun=known is not None and not known.made):
        identity = str(uuid.uuid4())
        _write_record(Record(volume_id, identity, made=False))
        _make_file_system(device, identity)
        report.did(f"XFS made on {volume_id}")
    elif content is Content.XFS:
        identity = signature["UUID"]
        if known is not None and known.made and known.uuid != identity:
            raise refused(
                f"{volume_id} carries the file system {identity}",
                f"{known.uuid}, which this host has mounted before",
                f"attach the right volume; if this is the right one, remove {paths.VOLUME_RECORD}, "
                "then run this again",
            )
    else:
        what = signature.get("TYPE") or signature.get("PTTYPE") or "data without a known form"
        raise refused(
            f"{volume_id} carries {what}",
            "a blank volume, or the XFS that this tool made on it",
            f"attach the right volume; {_wiped(volume_id)}",
        )
    return Record(volume_id, identity, made=True)


def _make_file_system(device: Path, identity: str) -> None:
    run(
        ["mkfs.xfs", "-q", "-f", "-L", LABEL, "-m", f"reflink=1,uuid={identity}", str(device)],
        seconds=PROGRAM_SECONDS,
        expected=f"an XFS on {device}",
        next_step="look at `dmesg` on the host, then run this again",
    )


def _mount(device: Path, record: Record) -> None:
    uuid_there = _signature(device).get("UUID")
    if uuid_there != record.uuid:
        raise refused(
            f"{device} carries the file system {uuid_there}",
            f"{record.uuid}, which is {record.volume_id}'s",
            f"attach {record.volume_id} as it was, then run this again",
        )
    paths.VOLUME.mkdir(parents=True, exist_ok=True)
    run(
        ["mount", "-t", "xfs", "-o", "noatime", str(device), str(paths.VOLUME)],
        seconds=PROGRAM_SECONDS,
        expected=f"{record.volume_id} mounted at {paths.VOLUME}",
        next_step="look at `dmesg` on the host; `xfs_repair -n` tells more",
    )


def _own(volume_id: str, node: str, report: Report) -> None:
    """The volume says whose it is, from the moment on when it is mounted for the first time."""
    owner = read_owner()
    if owner is not None:
        _refuse_other(volume_id, node, owner)
        return
    killed = f".{paths.VOLUME_OWNER.name}."  # how a write begins that was killed
    entries = sorted(
        each.name for each in paths.VOLUME.iterdir() if not each.name.startswith(killed)
    )
    if entries:
        _unmount()
        raise refused(
            f"{volume_id} carries an XFS with {', '.join(entries[:5])}, and does not say whose",
            "a blank volume, or one that this tool made",
            f"attach the right volume; {_wiped(volume_id)}",
        )
    text = json.dumps(asdict(Owner(volume_id, node))) + "\n"
    files.write(paths.VOLUME_OWNER, text.encode(), mode=0o644)
    report.did(f"{volume_id} is the data volume of {node}")


def _refuse_other(volume_id: str, node: str | None, owner: Owner) -> None:
    if owner.volume_id != volume_id:
        _unmount()
        raise refused(
            f"{volume_id} is a copy of {owner.volume_id} as of a moment that is past: its data was "
            "set back in time",
            f"the volume that {owner.node} wrote to, or a blank one",
            f"attach the right volume; {_wiped(volume_id)}",
        )
    if node is not None and owner.node != node:
        _unmount()
        raise refused(
            f"{volume_id} is the data volume of {owner.node}",
            f"the one of {node}",
            "attach the right volume, then run this again",
        )


def _wiped(volume_id: str) -> str:
    return (
        "if nothing on this one is wanted, wipe it "
        f"(`dd if=/dev/zero of={_link(volume_id)} bs=1M count=1 conv=fsync`), then run this again: "
        "the node then copies its peer"
    )


def _unmount() -> None:
    attempt(["umount", str(paths.VOLUME)], seconds=PROGRAM_SECONDS, next_step="")


def _signature(device: Path) -> dict[str, str]:
    """What blkid finds on the device itself, past every cache. Empty: nothing."""
    status, output, problems = attempt(
        ["blkid", "--probe", "--output", "export", str(device)],
        seconds=PROGRAM_SECONDS,
        next_step="look at `dmesg` on the host",
    )
    if status == NOTHING_FOUND and not output.strip():
        return {}
    if status != 0:
        return {"TYPE": f"what blkid cannot tell ({problems.strip() or f'status {status}'})"}
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


def _head(device: Path) -> bytes:
    try:
        with device.open("rb") as stream:
            return stream.read(PROBED)
    except OSError as error:
        raise _broken(error) from None


def _blocks() -> int:
    return os.statvfs(paths.VOLUME).f_blocks
