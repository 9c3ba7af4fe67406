"""What is on a host's disk when it boots again."""

from pathlib import Path
from typing import Any

import pytest
from cloud import groups
from cloud.hosts import guest as module
from cloud.hosts.guest import ALL_DONE, Guest
from cloud.names import Names
from cloud.wanted import Host, Interface

pytestmark = pytest.mark.unit

INTERFACE = Interface("eni-1", "02:00:00:00:00:01", "10.0.0.4", "subnet-1", "vpc-1", "i-1", 0)
HOST = Host("i-1", "running", 0, "r", "ra", "h", (INTERFACE,))


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guest:
    def none(*_: Any) -> None:
        pass

    monkeypatch.setattr(groups, "end", none)
    monkeypatch.setattr(module.namespaces, "delete", none)
    monkeypatch.setattr(module.namespaces, "create", none)
    return Guest("i-1", tmp_path / "i-1", Names("abcdef"))


@pytest.mark.parametrize(
    ("booted", "failures", "made", "kept"),
    [
        (True, 0, False, True),
        (True, 0, True, True),
        (True, 1, True, True),
        (False, 0, True, True),
        (True, 1, False, False),
        (False, 0, False, False),
    ],
    ids=[
        "told to reboot or stopped in its first boot",
        "told to, later",
        "it died later",
        "the lab was off later",
        "it died in its first boot",
        "the lab was off in its first boot",
    ],
)
def test_only_a_first_boot_that_nobody_asked_to_end_begins_anew(
    guest: Guest, booted: bool, failures: int, made: bool, kept: bool
) -> None:
    written = guest.folder / "upper/etc/written"
    written.parent.mkdir(parents=True)
    written.touch()
    if made:
        done = guest.folder / "upper/var/lib/cloud/instances/i-1" / ALL_DONE
        done.parent.mkdir(parents=True)
        done.touch()
    guest.booted, guest.failures = booted, failures
    guest.prepare(HOST)
    assert written.exists() is kept
    assert (guest.folder / "upper/var/lib/cloud/seed/nocloud/meta-data").exists()
