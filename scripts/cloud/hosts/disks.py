"""Volumes as block devices of the hosts: files of the lab, each behind a loop device.

LAB/cloud/volumes has a sparse file for each volume, LAB/cloud/snapshots one for each snapshot. A
host sees a volume as EC2's hosts do: as /dev/nvmeNn1 with a number that means nothing, and by its
id below /dev/disk/by-id. That folder is one of the lab's, given to the host at its boot, and the
devices of a host that runs are put into its /dev from outside: nothing on the host takes part.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cloud import groups
from cloud.hosts import loops
from cloud.hosts.complaints import Complaints
from cloud.hosts.guest import Guest
from cloud.hosts.loops import Loop
from cloud.network import namespaces
from cloud.wanted import Disk, Snapshot, Volume, VolumeSnapshot

log = logging.getLogger("cloud.hosts")

GIB = 1 << 30
BY_ID = "/dev/disk/by-id"
MODEL = "Amazon_Elastic_Block_Store"
FREE_SECONDS = 10.0
"""How long the mounts of a host that is off may take to end."""
COPY_SECONDS = 600.0
# XFS_IOC_GOINGDOWN with XFS_FSOP_GOING_FLAGS_NOLOGFLUSH (xfs_fs.h); ext4 has the same call.
SHUT_DOWN, WITHOUT_FLUSH = 0x8004587D, 2

Reach = Callable[[str, str], None]
"""Tells the API what a volume or a snapshot has come to, see `cloud.api.volumes.reach`."""


def by_id(volume_id: str) -> str:
    """The name that udev gives a volume on EC2: its serial number is the id without the dash."""
    return f"nvme-{MODEL}_{volume_id.replace('-', '')}"


@dataclass(frozen=True)
class Place:
    """Where a volume is."""

    guest: Guest
    name: str
    """The device's name in the host's /dev."""
    loop: Loop


class Disks:
    """Fits volumes into hosts, and keeps their files."""

    def __init__(self, cloud: Path, reach: Reach, complaints: Complaints) -> None:
        self.volumes = cloud / "volumes"
        self.snapshots = cloud / "snapshots"
        for folder in (self.volumes, self.snapshots):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        self.reach = reach
        self.complaints = complaints
        self.places: dict[str, Place] = {}
        self.forced: set[str] = set()

    # -- files

    def follow(self, snapshot: Snapshot) -> None:
        self.forced = {volume.id for volume in snapshot.volumes.values() if volume.forced}
        for copy in snapshot.volume_snapshots.values():
            if copy.pending:
                with self.complaints.about(copy.id):
                    self._save(copy)
        for volume in snapshot.volumes.values():
            with self.complaints.about(volume.id):
                self._make(volume)

    def _save(self, copy: VolumeSnapshot) -> None:
        source = self.volumes / copy.volume_id
        if not source.exists():
            self.reach(copy.id, "error")
            return
        with self._standing_still(copy.volume_id):
            _copy(source, self.snapshots / copy.id)
        self.reach(copy.id, "completed")

    def _make(self, volume: Volume) -> None:
        file = self.volumes / volume.id
        if not file.exists():
            draft = file.with_suffix(".new")
            if volume.snapshot_id and (self.snapshots / volume.snapshot_id).exists():
                _copy(self.snapshots / volume.snapshot_id, draft)
            with draft.open("ab") as stream:
                stream.truncate(volume.gib * GIB)
            draft.rename(file)
        if volume.state == "creating":
            self.reach(volume.id, "available")
        if volume.modifying:
            if file.stat().st_size < volume.gib * GIB:
                os.truncate(file, volume.gib * GIB)
            if volume.id in self.places:
                self.places[volume.id].loop.grow()
            self.reach(volume.id, "modified")

    @contextlib.contextmanager
    def _standing_still(self, volume_id: str) -> Iterator[None]:
        """Hold what is mounted of a volume, so that its file does not change: a snapshot is of one
        moment. Whoever ends this process lets it go on."""
        mount = self._mount(volume_id)
        if mount is None:
            yield
            return
        script = (
            'exec 3<"$1"; fsfreeze --freeze /proc/self/fd/3; echo; read -r _;'
            " fsfreeze --unfreeze /proc/self/fd/3"
        )
        with subprocess.Popen(
            ["bash", "-euc", script, "bash", str(mount)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:
            assert holder.stdin
            assert holder.stdout
            if holder.stdout.readline() != "\n":
                raise RuntimeError(f"{volume_id}: {mount} cannot be held")
            try:
                yield
            finally:
                holder.stdin.write("\n")
                holder.stdin.close()

    def tidy(self, snapshot: Snapshot) -> None:
        for volume in snapshot.volumes.values():
            with self.complaints.about(volume.id):
                self._tell(volume, snapshot)
        for folder, wanted in (
            (self.volumes, snapshot.volumes),
            (self.snapshots, snapshot.volume_snapshots),
        ):
            for file in folder.iterdir():
                if file.name not in wanted and file.name not in self.places:
                    file.unlink()

    def _tell(self, volume: Volume, snapshot: Snapshot) -> None:
        place = self.places.get(volume.id)
        if volume.attachment == "attaching":
            host = snapshot.hosts.get(volume.instance_id or "")
            if place is not None or host is None or not host.wanted:
                self.reach(volume.id, "attached")
        elif volume.attachment in ("detaching", "busy") and place is None:
            self.reach(volume.id, "detached")

    # -- devices

    def check(self, part: Disk) -> None:
        if not (self.volumes / part.id).exists():
            raise RuntimeError(f"no disk yet for {part.id}")

    def fit(self, guest: Guest, part: Disk) -> bool:
        self.check(part)
        root = None
        if guest.process is not None:
            root = guest.root()
            if root is None:
                return False
        loop = loops.attach(self.volumes / part.id)
        taken = {place.name for place in self._of(guest).values()}
        name = next(name for n in range(1, 100) if (name := f"nvme{n}n1") not in taken)
        try:
            if root is not None:
                loops.make_node(root / "dev" / name, loop.device)
            self._link(guest, part.id).unlink(missing_ok=True)
            self._link(guest, part.id).symlink_to(f"../../{name}")
        except BaseException:
            loop.close()
            raise
        self.places[part.id] = Place(guest, name, loop)
        log.info("%s: %s is %s", guest.id, name, part.id)
        return True

    def boot_arguments(self, guest: Guest) -> list[str]:
        folder = self._folder(guest)
        return [
            f"--bind={folder}:{BY_ID}",
            *(f"--bind={place.loop.path}:/dev/{place.name}" for place in self._of(guest).values()),
        ]

    def unfit(self, guest: Guest, part: Disk) -> bool:
        place = self.places[part.id]
        if place.loop.used:
            if part.id not in self.forced:
                self.reach(part.id, "busy")
                return False
            self._shut_down(part.id)
            place.loop.cut_off()
        self._link(guest, part.id).unlink(missing_ok=True)
        root = guest.root()
        if root is not None:
            # Where it is a mount, as it is from a boot on, the mount ends with it.
            (root / "dev" / place.name).unlink(missing_ok=True)
        self._close(part.id)
        log.info("%s: %s, %s, is out", guest.id, place.name, part.id)
        return True

    def forget(self, guest: Guest) -> None:
        deadline = time.monotonic() + FREE_SECONDS
        for volume_id, place in self._of(guest).items():
            while place.loop.used:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{volume_id} is still used, and {guest.id} is off")
                time.sleep(0.02)
            self._link(guest, volume_id).unlink(missing_ok=True)
            self._close(volume_id)

    def _close(self, volume_id: str) -> None:
        self.places.pop(volume_id).loop.close()

    def _of(self, guest: Guest) -> dict[str, Place]:
        return {key: place for key, place in self.places.items() if place.guest is guest}

    def _folder(self, guest: Guest) -> Path:
        folder = guest.folder / "by-id"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _link(self, guest: Guest, volume_id: str) -> Path:
        return self._folder(guest) / by_id(volume_id)

    def _mount(self, volume_id: str) -> Path | None:
        """A folder at which any process of its host has a volume mounted, as seen from here."""
        place = self.places.get(volume_id)
        if place is None:
            return None
        wanted = f"{os.major(place.loop.device)}:{os.minor(place.loop.device)}"
        for pid in groups.processes(place.guest.group):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                for fields in map(
                    str.split, Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
                ):
                    point = fields[4].encode().decode("unicode_escape")
                    mount = Path(f"/proc/{pid}/root{point}")
                    if fields[2] == wanted and mount.is_dir():
                        return mount
        return None

    def _shut_down(self, volume_id: str) -> None:
        """End the filesystem on a volume, so that whoever uses it meets errors at once."""
        mount = self._mount(volume_id)
        if mount is not None:
            handle = os.open(mount, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.ioctl(handle, SHUT_DOWN, struct.pack("I", WITHOUT_FLUSH))
            finally:
                os.close(handle)


def _copy(source: Path, target: Path) -> None:
    draft = target.with_suffix(".copy")
    namespaces.run(
        ["cp", "--reflink=auto", "--sparse=always", str(source), str(draft)], seconds=COPY_SECONDS
    )
    draft.rename(target)
