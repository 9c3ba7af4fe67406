"""The lab's own commands: twice, interrupted, after a power cut, and nothing left behind."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloud.cli.surroundings import argv_in_world, environment
from cloud.lab import Lab as Folder
from labs import NODES, ROOT, Lab, eventually
from updates import Update
from waits import PATIENCE

pytestmark = pytest.mark.lab


def processes_of(lab: Lab) -> dict[int, str]:
    """Processes that carry the lab's folder or its namespaces in their arguments."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(lab.folder) in words and "pytest" not in words:
            found[int(entry.name)] = words
    return found


def namespaces_of(lab_id: str) -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if line.startswith(f"mr{lab_id}-")]


def pids_in_namespaces_of(lab_id: str) -> list[int]:
    """Processes on the hosts and of the lab's services."""
    return [pid for line in namespaces_of(lab_id) for pid in pids_in(line.split()[0])]


def pids_in(namespace: str) -> list[int]:
    asked = ["ip", "netns", "pids", namespace]
    listed = subprocess.run(asked, capture_output=True, text=True, check=True)
    return [int(pid) for pid in listed.stdout.split()]


def mounts_of(lab: Lab) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line for line in lines if str(lab.folder) in line]


def loops_of(lab: Lab) -> list[str]:
    """The files of the lab that are behind loop devices."""
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            found.append(path.read_text().strip())
    return [file for file in found if file.startswith(f"{lab.folder}/")]


@pytest.fixture
def other_lab(lab: Lab) -> Iterator[Lab]:
    """A lab of its own beside the session's: both run at once on one machine."""
    other = Lab(lab.folder.with_name(lab.folder.name + "-other"))
    other.raze()
    yield other
    other.raze()


def test_down_in_the_middle_of_an_up_ends_it_and_leaves_nothing(other_lab: Lab) -> None:
    with other_lab.gates.verb("tools") as gate:
        up = Update(other_lab, "up")
        gate.wait(by=up)
        lab_id = other_lab.id()
        assert namespaces_of(lab_id)
        hosts = [words for words in processes_of(other_lab).values() if "systemd-nspawn" in words]
        assert hosts

        second = other_lab.run("up", expect=None)
        assert second.returncode != 0
        assert str(up.process.pid) in second.stdout + second.stderr

        other_lab.run("down", "--yes", timeout=300)
        assert up.end() != 0
    assert processes_of(other_lab) == {}
    assert namespaces_of(lab_id) == []
    assert mounts_of(other_lab) == []
    assert loops_of(other_lab) == []
    assert not other_lab.folder.exists()


def test_down_where_nothing_is_up_says_so(other_lab: Lab) -> None:
    done = other_lab.run("down", "--yes")
    assert "nothing" in (done.stdout + done.stderr).lower()


def test_down_without_a_confirmation_destroys_nothing(ring: Lab) -> None:
    refused = ring.run("down", expect=None)
    assert refused.returncode != 0
    assert "--yes" in refused.stdout + refused.stderr
    for node in NODES:
        assert ring.value(node, "SELECT 1") == "1"


def test_status_shows_the_ring_again_and_tells_a_node_that_is_not_well(ring: Lab) -> None:
    def shown() -> subprocess.CompletedProcess[str]:
        return ring.run("status", expect=None)

    done = eventually(
        shown, lambda done: done.returncode == 0, "both nodes call themselves healthy"
    )
    addresses = [node["publicAddress"] for node in ring.outputs()["nodes"].values()]
    assert all(address in done.stdout for address in addresses)
    ring.ssh("node-2", "sudo systemctl stop mysql")
    try:
        done = shown()
        assert done.returncode == 9, done.stdout + done.stderr
        assert all(address in done.stdout for address in addresses)
        assert "node-2: " in done.stdout
        assert "next step: " in done.stdout
    finally:
        ring.ssh("node-2", "sudo systemctl start mysql")
    eventually(shown, lambda done: done.returncode == 0, "node-2 is well again")


