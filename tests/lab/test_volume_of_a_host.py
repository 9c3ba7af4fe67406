"""The data volume of a host: what is blank becomes one, what is its own is mounted, all else stays.

A host for all of it, made for this, with MySQL installed and no server. Each test has volumes of
its own. What needs a server that runs is tried on a node of the ring.
"""

import contextlib
import json
import re
from collections.abc import Iterator

import pytest
from archives import archive_settings
from ebs import GIB, Volumes, path, volumes_beside
from hosts_of_their_own import SSH_SECONDS, Host, as_node, call, host
from labs import Kept, Lab, eventually, wait_until_whole
from steps import HOST, KILLED, KILLED_STATUS, REFUSED, Steps, parts

pytestmark = pytest.mark.data

PLACE = "/srv/mysql-ring"
SAME = ["no change"]  # what a verb says that had nothing to do
RECORD = "/etc/mysql-ring/volume.json"
NODE = "node-2"
HEAD = 8 << 20  # bytes of a device that are compared: all signatures but those at its end
TIDY = f"""\
systemctl stop mysql-ring-volume
systemctl reset-failed mysql-ring-volume
umount --lazy {PLACE}
rm -f {RECORD} /var/lib/mysql /var/log/mysql
exit 0
"""
# Runs a program and kills it at its so many'th write to a place in a file, on x86-64.
KILL_AT_WRITE = """
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
TRACEME, SYSCALL, GETREGS, PWRITE64, ORIG_RAX = 0, 24, 12, 18, 15
left, argv = int(sys.argv[1]), sys.argv[2:]
pid = os.fork()
if pid == 0:
    libc.ptrace(TRACEME, 0, None, None)
    os.execvp(argv[0], argv)
os.waitpid(pid, 0)
registers = (ctypes.c_ulonglong * 64)()
enters = True
while True:
    if libc.ptrace(SYSCALL, pid, None, None):
        sys.exit(os.strerror(ctypes.get_errno()))
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        sys.exit(f"it ended with {status} before that write")
    libc.ptrace(GETREGS, pid, None, ctypes.byref(registers))
    if enters and registers[ORIG_RAX] == PWRITE64:
        left -= 1
        if left == 0:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            break
    enters = not enters
"""
FOREIGN = {
    "ext4": ("mkfs.ext4 -q {}", "ext4"),
    "swap": ("mkswap {}", "swap"),
    "a partition table": (
        r"printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\010\0\0' | dd of={} bs=1 seek=446 conv=notrunc;"
        r" printf '\125\252' | dd of={} bs=1 seek=510 conv=notrunc",
        "dos",
    ),
    "data": ("echo data | dd of={} bs=1 seek=70000 conv=notrunc", "data without a known form"),
}


@contextlib.contextmanager
def installed(lab: Lab) -> Iterator[Host]:
    """A host with MySQL and without a server, that is to become the second node."""
    node = json.loads(Steps(lab).document(NODE, "tools"))["node"]
    with host(lab) as found:
        as_node(found, node)
        done = found.verb("install", archive_settings())
        assert done.returncode == 0, done.stderr
        yield found


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept[Host]]:
    with Kept(installed) as kept:
        yield kept


@pytest.fixture
def fresh(ring: Lab, kept: Kept[Host]) -> Iterator[Host]:
    """A host that never had a data volume."""
    found = kept.of(ring)
    node = found.root("cat /etc/mysql-ring/node.json")
    yield found
    found.run("sudo sh", TIDY)
    call(found, json.loads(node))


@pytest.fixture
def volumes(ring: Lab, fresh: Host) -> Iterator[Volumes]:
    with volumes_beside(ring, fresh) as found:
        yield found
        fresh.run("sudo sh", TIDY)


@pytest.fixture
def blank(fresh: Host, volumes: Volumes) -> str:
    """A new volume, attached."""
    volume = volumes.make()
    volumes.attach(volume, fresh)
    return volume


@pytest.fixture
def own(fresh: Host, blank: str) -> str:
    """A volume that is the node's, mounted, with a file on it."""
    ready(fresh, blank)
    fresh.root(f"echo kept >{PLACE}/file; sync -f {PLACE}")
    return blank


def ready(found: Host, volume: str, gib: int = 1) -> list[str]:
    """What the verb did."""
    done = found.verb("volume", {"volume_id": volume, "size_gib": gib})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["done"]


