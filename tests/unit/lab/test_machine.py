"""What a machine has and lacks, as scripts/lab sees it before it begins (setup/machine.sh)."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit
ROOT = Path(__file__).resolve().parents[3]
CHECKS = ROOT / "scripts/cloud/setup/machine.sh"
GOOD = {
    "user": "0",
    "ids": "4294967295",
    "system": "debian 12",
    "architecture": "x86_64",
    "kernel": "6.1.0-13-amd64",
    "memory": "3800",
    "namespaces": "",
    "right": "",
    "loop": "yes",
    "filesystems": "",
    "filter": "",
    "lab": "/here/.lab",
    "lab_disk": "/",
    "lab_type": "ext4",
    "lab_free": "20000",
    "lab_needs": "4000",
    "cache": "/var/cache/mysql-ring",
    "cache_disk": "/",
    "cache_free": "20000",
    "cache_needs": "6000",
}
JUDGE = "judge_system; judge_hardware; judge_filter; judge_room"


def bash(script: str, *arguments: str, path: str = os.defpath) -> list[str]:
    """The lines that a script prints which has read the checks."""
    words = ["bash", "-euo", "pipefail", "-c", f'source "$0"; {script}', str(CHECKS), *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env={"PATH": path})
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def judged(**facts: str) -> list[tuple[str, str]]:
    """Each mistake with its next step, of a machine that is good but for these facts."""
    pairs = [word for pair in {**GOOD, **facts}.items() for word in pair]
    read = "while (($#)); do machine[$1]=$2; shift 2; done; "
    lines = bash(
        f"{read}{JUDGE}; ((${{#mistakes[@]}} == 0)) || printf '%s\\n' \"${{mistakes[@]}}\"", *pairs
    )
    return list(zip(lines[::2], lines[1::2], strict=True))


def test_a_machine_that_has_it_all_is_taken() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("facts", "found", "expected"),
    [
        ({"user": "1000"}, "user id 1000", "root"),
        ({"ids": "1"}, "a user namespace (of 1 ids)", "the machine's own"),
        ({"system": "ubuntu 24.04"}, "'ubuntu 24.04'", "'debian 12'"),
        ({"system": " "}, "the system ' '", "'debian 12'"),
        ({"architecture": "aarch64"}, "architecture aarch64", "x86_64"),
        ({"kernel": "5.4.0"}, "kernel 5.4.0", "Linux 5.8"),
        ({"kernel": "4.19-old"}, "kernel 4.19-old", "Linux 5.8"),
        ({"memory": "1900"}, "1900 MiB of memory", "3500 MiB"),
        ({"namespaces": " net"}, "no namespaces of these kinds: net", "cgroup ipc mnt net"),
        ({"right": "Operation not permitted"}, "(Operation not permitted)", "that he may"),
        ({"loop": "no"}, "no loop-control", "loop devices"),
        ({"filesystems": " xfs"}, "no file systems of these kinds: xfs", "overlay xfs"),
        ({"filter": "Error: No such file"}, "(Error: No such file)", "expected that not"),
        ({"lab_type": "overlay"}, "/here/.lab on an overlay", "another file system"),
        ({"lab_free": "9999"}, "9999 MiB free on /", "10000 MiB"),
        ({"cache_disk": "/var", "cache_free": "5999"}, "5999 MiB free on /var", "6000 MiB"),
        ({"cache_disk": "/var", "lab_free": "3999"}, "3999 MiB free on /", "4000 MiB"),
    ],
)
def test_one_thing_that_a_machine_lacks_is_one_mistake(
    facts: Mapping[str, str], found: str, expected: str
) -> None:
    [(mistake, next_step)] = judged(**facts)
    before, _, after = mistake.partition("; expected ")
    assert before.startswith("found ")
    assert found in before
    assert expected in f"expected {after}"
    assert next_step.startswith("next step: ")
    assert len(next_step) > len("next step: ")


@pytest.mark.parametrize(
    "facts",
    [
        {"kernel": "5.8.0"},
        {"kernel": "10.0"},
        {"lab_free": "0", "lab_needs": "0", "cache_needs": "0"},
        {"lab_free": "10000"},
        {"cache_disk": "/var", "cache_free": "6000", "lab_free": "4000"},
        {"filter": "unasked"},
    ],
)
def test_a_machine_that_has_just_enough_is_taken(facts: Mapping[str, str]) -> None:
    assert judged(**facts) == []


def test_all_that_a_machine_lacks_is_said_at_once() -> None:
    bad = {"architecture": "aarch64", "memory": "500", "loop": "no", "lab_free": "1"}
    assert len(judged(**bad)) == len(bad)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine in a folder: /proc, /dev, /etc and programs, as a small arm64 machine has them."""
    files = {
        "proc/meminfo": "MemTotal:        1024000 kB\nMemFree:  5 kB\n",
        "proc/filesystems": "nodev\tsysfs\n\text4\nnodev\toverlay\n",
        "proc/self/uid_map": "         0          0 4294967295\n",
        "etc/os-release": 'NAME="Some Linux"\nVERSION_ID="13"\nID=debian\n',
    }
    for kind in ("cgroup", "ipc", "mnt", "pid", "uts"):
        files[f"proc/self/ns/{kind}"] = ""
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "dev").mkdir()
    programs = {
        "uname": "echo 6.1.0 aarch64",
        "unshare": 'echo "$*" >>"${0%/*}/asked"; echo "not permitted"; exit 1',
        "df": 'printf "head\\n 123M ext4 /a disk\\n"',
        "nft": "exit 0",
    }
    for name, script in programs.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
    return tmp_path