def test_up_after_the_machine_was_switched_off_brings_the_data_back(ring: Lab) -> None:
    lab = ring
    lab.sql("node-1", "CREATE TABLE app.power (id INT PRIMARY KEY)")
    lab.sql("node-1", "INSERT INTO app.power VALUES (42)")
    eventually(
        lambda: lab.sql("node-2", "SELECT id FROM app.power"),
        lambda rows: rows == [["42"]],
        "the row on node-2",
    )
    before = lab.outputs()["nodes"]
    volume = attached_volume(lab, before["node-1"]["instanceId"])
    assert any(volume in loop for loop in loops_of(lab))

    ready = json.loads((lab.folder / "cloud" / "ready").read_text())
    hosts = [f"mr{lab.id()}-{node['instanceId'][-8:]}" for node in before.values()]
    assert all(pids_in(host) for host in hosts)
    os.kill(ready["pid"], signal.SIGKILL)
    eventually(lambda: [*map(pids_in, hosts)], lambda pids: not any(pids), "hosts end with it", 60)
    for pid in [*processes_of(lab), *pids_in_namespaces_of(lab.id())]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    with pytest.raises(AssertionError):
        lab.value("node-1", "SELECT 1")
    eventually(lambda: loops_of(lab), lambda loops: loops == [], "its loop devices are free")

    lab.up()
    assert any(volume in loop for loop in loops_of(lab))
    assert volume.replace("-", "") in lab.ssh("node-1", "ls /dev/disk/by-id")
    assert lab.outputs()["nodes"] == before
    for node in NODES:
        assert lab.value(node, "SELECT id FROM app.power") == "42"
        status = lab.slave_status(node)
        assert (status["Slave_IO_Running"], status["Slave_SQL_Running"]) == ("Yes", "Yes")
    lab.sql("node-1", "DROP TABLE app.power")
    lab.aws("ec2", "detach-volume", "--volume-id", volume)
    eventually(lambda: volume_state(lab, volume), lambda state: state == "available", "it is out")
    lab.aws("ec2", "delete-volume", "--volume-id", volume)
    eventually(
        lambda: list((lab.folder / "cloud/volumes").glob(volume)),
        lambda files: files == [],
        "the file of the volume is gone",
    )


def attached_volume(lab: Lab, instance: str) -> str:
    """A volume of the test's own."""
    found = lab.aws("ec2", "describe-instances", "--instance-ids", instance)
    zone = found["Reservations"][0]["Instances"][0]["Placement"]["AvailabilityZone"]
    words = ("--availability-zone", zone, "--size", "1", "--volume-type", "gp3")
    volume = lab.aws("ec2", "create-volume", *words)["VolumeId"]
    eventually(lambda: volume_state(lab, volume), lambda state: state == "available", "it is made")
    words = ("--volume-id", volume, "--instance-id", instance, "--device", "/dev/sdp")
    lab.aws("ec2", "attach-volume", *words)
    eventually(lambda: loops_of(lab), lambda loops: any(volume in loop for loop in loops), "a loop")
    return volume


def volume_state(lab: Lab, volume: str) -> str:
    found = lab.aws("ec2", "describe-volumes", "--volume-ids", volume)
    return found["Volumes"][0]["State"]


def test_a_query_by_mysql_prints_tab_separated_lines(ring: Lab) -> None:
    printed = ring.run("mysql", "node-2", "-e", "SELECT 1 AS a, 'x y' AS b").stdout
    assert printed == "a\tb\n1\tx y\n"


def test_ssh_passes_the_exit_code_on(ring: Lab) -> None:
    assert ring.run("ssh", "node-1", "exit 7", expect=None).returncode == 7


def test_an_unknown_node_is_named_in_the_error(ring: Lab) -> None:
    refused = ring.run("ssh", "node-3", "true", expect=None)
    assert refused.returncode != 0
    text = refused.stdout + refused.stderr
    assert "node-3" in text
    assert "node-1" in text


def test_the_checkouts_virtual_environment_is_the_labs_for_its_commands_alone(ring: Lab) -> None:
    """A language host that keeps to Pulumi.yaml starts the Python that is there."""
    place = ROOT / "venv"
    folder = Folder(ring.folder, Folder.from_environment().cache)
    program = "import pulumi_aws, sys; print(sys.prefix)"
    done = subprocess.run(
        argv_in_world(folder, [str(place / "bin" / "python"), "-c", program]),
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120 * PATIENCE,
        check=True,
    )
    assert done.stdout == f"{place}\n"
    assert f" {place} " not in Path("/proc/self/mountinfo").read_text()


def test_a_lab_changes_no_file_of_the_checkout(ring: Lab) -> None:
    assert ring
    assert "encryptionsalt" not in (ROOT / "Pulumi.lab.yaml").read_text()
    assert list((ROOT / "scripts" / "node").rglob("*.pyc")) == []
