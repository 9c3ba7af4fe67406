"""Private addresses of interfaces: further ones, and one that moves to another interface."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from cloud.api import later
from cloud.api.addresses import MOVE_SECONDS
from cloud.api.application import Api
from cloud.api.state import Store, regions
from cloud.services.instance_data import Directory
from moto.core.base_backend import BackendDict

pytestmark = pytest.mark.unit

VIP = "192.168.100.50"
ASSIGN = "AssignPrivateIpAddresses"


class Two:
    """Two interfaces of a subnet; the first has the address, too."""

    def __init__(self, cloud: Any, ec2: Any, network: Any) -> None:
        self.cloud, self.ec2, self.network = cloud, ec2, network
        self.one = network.interface("192.168.100.10")
        self.two = network.interface("192.168.100.11")
        ec2.assign_private_ip_addresses(NetworkInterfaceId=self.one, PrivateIpAddresses=[VIP])

    def order(self, seconds: float) -> Path:
        file = self.cloud.api.store.folder.parent / later.FILE
        file.write_text(json.dumps({ASSIGN: seconds}))
        return file

    def move(self, to: str) -> dict[str, Any]:
        return self.ec2.assign_private_ip_addresses(
            NetworkInterfaceId=to, PrivateIpAddresses=[VIP], AllowReassignment=True
        )

    def holders(self) -> list[str]:
        found = self.ec2.describe_network_interfaces()["NetworkInterfaces"]
        return [
            each["NetworkInterfaceId"]
            for each in found
            for entry in each["PrivateIpAddresses"]
            if entry["PrivateIpAddress"] == VIP
        ]


@pytest.fixture
def two(cloud: Any, ec2: Any, network: Any) -> Two:
    return Two(cloud, ec2, network)


def test_an_address_that_nobody_has_is_there_at_once(two: Two) -> None:
    assert two.holders() == [two.one]


def test_an_address_moves_as_a_whole_and_not_at_once(two: Two) -> None:
    two.order(3600)
    answer = two.move(two.two)
    assert answer["AssignedPrivateIpAddresses"] == [{"PrivateIpAddress": VIP}]
    wait = two.cloud.api.carry_out_due()
    assert wait is not None
    assert 3500 < wait <= 3600
    assert two.holders() == [two.one]
    two.order(0)
    assert two.cloud.api.carry_out_due() is None
    assert two.holders() == [two.two]


def test_an_order_that_is_taken_back_lets_the_address_go(two: Two) -> None:
    file = two.order(3600)
    two.move(two.two)
    file.unlink()
    wait = two.cloud.api.carry_out_due()
    assert wait is None or wait <= MOVE_SECONDS
    asked = time.monotonic()
    while two.cloud.api.carry_out_due() is not None:
        assert time.monotonic() < asked + 60
    assert two.holders() == [two.two]


@pytest.mark.parametrize("text", ["{", "[]", '{"AssignPrivateIpAddresses": "soon"}'])
def test_an_order_that_cannot_be_read_holds_nothing(two: Two, text: str) -> None:
    two.order(0).write_text(text)
    two.move(two.two)
    wait = two.cloud.api.carry_out_due()
    assert wait is None or wait <= MOVE_SECONDS


def test_a_daemon_that_is_started_anew_moves_the_address(two: Two) -> None:
    two.order(3600)
    two.move(two.two)
    BackendDict.reset()
    two.cloud.api = Api(Store(two.cloud.api.store.folder), lambda: None)
    two.cloud.api.store.load()
    two.order(0)
    two.cloud.api.carry_out_due()
    assert two.holders() == [two.two]
    BackendDict.reset()
    two.cloud.api.store.load()
    assert two.holders() == [two.two], "the move is on disk"


def test_of_two_who_ask_for_an_address_the_later_one_has_it(two: Two) -> None:
    two.order(3600)
    three = two.network.interface("192.168.100.12")
    two.move(two.two)
    two.move(three)
    two.order(0)
    two.cloud.api.carry_out_due()
    assert two.holders() == [three]


def test_an_address_does_not_move_to_an_interface_that_is_gone(two: Two) -> None:
    two.order(3600)
    two.move(two.two)
    two.ec2.delete_network_interface(NetworkInterfaceId=two.two)
    two.order(0)
    two.cloud.api.carry_out_due()
    assert two.holders() == [two.one]


def test_a_change_that_fails_does_not_hold_up_the_next_one(
    two: Two, caplog: pytest.LogCaptureFixture
) -> None:
    two.order(0)
    (backend,) = (each for each in regions("ec2") if each.region_name == "eu-central-1")
    later.later(backend, "Nothing", 0, broken)
    two.move(two.two)
    two.cloud.api.carry_out_due()
    assert two.holders() == [two.two]
    assert "Nothing" in caplog.text
    assert two.cloud.api.carry_out_due() is None


def broken(_backend: Any) -> None:
    raise RuntimeError("it cannot be done")


def test_the_snapshot_and_the_metadata_of_both_follow_the_address(two: Two) -> None:
    hosts = {two.network.run(interface): interface for interface in (two.one, two.two)}

    def seen() -> dict[str, tuple[bool, bool]]:
        """Whether an interface has the address, in the snapshot and in its host's metadata."""
        snapshot, directory = two.cloud.api.snapshot(), Directory()
        found = {}
        for instance, interface in hosts.items():
            (wanted,) = snapshot.hosts[instance].interfaces
            told = directory.find(two.network.vpc, wanted.address)
            assert told is not None
            macs = told.tree["meta-data"]["network"]["interfaces"]["macs"]
            found[interface] = (VIP in wanted.addresses, VIP in macs[wanted.mac]["local-ipv4s"])
        return found

    assert seen() == {two.one: (True, True), two.two: (False, False)}
    two.order(0)
    two.move(two.two)
    two.cloud.api.carry_out_due()
    assert seen() == {two.one: (False, False), two.two: (True, True)}


def test_addresses_by_number_are_free_ones_and_none_that_aws_keeps(
    ec2: Any, make_network: Any
) -> None:
    small = make_network("10.10.1.0/28")
    interface = small.interface("10.10.1.5")
    answer = ec2.assign_private_ip_addresses(
        NetworkInterfaceId=interface, SecondaryPrivateIpAddressCount=10
    )
    given = [entry["PrivateIpAddress"] for entry in answer["AssignedPrivateIpAddresses"]]
    assert given == [f"10.10.1.{number}" for number in (4, *range(6, 15))]
