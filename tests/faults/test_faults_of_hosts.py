"""Servers and hosts fail while both nodes take writes; the ring comes back by itself."""

import time
from collections.abc import Callable

import pytest
from conftest import is_back
from hosts import Node
from labs import Lab
from load import Load
from waits import BOOT_SECONDS, HELD_SECONDS, NOTICED_SECONDS, within

pytestmark = pytest.mark.faults

Figure = Callable[[str, float], None]


def test_a_killed_server_starts_again_and_loses_nothing(
    nodes: list[Node], load: Load, figure: Figure
) -> None:
    victim, other = nodes
    old = victim.kill_server()
    within(NOTICED_SECONDS, "the writer is cut off", lambda: load.writers[0].failures)
    within(NOTICED_SECONDS, "the slave notices", lambda: other.threads()[0], lambda io: io != "Yes")
    figure("server answers after", victim.wait_for_server())
    assert victim.mysqld() != old
    figure("ring whole after", is_back(nodes))
    load.advance()
    assert load.reckon() > 0


def test_a_rebooted_host_joins_again_by_itself(
    ring: Lab, nodes: list[Node], load: Load, figure: Figure
) -> None:
    victim = nodes[1]
    old = victim.mysqld()
    begun = time.monotonic()
    ring.aws("ec2", "reboot-instances", "--instance-ids", victim.id)
    within(BOOT_SECONDS, "the server is gone", lambda: old not in victim.processes("mysqld"))
    assert load.writers[1].failures or within(5, "cut off", lambda: load.writers[1].failures)
    is_back(nodes, 2 * BOOT_SECONDS)
    figure("ring whole after", time.monotonic() - begun)
    load.advance()
    assert load.reckon() > 0


def test_a_stopped_host_catches_up_after_its_start(
    ring: Lab, nodes: list[Node], load: Load, figure: Figure
) -> None:
    victim, other = nodes
    ring.aws("ec2", "stop-instances", "--instance-ids", victim.id)
    within(BOOT_SECONDS, "the host ends", lambda: not victim.processes("systemd"))
    written = load.writers[1].acknowledged
    within(NOTICED_SECONDS, "the heartbeat shows it", other.heartbeat_age, lambda age: age > 4000)
    within(
        NOTICED_SECONDS,
        "the other node takes writes",
        lambda: load.writers[1].acknowledged > written,
    )
    within(
        BOOT_SECONDS,
        "the instance is stopped",
        lambda: ring.aws("ec2", "describe-instances", "--instance-ids", victim.id)["Reservations"][
            0
        ]["Instances"][0]["State"]["Name"],
        lambda state: state == "stopped",
    )
    begun = time.monotonic()
    ring.aws("ec2", "start-instances", "--instance-ids", victim.id)
    is_back(nodes, 2 * BOOT_SECONDS)
    figure("ring whole after start", time.monotonic() - begun)
    load.advance()
    assert load.reckon() > 0


def test_both_hosts_rebooted_at_once_make_the_same_ring_again(
    ring: Lab, nodes: list[Node], load: Load, figure: Figure
) -> None:
    old = [node.mysqld() for node in nodes]
    begun = time.monotonic()
    ring.aws("ec2", "reboot-instances", "--instance-ids", *(node.id for node in nodes))
    for node, pid in zip(nodes, old, strict=True):
        within(
            BOOT_SECONDS,
            f"{node.name}'s server is gone",
            lambda node=node, pid=pid: pid not in node.processes("mysqld"),
        )
    is_back(nodes, 2 * BOOT_SECONDS)
    figure("ring whole after", time.monotonic() - begun)
    load.advance()
    assert load.reckon() > 0


def test_a_frozen_host_shows_in_the_heartbeat_alone_and_goes_on_when_thawed(
    nodes: list[Node], load: Load, figure: Figure
) -> None:
    victim, other = nodes[1], nodes[0]
    victim.freeze()
    try:
        begun = time.monotonic()
        _, noticed = within(
            NOTICED_SECONDS, "the heartbeat shows it", other.heartbeat_age, lambda age: age > 4000
        )
        figure("noticed after", noticed)
        assert other.threads() == ("Yes", "Yes")
        time.sleep(max(0.0, HELD_SECONDS - (time.monotonic() - begun)))
        assert other.threads()[1] == "Yes"
        assert other.heartbeat_age() > 1000 * (HELD_SECONDS - 2)
    finally:
        victim.thaw()
    figure("ring whole after", is_back(nodes))
    load.advance()
    assert load.reckon() > 0