def seen(machine: Path, script: str, *arguments: str) -> dict[str, str]:
    """What the script, with the machine's folder first, has found."""
    show = 'for key in "${!machine[@]}"; do printf "%s=%s\\n" "$key" "${machine[$key]}"; done'
    lines = bash(f"{script}; {show}", *arguments, path=f"{machine / 'bin'}:{os.defpath}")
    return dict(line.split("=", 1) for line in lines)


def look(machine: Path, user: int) -> str:
    return f"machine[user]={user}; look_at_hardware {machine}/proc {machine}/dev; look_at_filter"


def test_a_machine_is_found_as_it_is(machine: Path) -> None:
    script = look(machine, user=0)
    found = seen(machine, script)
    assert found["architecture"] == "aarch64"
    assert found["kernel"] == "6.1.0"
    assert found["memory"] == "1000"
    assert found["namespaces"].split() == ["net"]
    assert found["loop"] == "no"
    assert found["filesystems"].split() == ["xfs"]
    assert found["ids"] == "4294967295"


def test_the_system_is_read_with_and_without_quotes(machine: Path) -> None:
    assert seen(machine, f"look_at_system {machine}/etc")["system"] == "debian 13"
    assert seen(machine, f"look_at_system {machine}/nowhere")["system"] == " "


def test_who_may_not_make_namespaces_is_told_what_the_machine_said(machine: Path) -> None:
    (machine / "proc/self/ns/net").touch()
    script = look(machine, user=0)
    found = seen(machine, script)
    assert found["right"] == "not permitted"
    assert found["filter"] == "unasked"


def test_nothing_is_tried_by_another_user_than_root(machine: Path) -> None:
    script = look(machine, user=1000)
    seen(machine, script)
    assert not (machine / "bin/asked").exists()


def test_a_kernel_that_refuses_the_rules_is_told_from_one_that_takes_them(machine: Path) -> None:
    script = "machine[user]=0 machine[right]=''; look_at_filter"
    assert seen(machine, script)["filter"] == "not permitted"
    (machine / "bin/unshare").write_text("#!/bin/bash\nexit 0\n")
    assert seen(machine, script)["filter"] == ""


def test_room_is_asked_for_what_is_not_there_yet_and_no_more(machine: Path) -> None:
    cache, lab = machine / "cache", machine / "labs" / "one"
    found = seen(machine, 'look_at_room "$1" "$2"', str(cache), str(lab))
    assert (found["cache_needs"], found["lab_needs"]) == ("6000", "4000")
    assert (found["lab_free"], found["lab_type"], found["lab_disk"]) == ("123", "ext4", "/a disk")
    for path in (cache / "venv-0123456789ab" / ".complete", lab / "lab.json"):
        path.parent.mkdir(parents=True)
        path.touch()
    found = seen(machine, 'look_at_room "$1" "$2"', str(cache), str(lab))
    assert (found["cache_needs"], found["lab_needs"]) == ("0", "0")


def test_a_lab_on_a_machine_that_cannot_serve_it_does_not_begin(
    machine: Path, tmp_path: Path
) -> None:
    """The real entry, on this machine but for its architecture."""
    surroundings = {
        "PATH": f"{machine / 'other'}:{os.defpath}",
        "MYSQL_RING_LAB": str(tmp_path / "lab"),
        "MYSQL_RING_CACHE": str(tmp_path / "cache"),
    }
    (machine / "other").mkdir()
    (machine / "bin/uname").rename(machine / "other/uname")
    done = subprocess.run(
        [ROOT / "scripts/lab", "up"], capture_output=True, text=True, timeout=60, env=surroundings
    )
    assert done.returncode == 69
    assert "lab: found the architecture aarch64; expected x86_64" in done.stderr
    assert "lab: next step: run the lab on such a machine" in done.stderr
    assert not (tmp_path / "lab").exists()
    assert not (tmp_path / "cache").exists()
