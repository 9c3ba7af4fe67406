"""Addresses that the lab can route: public ones of its own network, private ones that are free."""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import dataclass
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_ip_addresses import ElasticAddress, ElasticAddressBackend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface, NetworkInterfaceBackend
from moto.ec2.models.subnets import Subnet

from cloud.api import lookup
from cloud.api.later import later
from cloud.api.patching import replace
from cloud.names import PUBLIC_NETWORK

RESERVED_AT_START = 4
"""AWS keeps a subnet's first four addresses and its last one: VPC User Guide, subnet-sizing."""
MOVE_SECONDS = 0.5
"""How long an address takes from one interface to another, unless it is ordered otherwise."""

_moto_allocate = ElasticAddressBackend.allocate_address
_moto_create = NetworkInterfaceBackend.create_network_interface
_moto_delete = NetworkInterfaceBackend.delete_network_interface
_moto_request_ip = Subnet.request_ip


def _all_backends() -> list[Any]:
    from moto.ec2.models import ec2_backends

    return [backend for _, _, backend in ec2_backends.iter_backends()]


def free_public_address() -> str:
    """The lowest public address that no allocation and no interface of any region has."""
    taken = set()
    for backend in _all_backends():
        taken |= {address.public_ip for address in backend.addresses}
        taken |= {eni.public_ip for eni in backend.enis.values() if eni.public_ip}
    for address in ipaddress.ip_network(PUBLIC_NETWORK).hosts():
        if str(address) not in taken:
            return str(address)
    raise EC2ClientError(
        "AddressLimitExceeded", f"The lab has no free public address in {PUBLIC_NETWORK}."
    )


def _allocate(
    self: Any, domain: str, address: str | None = None, tags: dict[str, str] | None = None
) -> Any:
    if address is not None:
        if ipaddress.ip_address(address) not in ipaddress.ip_network(PUBLIC_NETWORK):
            raise EC2ClientError(
                "InvalidParameterValue", f"Address {address} is not within {PUBLIC_NETWORK}."
            )
        if any(known.public_ip == address for known in self.addresses):
            raise EC2ClientError(
                "InvalidAddress.InUse", f"The address {address} is already allocated."
            )
    return _moto_allocate(self, domain, address or free_public_address(), tags)


def _free_private_addresses(backend: Any, subnet: Any, count: int) -> list[str]:
    network = subnet.cidr
    taken = lookup.taken(backend, subnet.id)
    numbers = range(RESERVED_AT_START, network.num_addresses - 1)
    free = (str(network[number]) for number in numbers if str(network[number]) not in taken)
    found = list(itertools.islice(free, count))
    if len(found) == count:
        return found
    raise EC2ClientError(
        "InsufficientFreeAddressesInSubnet",
        f"The specified subnet '{subnet.id}' does not have enough free addresses to satisfy"
        " the request.",
    )


def _create_interface(
    self: Any,
    subnet: Any,
    private_ip_address: Any,
    private_ip_addresses: Any = None,
    *args: Any,
    **kwargs: Any,
) -> Any:
    if not private_ip_address and not private_ip_addresses:
        found = self.get_subnet(subnet) if isinstance(subnet, str) else subnet
        (private_ip_address,) = _free_private_addresses(self, found, 1)
    return _moto_create(self, subnet, private_ip_address, private_ip_addresses, *args, **kwargs)


def _choose_address(self: Any, instance: Any) -> str:
    """The address of an interface that RunInstances makes: one that no interface has.

    moto keeps the addresses of interfaces that were deleted, and forgets those of others.
    """
    (address,) = _free_private_addresses(self.ec2_backend, self, 1)
    self.request_ip(address, instance)
    return address


def _take_address(self: Any, address: str, instance: Any) -> None:
    """An address chosen by hand: the refusals have seen that no interface has it."""
    self.del_subnet_ip(address)
    _moto_request_ip(self, address, instance)


@dataclass(frozen=True)
class _Assigned:
    """What AssignPrivateIpAddresses answers with."""

    id: str
    private_ip_addresses: list[dict[str, Any]]


def _assign(
    self: Any,
    eni_id: str,
    private_ip_addresses: list[str] | None = None,
    secondary_ips_count: int | None = None,
) -> _Assigned:
    """Further addresses. One of another interface moves here, after a while as on AWS: the
    refusals have seen that it may."""
    eni = self.get_network_interface(eni_id)
    wanted = private_ip_addresses or _free_private_addresses(
        self, eni.subnet, secondary_ips_count or 0
    )
    taken = lookup.taken(self, eni.subnet.id)
    for address in wanted:
        if address not in taken:
            take_over(self, eni_id, address)
        elif taken[address] != eni_id:
            later(self, "AssignPrivateIpAddresses", MOVE_SECONDS, take_over, eni_id, address)
    return _Assigned(eni_id, [{"PrivateIpAddress": address} for address in wanted])


def take_over(backend: Any, eni_id: str, address: str) -> None:
    """Give an address to an interface, and to no other one of its subnet, unless it is the
    primary address of one by now."""
    eni = backend.enis.get(eni_id)
    if eni is None:
        return
    others = lookup.interfaces(backend, subnet_id=eni.subnet.id)
    if any(other.private_ip_address == address for other in others):
        return
    for other in others:
        other.private_ip_addresses = [
            entry for entry in other.private_ip_addresses if entry["PrivateIpAddress"] != address
        ]
    eni.private_ip_addresses.append({"Primary": False, "PrivateIpAddress": address})


def _delete_interface(self: Any, eni_id: str) -> None:
    """Delete an interface; a public address of it can be associated again."""
    self.get_network_interface(eni_id)
    for address in self.addresses:
        if address.eni is not None and address.eni.id == eni_id:
            self.disassociate_address(association_id=address.association_id)
    _moto_delete(self, eni_id)


def _instance_id(self: Any) -> str | None:
    if self.instance is not None:
        return self.instance.id
    if self.eni is not None and self.eni.instance is not None:
        return self.eni.instance.id
    return None


def _interface_id(self: Any) -> str | None:
    return self.eni.id if self.eni is not None else None


def _automatic_address(self: Any) -> None:
    if lookup.is_true(self.public_ip_auto_assign) and self.public_ip is None:
        self.public_ip = free_public_address()


def install() -> None:
    """Put these functions in the place of moto's."""
    replace(Subnet, get_available_subnet_ip=_choose_address, request_ip=_take_address)
    replace(
        ElasticAddress,
        instance_id=property(_instance_id),
        network_interface_id=property(_interface_id),
    )
    replace(ElasticAddressBackend, allocate_address=_allocate)
    replace(
        NetworkInterfaceBackend,
        create_network_interface=_create_interface,
        delete_network_interface=_delete_interface,
        assign_private_ip_addresses=_assign,
    )
    replace(NetworkInterface, check_auto_public_ip=_automatic_address)
