"""Files and devices of volumes, with loop devices that only write down what is asked of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cloud.hosts import disks as module
from cloud.hosts import loops
from cloud.hosts.complaints import Complaints
from cloud.hosts.disks import BY_ID, GIB, Disks, by_id
from cloud.hosts.guest import Guest
from cloud.names import Names
from cloud.wanted import Disk, Host, Snapshot, Volume, VolumeSnapshot

pytestmark = pytest.mark.unit

ID = "vol-0123456789abcdef0"
OTHER = "vol-0fedcba9876543210"
COPY = "snap-0123456789abcdef0"
RUNS: Any = "a process"


@dataclass
class Loop:
    """A loop device that is not there."""

    file: Path
    number: int
    used: bool = False
    log: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return loops.node(self.number)

    @property
    def device(self) -> int:
        return self.number

    def grow(self) -> None:
        self.log.append(f"grow to {self.file.stat().st_size // GIB}")

    def cut_off(self) -> None:
        self.log.append("cut off")

    def close(self) -> None:
        self.log.append("close")


class Lab:
    def __init__(self, folder: Path) -> None:
        self.news: list[tuple[str, str]] = []
        self.loops: list[Loop] = []
        self.folder = folder
        self.complaints = Complaints()
        self.disks = Disks(folder, lambda *news: self.news.append(news), self.complaints)
        self.guest = Guest("i-1", folder / "hosts/i-1", Names("abcdef"))

    def attach(self, file: Path) -> Loop:
        self.loops.append(Loop(file, len(self.loops)))
        return self.loops[-1]

    def step(self, *volumes: Volume, copies: tuple[VolumeSnapshot, ...] = ()) -> None:
        """The files of one pass, and nothing else."""
        snapshot = self.snapshot(*volumes, copies=copies)
        self.disks.follow(snapshot)
        self.disks.tidy(snapshot)
        assert self.complaints.open == {}

    def snapshot(
        self, *volumes: Volume, copies: tuple[VolumeSnapshot, ...] = (), state: str = "running"
    ) -> Snapshot:
        hosts = {"i-1": Host("i-1", state, 0, "r", "ra", "h", ())}
        return Snapshot(
            {}, hosts, {one.id: one for one in volumes}, {one.id: one for one in copies}
        )

    def run(self) -> Path:
        """The host has started; its root as the machine sees it."""
        root = self.folder / "root"
        (root / "dev").mkdir(parents=True)
        self.guest.process = RUNS
        self.guest.root = lambda: root  # type: ignore[method-assign]
        return root

    def said(self) -> list[tuple[str, str]]:
        found = list(self.news)
        self.news.clear()
        return found

    @property
    def links(self) -> dict[str, str]:
        folder = self.guest.folder / "by-id"
        return {link.name: str(link.readlink()) for link in folder.iterdir()}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    lab = Lab(tmp_path)
    monkeypatch.setattr(loops, "attach", lab.attach)
    monkeypatch.setattr(loops, "make_node", lambda path, device: path.write_text(str(device)))
    return lab


VOLUME = Volume(ID, 2)
DISK = Disk(ID, "/dev/sdf")


def test_a_volume_is_a_sparse_file_before_it_is_available(lab: Lab) -> None:
    lab.step(replace(VOLUME, state="creating"))
    status = (lab.folder / "volumes" / ID).stat()
    assert (status.st_size, status.st_blocks) == (2 * GIB, 0)
    assert lab.said() == [(ID, "available")]
    lab.step(VOLUME)
    assert lab.said() == []


def test_the_file_of_a_volume_that_is_gone_goes(lab: Lab) -> None:
    lab.step(VOLUME, Volume(OTHER, 2))
    lab.step(VOLUME)
    assert [file.name for file in (lab.folder / "volumes").iterdir()] == [ID]


def test_a_volume_that_grows_keeps_what_it_holds(lab: Lab) -> None:
    lab.step(VOLUME)
    with (lab.folder / "volumes" / ID).open("r+b") as file:
        file.write(b"data")
    assert lab.disks.fit(lab.guest, DISK)
    lab.step(replace(VOLUME, gib=5, modifying=True))
    with (lab.folder / "volumes" / ID).open("rb") as file:
        assert file.read(4) == b"data"
    assert lab.loops[0].log == ["grow to 5"]
    assert lab.said() == [(ID, "modified")]


def test_a_snapshot_holds_what_its_volume_held(lab: Lab) -> None:
    lab.step(VOLUME)
    source = lab.folder / "volumes" / ID
    with source.open("r+b") as file:
        file.write(b"then")
    copy = VolumeSnapshot(COPY, ID, pending=True)
    lab.step(VOLUME, copies=(copy,))
    assert lab.said() == [(COPY, "completed")]
    with source.open("r+b") as file:
        file.write(b"now.")
    made = Volume(OTHER, 3, COPY, "creating")
    lab.step(VOLUME, made, copies=(replace(copy, pending=False),))
    assert lab.said() == [(OTHER, "available")]
    file = lab.folder / "volumes" / OTHER
    assert file.stat().st_size == 3 * GIB
    with file.open("rb") as stream:
        assert stream.read(4) == b"then"
    lab.step(VOLUME)
    assert list((lab.folder / "snapshots").iterdir()) == []


def test_a_snapshot_of_what_has_no_disk_is_in_error(lab: Lab) -> None:
    lab.step(copies=(VolumeSnapshot(COPY, ID, pending=True),))
    assert lab.said() == [(COPY, "error")]


def test_a_host_that_boots_finds_its_volumes(lab: Lab) -> None:
    lab.step(VOLUME, Volume(OTHER, 2))
    for disk in (DISK, Disk(OTHER, "/dev/sdg")):
        assert lab.disks.fit(lab.guest, disk)
    assert lab.disks.boot_arguments(lab.guest) == [
        f"--bind={lab.guest.folder}/by-id:{BY_ID}",
        "--bind=/dev/loop0:/dev/nvme1n1",
        "--bind=/dev/loop1:/dev/nvme2n1",
    ]
    assert lab.links == {by_id(ID): "../../nvme1n1", by_id(OTHER): "../../nvme2n1"}
    assert by_id(ID) == "nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0"


def test_a_host_that_runs_gets_a_volume_and_gives_it_back(lab: Lab) -> None:
    root = lab.run()
    lab.step(VOLUME)
    assert lab.disks.fit(lab.guest, DISK)
    assert [node.name for node in (root / "dev").iterdir()] == ["nvme1n1"]
    assert set(lab.links) == {by_id(ID)}
    assert lab.disks.unfit(lab.guest, DISK)
    assert list((root / "dev").iterdir()) == []
    assert lab.links == {}
    assert lab.loops[0].log == ["close"]


def test_a_host_that_has_not_started_gets_nothing_yet(lab: Lab) -> None:
    lab.run()
    lab.guest.root = lambda: None  # type: ignore[method-assign]
    lab.step(VOLUME)
    assert not lab.disks.fit(lab.guest, DISK)
    assert lab.loops == []


def test_a_volume_without_a_file_does_not_go_in(lab: Lab) -> None:
    with pytest.raises(RuntimeError, match="no disk yet"):
        lab.disks.fit(lab.guest, DISK)


LEAVING = replace(VOLUME, state="in-use", instance_id="i-1", attachment="detaching")


def test_a_volume_that_is_mounted_stays_until_it_is_not(lab: Lab) -> None:
    lab.run()
    lab.step(VOLUME)
    lab.disks.fit(lab.guest, DISK)
    lab.loops[0].used = True
    lab.step(LEAVING)
    assert not lab.disks.unfit(lab.guest, DISK)
    assert lab.said() == [(ID, "busy")]
    lab.step(replace(LEAVING, attachment="busy"))
    assert lab.said() == []
    assert set(lab.links) == {by_id(ID)}
    lab.loops[0].used = False
    assert lab.disks.unfit(lab.guest, DISK)
    lab.step(replace(LEAVING, attachment="busy"))
    assert lab.said() == [(ID, "detached")]


def test_a_volume_that_is_forced_out_answers_nobody_any_more(lab: Lab) -> None:
    root = lab.run()
    lab.step(VOLUME)
    lab.disks.fit(lab.guest, DISK)
    lab.loops[0].used = True
    lab.step(replace(LEAVING, forced=True))
    assert lab.disks.unfit(lab.guest, DISK)
    assert lab.loops[0].log == ["cut off", "close"]
    assert list((root / "dev").iterdir()) == []


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_volume_is_attached_when_it_is_in_a_host_or_the_host_is_off(lab: Lab, state: str) -> None:
    coming = replace(VOLUME, state="in-use", instance_id="i-1", attachment="attaching")
    lab.step(VOLUME)
    lab.disks.tidy(lab.snapshot(coming, state=state))
    assert lab.said() == ([] if state == "running" else [(ID, "attached")])
    lab.disks.fit(lab.guest, DISK)
    lab.disks.tidy(lab.snapshot(coming, state=state))
    assert lab.said() == [(ID, "attached")]


def test_a_host_that_is_off_holds_no_volume(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its mounts may take a moment to end."""
    lab.step(VOLUME)
    lab.disks.fit(lab.guest, DISK)
    lab.loops[0].used = True
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        lab.loops[0].used = False

    monkeypatch.setattr(module.time, "sleep", sleep)
    lab.disks.forget(lab.guest)
    assert len(slept) == 1
    assert lab.loops[0].log == ["close"]
    assert lab.links == {}
    lab.disks.forget(lab.guest)


def test_a_volume_that_is_still_used_when_its_host_is_off_is_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.step(VOLUME)
    lab.disks.fit(lab.guest, DISK)
    lab.loops[0].used = True
    monkeypatch.setattr(module, "FREE_SECONDS", 0.0)
    with pytest.raises(RuntimeError, match=f"{ID} is still used, and i-1 is off"):
        lab.disks.forget(lab.guest)
    assert lab.loops[0].log == []


def test_the_kernels_structures_have_the_kernels_sizes() -> None:
    """struct loop_info64 and loop_config of linux/loop.h."""
    assert (loops.INFO.size, loops.CONFIG.size) == (232, 304)