def refuses(found: Host, volume: str) -> dict[str, str]:
    """The parts of the verb's error. It leaves nothing mounted."""
    done = found.verb("volume", {"volume_id": volume, "size_gib": 1})
    assert done.returncode == REFUSED, f"{done.returncode}: {done.stdout}{done.stderr}"
    assert found.run(f"mountpoint -q {PLACE}").returncode != 0
    return parts(done.stderr)


def head(found: Host, volume: str) -> str:
    return found.root(f"head -c {HEAD} {path(volume)} | sha256sum")


def killed(found: Host, volume: str, after: str) -> None:
    """The verb dies once it has called `after`: room.module.name."""
    room, file, name = after.split(".")
    found.root(f"cat >/tmp/killed.py <<'END'\n{KILLED}\nEND")
    words = f"sudo python3 -B /tmp/killed.py volume {room}.{file} '' {name} ''; exit $?"
    done = found.run(words, json.dumps({"volume_id": volume, "size_gib": 1}))
    assert done.returncode == KILLED_STATUS, done.stdout + done.stderr


def remount(found: Host) -> None:
    """What a boot does, without the boot."""
    found.root(f"systemctl stop mysql-ring-volume; umount {PLACE}")
    found.run("sudo systemctl start mysql-ring-volume")


def boots(found: Host, do: str, lab: Lab) -> None:
    started = "systemctl show --property=UserspaceTimestampMonotonic --value"
    before = found.root(started)
    lab.aws("ec2", do, "--instance-ids", found.instance)
    eventually(
        lambda: found.run(started).stdout,
        lambda said: said not in ("", before),
        "the host has booted",
        seconds=SSH_SECONDS,
    )


def said_by_the_unit(found: Host) -> str:
    return found.root("journalctl --unit=mysql-ring-volume --lines=8 --output=cat")


def test_a_blank_volume_becomes_the_nodes_and_is_left_alone_from_then_on(
    fresh: Host, blank: str
) -> None:
    assert f"XFS made on {blank}" in ready(fresh, blank)
    mount = fresh.root(f"findmnt --noheadings --output SOURCE,FSTYPE,OPTIONS {PLACE}")
    assert fresh.root(f"readlink -f {path(blank)}").strip() in mount
    assert "xfs" in mount.split()
    assert "noatime" in mount
    assert "reflink=1" in fresh.root(f"xfs_info {PLACE}")
    assert json.loads(fresh.root(f"cat {PLACE}/volume.json")) == {
        "volume_id": blank,
        "node": NODE,
    }
    links = fresh.root("readlink /var/lib/mysql /var/log/mysql").split()
    assert links == [f"{PLACE}/current/data", f"{PLACE}/current/log"]
    fresh.root(f"echo kept >{PLACE}/file")
    assert ready(fresh, blank) == SAME
    assert fresh.root(f"cat {PLACE}/file") == "kept\n"


@pytest.mark.parametrize(("put", "said"), FOREIGN.values(), ids=FOREIGN)
def test_a_volume_that_carries_anything_is_refused_by_name_and_never_written_to(
    fresh: Host, blank: str, put: str, said: str
) -> None:
    fresh.root(put.format(path(blank), path(blank)))
    before = head(fresh, blank)
    error = refuses(fresh, blank)
    assert error["found"] == f"{blank} carries {said}"
    assert head(fresh, blank) == before


def test_an_xfs_of_somebody_else_is_refused_and_its_files_stay(fresh: Host, blank: str) -> None:
    fresh.root(
        f"mkfs.xfs -q {path(blank)}; mount {path(blank)} /mnt; echo theirs >/mnt/file; umount /mnt"
    )
    error = refuses(fresh, blank)
    assert error["found"] == f"{blank} carries an XFS with file, and does not say whose"
    fresh.root(f"mount {path(blank)} /mnt")
    assert fresh.root("cat /mnt/file; ls -A /mnt; umount /mnt") == "theirs\nfile\n"


