"""RunInstances: what moto leaves out of a launch.

A call with the client token of an earlier launch gets that launch's answer. Otherwise moto
launches, and one pass over the new instances sets what it drops or takes from elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.responses.instances import InstanceResponse

from cloud.api import instances, lookup, placement
from cloud.api.patching import replace

ARGUMENTS = (
    "BlockDeviceMappings",
    "DisableApiStop",
    "DisableApiTermination",
    "EbsOptimized",
    "IamInstanceProfile",
    "ImageId",
    "InstanceInitiatedShutdownBehavior",
    "InstanceType",
    "KeyName",
    "LaunchTemplate",
    "MaxCount",
    "MetadataOptions",
    "MinCount",
    "Monitoring",
    "NetworkInterfaces",
    "Placement",
    "PrivateIpAddress",
    "SecurityGroupIds",
    "SecurityGroups",
    "SubnetId",
    "TagSpecifications",
    "UserData",
)
"""Arguments by which two launches with one client token are told apart."""

_moto_run_instances = InstanceResponse.run_instances

Get = Callable[..., Any]
"""Gives an argument of the call, or nothing."""


def digest(get: Get) -> str:
    """A digest of what a launch asks for, its token aside."""
    values = {name: get(name) for name in ARGUMENTS}
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def earlier(backend: Any, get: Get) -> Any | None:
    """The reservation that an earlier launch with this client token made."""
    token = get("ClientToken")
    if not token:
        return None
    return next(
        (
            reservation
            for reservation in backend.reservations.values()
            if any(instance.client_token == token for instance in reservation.instances)
        ),
        None,
    )


def repeats(backend: Any, get: Get) -> bool:
    """Whether a launch was carried out before, so that its answer is given again.

    AWSEC2 API Reference, RunInstances (ClientToken) and "Ensuring idempotency".
    """
    before = earlier(backend, get)
    return (
        before is not None
        and before.asked == digest(get)
        and all(instance.state not in lookup.GONE for instance in before.instances)
    )


def _run_instances(self: Any) -> ActionResult:
    backend, get = self.ec2_backend, self._get_param
    before = earlier(backend, get)
    if before is not None:
        return ActionResult(before)
    reservations, interfaces = set(backend.reservations), set(backend.enis)
    try:
        result = _moto_run_instances(self)
    except Exception:
        _forget(backend, set(backend.reservations) - reservations, set(backend.enis) - interfaces)
        raise
    for reservation_id in set(backend.reservations) - reservations:
        reservation = backend.reservations[reservation_id]
        reservation.asked = digest(get)
        for instance in reservation.instances:
            _complete(instance, get, interfaces)
    return result


def _forget(backend: Any, reservations: set[str], interfaces: set[str]) -> None:
    """A launch that failed on its way leaves nothing, and its interfaces are free again."""
    for reservation in reservations:
        for instance in backend.reservations.pop(reservation).instances:
            for eni in list(instance.nics.values()):
                instance.detach_eni(eni)
            for device in list(instance.block_device_mapping.values()):
                backend.volumes.pop(device.volume_id, None)
    for interface in interfaces:
        backend.delete_network_interface(interface)


def _complete(instance: Any, get: Get, existing: set[str]) -> None:
    """What moto drops; `existing` are the interfaces that the launch did not make."""
    instances.become(instance, "pending")
    _into_zone_of_interface(instance)
    group = placement.named(instance.ec2_backend, get)
    instance.placement.group_name = group.group_name if group is not None else ""
    if lookup.is_true(get("DisableApiTermination")):
        instance.disable_api_termination = True
    kept = {
        int(each.get("DeviceIndex", 0))
        for each in get("NetworkInterfaces", [])
        if str(each.get("DeleteOnTermination", "")).lower() == "false"
    }
    # AWSEC2 API Reference, InstanceNetworkInterfaceSpecification: an interface that the launch
    # makes goes with the instance, unless DeleteOnTermination says otherwise
    for index, eni in instance.nics.items():
        if eni.id not in existing and int(index) not in kept:
            eni.delete_on_termination = True


def _into_zone_of_interface(instance: Any) -> None:
    """moto looks at a subnet in the request alone, and takes the region's first zone otherwise."""
    nic = instance.nics.get(0)
    if nic is not None:
        name = instance._placement.zone = nic.subnet.availability_zone
        zone = instance.ec2_backend.get_zone_by_name(name)
        for device in instance.block_device_mapping.values():
            instance.ec2_backend.volumes[device.volume_id].zone = zone


def install() -> None:
    """Put this launch in the place of moto's."""
    replace(InstanceResponse, run_instances=_run_instances)
