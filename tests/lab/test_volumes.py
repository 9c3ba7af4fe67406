"""Volumes as the hosts have them: block devices that come, go, grow and outlive their hosts.

Two hosts for all of it, made for this; they share one kernel, which mounts an XFS once.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ebs import GIB, Volumes, path, volumes_beside
from hosts_of_their_own import Host, host
from labs import Kept, Lab, eventually
from test_lab_commands import loops_of

pytestmark = pytest.mark.data

PLACE = "/mnt/volume"
# Prints the number of each line that is on the volume, until it cannot be.
WRITE = """
import os, sys
with open(sys.argv[1], "ab", buffering=0) as file:
    for number in range(10**9):
        try:
            file.write(b"%d\\n" % number)
            os.fsync(file.fileno())
        except OSError as error:
            print("errno", error.errno, flush=True)
            break
        print(number, flush=True)
"""


@dataclass
class Two:
    one: Host
    two: Host


@contextlib.contextmanager
def two_hosts(lab: Lab) -> Iterator[Two]:
    with host(lab) as one, host(lab) as two:
        for each in (one, two):
            each.root(
                "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install"
                f" --yes --no-install-recommends xfsprogs >/dev/null 2>&1; mkdir {PLACE}"
            )
        yield Two(one, two)


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept[Two]]:
    with Kept(two_hosts) as kept:
        yield kept


@pytest.fixture
def hosts(ring: Lab, kept: Kept[Two]) -> Iterator[Two]:
    """Two hosts with nothing mounted."""
    found = kept.of(ring)
    yield found
    for each in (found.one, found.two):
        each.run(f"sudo umount --lazy {PLACE}")


@pytest.fixture
def volumes(ring: Lab, hosts: Two) -> Iterator[Volumes]:
    with volumes_beside(ring, hosts.one) as found:
        yield found


@pytest.fixture
def filled(hosts: Two, volumes: Volumes) -> str:
    """A volume with an XFS that is mounted on the first host and holds one file."""
    volume = volumes.make()
    device = volumes.attach(volume, hosts.one)
    hosts.one.root(
        f"mkfs.xfs -q {device}; mount {device} {PLACE}; echo kept >{PLACE}/file; sync -f {PLACE}"
    )
    return volume


def test_a_new_volume_is_blank_and_found_by_its_id(hosts: Two, volumes: Volumes, ring: Lab) -> None:
    first, second = volumes.make(), volumes.make(2)
    device = volumes.attach(first, hosts.one)
    found = hosts.one.root(
        f"readlink -f {device}; blockdev --getsize64 {device}; stat -Lc '%F %a %U:%G' {device};"
        f" cmp {device} /dev/zero 2>&1 | grep -c 'EOF on /dev/disk'; blkid -p {device} || echo $?"
    ).split("\n")
    assert found[0].startswith("/dev/nvme")
    assert found[1:5] == [str(GIB), "block special file 660 root:disk", "1", "2"]
    other = volumes.attach(second, hosts.two)
    assert hosts.two.root(f"blockdev --getsize64 {other}").strip() == str(2 * GIB)
    assert hosts.two.run(f"test -e {device}").returncode != 0
    assert len(loops_of(ring)) >= 2
    volumes.detach(first)
    volumes.becomes(first, "available")
    assert hosts.one.root("ls /dev/disk/by-id /dev | grep nvme; true") == ""


def test_a_volume_is_there_again_after_a_reboot(
    hosts: Two, volumes: Volumes, filled: str, ring: Lab
) -> None:
    started = "systemctl show --property=UserspaceTimestampMonotonic --value"
    before = hosts.one.root(started)
    ring.aws("ec2", "reboot-instances", "--instance-ids", hosts.one.instance)
    eventually(
        lambda: hosts.one.run(started).stdout,
        lambda found: found not in ("", before),
        "the host has booted",
        seconds=60,
    )
    assert volumes.told(filled) == ("in-use", "attached")
    hosts.one.root(f"mount {path(filled)} {PLACE}")
    assert hosts.one.root(f"cat {PLACE}/file") == "kept\n"
    hosts.one.root(f"umount {PLACE}")
    volumes.detach(filled)
    volumes.becomes(filled, "available")
    assert hosts.one.root("ls /dev/disk/by-id /dev | grep nvme; true") == ""


def test_a_volume_grows_under_a_mounted_filesystem(
    hosts: Two, volumes: Volumes, filled: str
) -> None:
    volumes.aws("ec2", "modify-volume", "--volume-id", filled, "--size", "3")
    eventually(
        lambda: hosts.one.root(f"blockdev --getsize64 {path(filled)}").strip(),
        lambda size: size == str(3 * GIB),
        "the device has its new size",
    )
    hosts.one.root(f"xfs_growfs {PLACE}")
    blocks = hosts.one.root(f"df --output=size --block-size=1M {PLACE}").split()[-1]
    assert int(blocks) > 2900
    assert hosts.one.root(f"cat {PLACE}/file") == "kept\n"
    assert volumes.told(filled) == ("in-use", "attached")


def test_a_mounted_volume_is_busy_until_it_is_unmounted(
    hosts: Two, volumes: Volumes, filled: str
) -> None:
    volumes.detach(filled)
    volumes.becomes(filled, "in-use", "busy")
    hosts.one.root(f"echo more >>{PLACE}/file; sync -f {PLACE}; umount {PLACE}")
    volumes.becomes(filled, "available")
    device = volumes.attach(filled, hosts.two)
    hosts.two.root(f"mount {device} {PLACE}")
    assert hosts.two.root(f"cat {PLACE}/file") == "kept\nmore\n"


def test_a_volume_that_is_forced_out_gives_errors_and_loses_nothing_that_was_written(
    hosts: Two, volumes: Volumes, filled: str
) -> None:
    hosts.one.root(f"chmod 777 {PLACE}; systemctl reset-failed writer 2>/dev/null; true")
    start = (
        "cat >/tmp/write; systemd-run --quiet --unit=writer"
        f" --property=StandardOutput=file:/tmp/said python3 /tmp/write {PLACE}/lines"
    )
    done = hosts.one.run(f"sudo sh -c 'rm -f /tmp/said; {start}'", WRITE)
    assert done.returncode == 0, done.stderr
    eventually(
        lambda: hosts.one.root("wc -l </tmp/said"), lambda count: int(count) > 10, "it writes"
    )
    volumes.detach(filled, "--force")
    volumes.becomes(filled, "available")
    said = eventually(
        lambda: hosts.one.root("cat /tmp/said").split("\n"),
        lambda lines: "errno 5" in lines,
        "the writer meets EIO",
    )
    assert hosts.one.run(f"cat {PLACE}/file").returncode != 0
    assert hosts.one.root("ls /dev/disk/by-id /dev | grep nvme; true") == ""
    hosts.one.root(f"umount {PLACE}")
    device = volumes.attach(filled, hosts.two)
    hosts.two.root(f"mount {device} {PLACE}")
    written = hosts.two.root(f"cat {PLACE}/lines").split()
    acknowledged = [line for line in said if line.isdigit()]
    assert written[: len(acknowledged)] == acknowledged
    assert len(written) <= len(acknowledged) + 1


def test_a_volume_of_a_snapshot_holds_what_was_there_then(
    hosts: Two, volumes: Volumes, filled: str
) -> None:
    copy = volumes.snapshot(filled)
    hosts.one.root(f"echo later >{PLACE}/file; sync -f {PLACE}")
    restored = volumes.make(2, **{"snapshot-id": copy})
    device = volumes.attach(restored, hosts.two)
    # One kernel has both: on EC2 it would not be asked.
    hosts.two.root(f"mount -o nouuid {device} {PLACE}")
    assert hosts.two.root(f"cat {PLACE}/file") == "kept\n"
    assert hosts.one.root(f"cat {PLACE}/file") == "later\n"
    volumes.aws("ec2", "delete-snapshot", "--snapshot-id", copy)


def test_a_volume_outlives_its_host_and_is_there_when_another_one_boots(
    ring: Lab, hosts: Two, volumes: Volumes
) -> None:
    volume = volumes.make()
    with host(ring) as first:
        device = volumes.attach(volume, first)
        first.root("apt-get -qq update; apt-get -qq install --yes xfsprogs >/dev/null 2>&1")
        first.root(f"mkfs.xfs -q {device}; mkdir {PLACE}; mount {device} {PLACE}")
        first.root(f"echo kept >{PLACE}/file; sync -f {PLACE}")
    volumes.becomes(volume, "available")
    files = [path.name for path in Path(ring.folder / "cloud/volumes").iterdir()]
    assert volume in files
    assert [file for file in loops_of(ring) if volume in file] == []
    volumes.attach(volume, hosts.two)
    hosts.two.root(f"mount {device} {PLACE}")
    assert hosts.two.root(f"cat {PLACE}/file") == "kept\n"