@pytest.mark.parametrize("at", [1, 6, 40])
@pytest.mark.parametrize("known", [True, False], ids=["on this host", "on another host"])
def test_an_xfs_whose_making_was_killed_is_made_anew(
    fresh: Host, blank: str, at: int, known: bool
) -> None:
    killed(fresh, blank, "host.volumes._write_record")
    identity = json.loads(fresh.root(f"cat {RECORD}"))["uuid"]
    fresh.root(f"cat >/tmp/kill.py <<'END'\n{KILL_AT_WRITE}\nEND")
    fresh.root(
        f"python3 /tmp/kill.py {at} mkfs.xfs -q -f -m reflink=1,uuid={identity} {path(blank)}"
    )
    assert fresh.run(f"sudo mount {path(blank)} /mnt").returncode != 0, "it is no file system"
    if not known:
        fresh.root(f"rm {RECORD}")
    assert f"XFS made on {blank}" in ready(fresh, blank)
    assert ready(fresh, blank) == SAME


@pytest.mark.parametrize(
    ("after", "made"),
    [
        (["host.volumes._write_record"], True),
        (["host.volumes._make_file_system"], False),
        (["host.volumes._mount"], False),
        (["host.volumes._mount", "host.files._stage"], False),
        (["host.volumes._own"], False),
        (["host.files.folder"], False),
        (["host.files.link"], False),
    ],
    ids=lambda value: " then ".join(value) if isinstance(value, list) else None,
)
def test_a_killed_run_is_gone_on_with(
    fresh: Host, blank: str, after: list[str], made: bool
) -> None:
    for each in after:
        killed(fresh, blank, each)
    assert (f"XFS made on {blank}" in ready(fresh, blank)) is made
    assert json.loads(fresh.root(f"cat {PLACE}/volume.json"))["volume_id"] == blank
    assert ready(fresh, blank) == SAME


def test_another_nodes_volume_is_refused_and_named(fresh: Host, own: str) -> None:
    fresh.run("sudo sh", TIDY)
    node = json.loads(fresh.root("cat /etc/mysql-ring/node.json"))
    call(fresh, {**node, "name": "node-1"})
    error = refuses(fresh, own)
    assert error["found"] == f"{own} is the data volume of {NODE}"
    assert error["expected"] == "the one of node-1"
    call(fresh, node)
    ready(fresh, own)
    assert fresh.root(f"cat {PLACE}/file") == "kept\n"


def test_a_volume_restored_from_a_snapshot_is_refused_until_it_is_wiped_as_the_error_says(
    fresh: Host, volumes: Volumes, own: str
) -> None:
    snapshot = volumes.snapshot(own)
    record = fresh.root(f"cat {RECORD}")
    fresh.run("sudo sh", TIDY)
    fresh.root(f"echo '{record.strip()}' > {RECORD}")
    volumes.detach(own)
    volumes.becomes(own, "available")
    restored = volumes.make(1, **{"snapshot-id": snapshot})
    volumes.attach(restored, fresh)
    error = refuses(fresh, restored)
    assert f"{restored} is a copy of {own}" in error["found"]
    assert "set back in time" in error["found"]
    assert fresh.root(f"cat {RECORD}") == record, "a boot still mounts the right one"
    (wipe,) = re.findall("`(dd .*?)`", error["next_step"])
    fresh.root(wipe)
    assert f"XFS made on {restored}" in ready(fresh, restored)
    assert fresh.run(f"test -e {PLACE}/file").returncode != 0
    volumes.aws("ec2", "delete-snapshot", "--snapshot-id", snapshot)


def test_a_volume_that_grew_has_all_of_it_in_its_file_system(
    fresh: Host, volumes: Volumes, own: str
) -> None:
    volumes.aws("ec2", "modify-volume", "--volume-id", own, "--size", "3")
    assert ready(fresh, own, 3) == ["file system grown to 3 GiB"]
    size = int(fresh.root(f"findmnt --noheadings --bytes --output SIZE {PLACE}"))
    assert size > 2.9 * GIB
    assert fresh.root(f"cat {PLACE}/file") == "kept\n"
    assert ready(fresh, own, 3) == SAME


def test_a_file_system_that_has_shut_down_is_named(fresh: Host, own: str) -> None:
    fresh.root(f"xfs_io -x -c shutdown {PLACE}")
    assert fresh.run(f"cat {PLACE}/file").returncode != 0
    done = fresh.verb("volume", {"volume_id": own, "size_gib": 1})
    assert done.returncode == HOST, done.stdout
    error = parts(done.stderr)
    assert "Input/output error" in error["found"]
    assert "dmesg" in error["next_step"]


def test_a_boot_mounts_the_volume_and_removes_what_a_killed_copy_left(
    fresh: Host, own: str, ring: Lab
) -> None:
    fresh.root(f"mkdir -p {PLACE}/arriving/0a1b2c3d/data {PLACE}/snapshots/0a1b2c3d; sync")
    boots(fresh, "reboot-instances", ring)
    eventually(
        lambda: fresh.run("systemctl is-active mysql-ring-volume").stdout.strip(),
        lambda state: state in ("active", "failed"),
        "the unit has ended",
        seconds=SSH_SECONDS,
    )
    assert fresh.root(f"cat {PLACE}/file") == "kept\n", said_by_the_unit(fresh)
    assert fresh.root(f"ls -A {PLACE}/arriving {PLACE}/snapshots").split() == [
        f"{PLACE}/arriving:",
        f"{PLACE}/snapshots:",
    ]
    assert "noatime" in fresh.root(f"findmnt --noheadings --output OPTIONS {PLACE}")
    assert ready(fresh, own) == SAME


def test_at_boot_another_file_system_on_the_volume_is_not_mounted(fresh: Host, own: str) -> None:
    remount(fresh)
    assert fresh.root(f"cat {PLACE}/file") == "kept\n"
    fresh.root(
        f"systemctl stop mysql-ring-volume; umount {PLACE}; mkfs.xfs -q -f {path(own)};"
        " systemctl start mysql-ring-volume || true"
    )
    assert fresh.run(f"mountpoint -q {PLACE}").returncode != 0
    eventually(
        lambda: said_by_the_unit(fresh), lambda said: f"which is {own}'s" in said, "the unit's word"
    )


def test_a_node_whose_volume_is_not_there_at_boot_waits_for_it_and_writes_nothing(
    ring: Lab,
) -> None:
    """The volume comes after the boot: then the server starts by itself."""
    outputs = ring.outputs()["nodes"][NODE]
    instance, volume = (
        outputs["instanceId"],
        json.loads(Steps(ring).document(NODE, "volume"))["volume_id"],
    )
    ring.sql(NODE, "CREATE TABLE app.kept (id INT PRIMARY KEY) ENGINE=InnoDB")
    (found,) = ring.aws("ec2", "describe-volumes", "--volume-ids", volume)["Volumes"]
    device = found["Attachments"][0]["Device"]
    ring.aws("ec2", "stop-instances", "--instance-ids", instance)
    become(ring, instance, "stopped")
    ring.aws("ec2", "detach-volume", "--volume-id", volume)
    attached(ring, volume, [])
    ring.aws("ec2", "start-instances", "--instance-ids", instance)
    become(ring, instance, "running")
    words = "systemctl show --property=ActiveState --value mysql-ring-volume mysql"
    eventually(
        lambda: ring.run_on(NODE, words, expect=None).stdout.split(),
        lambda states: states == ["activating", "inactive"],
        "the unit waits, and the server for it",
        seconds=SSH_SECONDS,
    )
    assert ring.ssh(NODE, f"sudo ls -A {PLACE}") == ""
    assert ring.run_on(NODE, "sudo touch /var/lib/mysql/x", expect=None).returncode != 0
    assert ring.run_on(NODE, "pgrep -x mysqld", expect=None).stdout == ""
    ring.aws(
        "ec2", "attach-volume", "--volume-id", volume, "--instance-id", instance,
        "--device", device,
    )  # fmt: skip
    attached(ring, volume, ["attached"])
    wait_until_whole(ring)
    ring.sql(NODE, "DROP TABLE app.kept")


def become(ring: Lab, instance: str, state: str) -> None:
    eventually(
        lambda: ring.aws("ec2", "describe-instances", "--instance-ids", instance)["Reservations"][
            0
        ]["Instances"][0]["State"]["Name"],
        lambda found: found == state,
        f"{instance} {state}",
        seconds=SSH_SECONDS,
    )


def attached(ring: Lab, volume: str, states: list[str]) -> None:
    eventually(
        lambda: [
            each["State"]
            for each in ring.aws("ec2", "describe-volumes", "--volume-ids", volume)["Volumes"][0][
                "Attachments"
            ]
        ],
        lambda found: found == states,
        f"{volume} {states}",
    )
